"""``cloudops-nb demo``: starts and stops the simulated AWS, and runs the quickstart or JupyterLab against it."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudops_nb import demo as simulation
from cloudops_nb.cli.render import print_event, print_frame, print_plan
from cloudops_nb.errors import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb import CloudOps

    Command = Callable[..., None]

#: The quickstart stops this staging database of the simulated online shop.
TARGET = "pg-instance-staging1"
SEARCH = "production postgres"
#: The quickstart notebook. A checkout has it in the folder ``notebooks``, a wheel in ``cloudops_nb/demo``.
NOTEBOOK = "01-quickstart.ipynb"
_QUICKSTART_PATH = click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="The demo's folder; it holds the files of the simulated AWS and the demo's own store.",
)


def _path_option(command: Command) -> Command:
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option("--path", type=kind, help="The demo's folder; by default one in the user's data folder.")(
        command
    )


@click.group()
def demo() -> None:
    """A simulated AWS on this host: three accounts of an online shop, without access to a real account."""


@demo.command()
@_path_option
@click.option("--seed", type=int, help="A number that determines all resource ids; by default a fixed one.")
@click.option(
    "--transition-seconds",
    type=click.FloatRange(0, 600),
    help="Seconds that EC2 and RDS resources stay in states such as 'stopping'; 1.5 if not set.",
)
def up(path: Path | None, seed: int | None, transition_seconds: float | None) -> None:
    """Start the demo if it is not running, and print how to use it."""
    started = time.monotonic()
    running = simulation.up(path, seed=seed, transition_seconds=transition_seconds)
    names = ", ".join(account["name"] for account in running.accounts)
    click.echo(f"The demo answers at {running.endpoint} after {time.monotonic() - started:.1f} s.")
    click.echo(f"Profiles: {names}. Regions: {', '.join(running.regions)}. Seed: {running.seed}.")
    suffix = f" --path {shlex.quote(str(path))}" if path else ""
    click.echo(f'To use the demo in this shell: eval "$(cloudops-nb demo env{suffix})"')


@demo.command()
@_path_option
def down(path: Path | None) -> None:
    """Stop the demo; its simulated resources are lost."""
    click.echo("The demo has stopped." if simulation.down(path) else "No demo was running.")


@demo.command()
@_path_option
def status(path: Path | None) -> None:
    """Print whether the demo is running, starting or down; the exit code is 0 only if it is running."""
    found = simulation.status(path)
    if found.state == "down":
        click.echo(f"down ({found.path})")
    else:
        click.echo(f"{found.state} {found.endpoint} pid {found.pid} seed {found.seed} since {found.started}")
    if found.state != "running":
        raise click.exceptions.Exit(1)


@demo.command()
@_path_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON object of the variables to set; null means to unset one."
)
def env(path: Path | None, as_json: bool) -> None:
    """Print shell commands that set the variables of the running demo, and unset those of real accounts."""
    running = simulation.find(path)
    if as_json:
        click.echo(json.dumps({**dict.fromkeys(running.unset), **running.environment}, indent=2))
        return
    if os.name == "nt":
        lines = [f"$Env:{name} = '{value}'" for name, value in running.environment.items()]
        lines += [f"Remove-Item Env:{name} -ErrorAction SilentlyContinue" for name in running.unset]
    else:
        lines = [f"export {name}={shlex.quote(value)}" for name, value in running.environment.items()]
        lines += [f"unset {name}" for name in running.unset]
    click.echo("\n".join(lines))


@demo.command()
@_QUICKSTART_PATH
def quickstart(path: Path) -> None:
    """Start a new simulated AWS, scan it, stop a staging database with an approved plan, and print the record."""
    from cloudops_nb import CloudOps

    started = time.monotonic()
    _print_heading("A simulated AWS")
    simulation.down(path)
    running = simulation.up(path)
    running.apply(os.environ)
    click.echo(f"{len(running.accounts)} accounts, {len(running.regions)} regions, at {running.endpoint}")
    try:
        with CloudOps() as ops:
            _show_every_step(ops)
    finally:
        simulation.down(path)
    click.echo(f"\nTotal: {time.monotonic() - started:.1f} s. The simulated AWS has been stopped.")


@demo.command()
def lab() -> None:
    """Start the simulated AWS, and open the quickstart notebook in JupyterLab."""
    simulation.up().apply(os.environ)
    notebook = quickstart_notebook(Path())
    # Jupyter Server refuses to run as root without this flag; in a container, root is often the only user.
    as_root = ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", *as_root, str(notebook)]
    os.execv(sys.executable, command)  # noqa: S606 - replaces this process


def quickstart_notebook(folder: Path) -> Path:
    """Return the path of the quickstart notebook: the original in a checkout, else a copy in ``folder``.

    An existing copy is kept, because the user may have edited it.
    """
    package = Path(str(files("cloudops_nb")))
    checkout = package.parent / "notebooks" / NOTEBOOK
    if checkout.is_file():
        return checkout
    copy = folder / NOTEBOOK
    if not copy.exists():
        copy.write_bytes((package / "demo" / NOTEBOOK).read_bytes())
    return copy


def _show_every_step(ops: CloudOps) -> None:
    _print_heading("scan: discover the resources")
    click.echo(str(ops.scan()))

    _print_heading(f"search: {SEARCH}")
    print_frame(ops.search(SEARCH, limit=5))

    _print_heading(f"ask: stop {TARGET}")
    prompt = f"stop {TARGET}"
    click.echo(f"The request that leaves this host:\n{ops.preview(prompt).decode()}\n")
    answer = ops.ask(prompt)
    if answer.plan is None:
        raise ExecutionError("the quickstart did not get a plan", answer.text)
    print_plan(answer.plan)

    _print_heading(
        "approve: from code (channel 'api'), which is allowed for a staging database, but not for production"
    )
    approval = ops.approve(answer.plan, reason="quickstart: stop the staging database")
    click.echo(f"approved by {approval.by}, channel {approval.channel}, for plan {approval.plan_hash[:16]}…")

    _print_heading("apply: run the plan")
    execution = ops.apply(answer.plan)
    for event in execution:
        print_event(event)
    if execution.status != "completed":
        raise ExecutionError("the quickstart's plan did not complete", str(execution.status))

    _print_heading("the record")
    rds: Any = ops.sessions.client(answer.plan.account_id, "rds", answer.plan.region)
    database = rds.describe_db_instances(DBInstanceIdentifier=TARGET)["DBInstances"][0]
    click.echo(f"AWS reports that {TARGET} is {database['DBInstanceStatus']}.")
    latest = ops.history().iloc[-1]
    for column in ("title", "status", "account_name", "region", "approver", "channel", "reason", "started", "ended"):
        click.echo(f"  {column:<13} {latest[column]}")
    verified = ops.storage.journal.verify()
    click.echo(f"The journal has {verified.count} records; its chain is verified up to {verified.head[:16]}….")


def _print_heading(text: str) -> None:
    click.echo()
    click.secho(f"── {text} ".ljust(100, "─"), bold=True)
