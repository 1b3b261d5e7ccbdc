"""``cloudops-nb demo quickstart`` and ``demo lab``: the whole way once, over the simulated AWS."""

from __future__ import annotations

import os
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from cloudops_nb import CloudOps
from cloudops_nb import demo as simulation
from cloudops_nb.cli.render import print_event, print_frame, print_plan
from cloudops_nb.errors import ExecutionError

#: A staging database of the simulated company.
TARGET = "pg-instance-staging1"
SEARCH = "production postgres"
#: In ``notebooks`` of a checkout, and in the folder of the demo in a wheel.
NOTEBOOK = "01-quickstart.ipynb"
_PATH = click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="The demo's folder: the simulated AWS's files, and a store of its own.",
)


@click.command()
@_PATH
def quickstart(path: Path) -> None:
    """Scan a fresh simulated AWS, stop a staging database in it, and show the record."""
    began = time.monotonic()
    _heading("A simulated AWS")
    simulation.down(path)
    running = simulation.up(path)
    running.apply(os.environ)
    click.echo(f"{len(running.accounts)} accounts, {len(running.regions)} regions, at {running.endpoint}")
    try:
        with CloudOps() as ops:
            _tour(ops)
    finally:
        simulation.down(path)
    click.echo(f"\nAll of it took {time.monotonic() - began:.1f} s. The simulated AWS is down again.")


@click.command()
def lab() -> None:
    """Bring the simulated AWS up and open JupyterLab on the quickstart notebook."""
    simulation.up().apply(os.environ)
    notebook = notebook_in(Path())
    # Jupyter refuses root unless told; a container's only user is no reason to fail here.
    as_root = ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", *as_root, str(notebook)]
    os.execv(sys.executable, command)  # noqa: S606 - replaces this process


def notebook_in(folder: Path) -> Path:
    """Return the quickstart notebook: that of a checkout, else a copy of the wheel's in a folder, made if missing."""
    package = Path(str(files("cloudops_nb")))
    checkout = package.parent / "notebooks" / NOTEBOOK
    if checkout.is_file():
        return checkout
    copy = folder / NOTEBOOK
    if not copy.exists():
        copy.write_bytes((package / "demo" / NOTEBOOK).read_bytes())
    return copy


def _tour(ops: CloudOps) -> None:
    """Scan, search, ask, approve, apply, verify."""
    _heading("scan: what is there")
    click.echo(str(ops.scan()))

    _heading(f"search: {SEARCH}")
    print_frame(ops.search(SEARCH, limit=5))

    _heading(f"ask: stop {TARGET}")
    prompt = f"stop {TARGET}"
    click.echo(f"What leaves this host:\n{ops.preview(prompt).decode()}\n")
    answer = ops.ask(prompt)
    if answer.plan is None:
        raise ExecutionError("the quickstart got no plan", answer.text)
    print_plan(answer.plan)

    _heading("approve: scripted, channel 'api', because it is a staging database; never enough for production")
    approval = ops.approve(answer.plan, reason="quickstart: stop the staging database")
    click.echo(f"approved by {approval.by}, channel {approval.channel}, for plan {approval.plan_hash[:16]}…")

    _heading("apply: what happens")
    execution = ops.apply(answer.plan)
    for event in execution:
        print_event(event)
    if execution.status != "completed":
        raise ExecutionError("the quickstart's plan did not complete", str(execution.status))

    _heading("the record")
    rds: Any = ops.sessions.client(answer.plan.account_id, "rds", answer.plan.region)
    database = rds.describe_db_instances(DBInstanceIdentifier=TARGET)["DBInstances"][0]
    click.echo(f"AWS says that {TARGET} is {database['DBInstanceStatus']}.")
    latest = ops.history().iloc[-1]
    for column in ("title", "status", "account_name", "region", "approver", "channel", "reason", "started", "ended"):
        click.echo(f"  {column:<13} {latest[column]}")
    verified = ops.storage.journal.verify()
    click.echo(f"The journal holds {verified.count} records; its chain is verified up to {verified.head[:16]}….")


def _heading(text: str) -> None:
    click.echo()
    click.secho(f"── {text} ".ljust(100, "─"), bold=True)
