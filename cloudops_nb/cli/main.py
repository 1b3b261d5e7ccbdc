"""``cloudops-nb``: the client library's methods as commands."""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudops_nb import CloudOpsError, __version__
from cloudops_nb.cli.backup import backup
from cloudops_nb.cli.demo import demo
from cloudops_nb.cli.forget import forget_account
from cloudops_nb.cli.iam_policy import iam_policy
from cloudops_nb.cli.key import key
from cloudops_nb.cli.opening import opened_client
from cloudops_nb.cli.quickstart import lab, quickstart
from cloudops_nb.cli.render import (
    CALLS,
    PLANS,
    REQUESTS,
    print_answer,
    print_events,
    print_frame,
    print_health,
    print_plan,
)  # fmt: skip
from cloudops_nb.cli.storage import move
from cloudops_nb.cli.types import types

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.execution.plan import Plan

FILTERS = ("account", "region", "service", "resource_type", "state")


class Group(click.Group):
    """Shows one of our errors, or that of a stream which cannot be read or written, as one line and exits with 1."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line; a standard input that was closed counts as empty."""
        if sys.stdin is None:
            # As long as the process, like the one that is missing.
            sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - open as long as the process
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            _give_up_output()
            named = f": {error.filename}" if error.filename else ""
            click.echo(f"Error: {error.strerror or type(error).__name__}{named}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and write what it printed."""
        try:
            result = super().invoke(ctx)
        except CloudOpsError as error:
            raise click.ClickException(f"{type(error).__name__}: {error}") from None
        if sys.stdout is not None:
            sys.stdout.flush()
        return result


def _give_up_output() -> None:
    """Close a standard output that takes nothing, which Python would otherwise try once more, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            sys.stdout.close()


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cloudops-nb")
@click.option("--data-path", type=click.Path(file_okay=False), help="The store's folder; ~/.cloudops if not set.")
@click.pass_context
def main(context: click.Context, data_path: str | None) -> None:
    """AWS operations: discover, search, ask, review, approve, run, journal."""
    context.obj = data_path


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the filters of ``search`` and ``resources`` as options."""
    for name in reversed(FILTERS):
        command = click.option(f"--{name.replace('_', '-')}", name)(command)
    return command


@main.command()
@click.option("--account", "accounts", multiple=True, help="A configured account's name or id; may be repeated.")
@click.option("--region", "regions", multiple=True, help="A region; may be repeated.")
@click.option("--service", "services", multiple=True, help="A service, as botocore names it; may be repeated.")
@click.option("--type", "types", multiple=True, help="A resource type, also AWS::Athena::NamedQuery; may be repeated.")
@click.option("--mode", default="full", show_default=True, type=click.Choice(["full", "incremental"]))
@click.option("--every-detail", is_flag=True, help="Read what costs a call a resource too.")
@click.option("--executor", help="What reads instead of this process: dask:ADDRESS.")
@click.option("--dry-run", is_flag=True, help="Print the calls that a scan would make, and make none of them.")
@click.pass_context
def scan(
    context: click.Context,
    /,
    accounts: tuple[str, ...],
    regions: tuple[str, ...],
    services: tuple[str, ...],
    types: tuple[str, ...],
    *,
    mode: str,
    every_detail: bool,
    executor: str | None,
    dry_run: bool,
) -> None:
    """Discover resources and keep them in the store."""
    ops = opened_client(context, new=True)
    scope = accounts or None, regions or None, (*services, *types) or None
    if dry_run:
        print_frame(ops.planned_calls(*scope, every_detail=every_detail), CALLS)
    else:
        click.echo(str(ops.scan(*scope, mode, every_detail=every_detail, executor=executor)))


@main.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000))
@_filters
@click.pass_context
def search(context: click.Context, /, query: tuple[str, ...], limit: int, **filters: str | None) -> None:
    """Find resources by words, name, id or tag."""
    print_frame(opened_client(context).search(" ".join(query), limit=limit, **filters))


@main.command()
@click.argument("prompt", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Print the bytes that would be sent, and send nothing.")
@click.pass_context
def ask(context: click.Context, prompt: tuple[str, ...], dry_run: bool) -> None:
    """Turn a request in words into a plan; it runs only after `approve` and `apply`."""
    ops = opened_client(context)
    if dry_run:
        body = ops.preview(" ".join(prompt))
        click.echo(body.decode() if body else "Nothing would be sent: this is answered on the host.")
    else:
        print_answer(ops.ask(" ".join(prompt)))


@main.command()
@click.argument("plan_id")
@click.option("--reason", required=True, help="Why; it goes on record.")
@click.pass_context
def approve(context: click.Context, plan_id: str, reason: str) -> None:
    """Show a plan and, after a person confirms in the terminal, approve it."""
    from cloudops_nb.execution.plan import Channel

    ops = opened_client(context)
    plan = ops.plan(plan_id)
    print_plan(plan)
    typed = _typed(plan)
    ops.decide(plan, approve=True, channel=Channel.TERMINAL, by=getpass.getuser(), reason=reason, phrase=typed)
    click.echo(f"Approved. Run it: cloudops-nb apply {plan.id}")


def _typed(plan: Plan) -> str:
    """Ask at the terminal for the words that approve; without a terminal nobody has consented."""
    if not sys.stdin.isatty():
        raise click.ClickException("an approval needs a person at a terminal; standard input is none")
    wanted = plan.phrase or "approve"
    typed: str = click.prompt(f"Type {wanted!r} to approve", default="", show_default=False)
    if typed != wanted:
        raise click.ClickException("what was typed does not match; the plan is still undecided")
    return typed


@main.command()
@click.argument("plan_id")
@click.option("--reason", default="", help="Why; it goes on record.")
@click.pass_context
def reject(context: click.Context, plan_id: str, reason: str) -> None:
    """Reject a plan, so that it can never run."""
    from cloudops_nb.execution.plan import Channel

    opened_client(context).decide(plan_id, approve=False, channel=Channel.TERMINAL, by=getpass.getuser(), reason=reason)
    click.echo("Rejected.")


@main.command()
@click.argument("plan_id")
@click.option("--dry-run", is_flag=True, help="Check everything and change nothing.")
@click.pass_context
def apply(context: click.Context, plan_id: str, dry_run: bool) -> None:
    """Run an approved plan."""
    ops = opened_client(context)
    execution = ops.apply(ops.plan(plan_id), dry_run=dry_run)
    print_events(execution)
    if execution.status != "completed":
        context.exit(1)


@main.command()
@click.pass_context
def history(context: click.Context) -> None:
    """List plans and executions."""
    print_frame(opened_client(context).history(), PLANS)


@main.command()
@click.pass_context
def ledger(context: click.Context) -> None:
    """List every request that left this host."""
    print_frame(opened_client(context).ledger(), REQUESTS)


@main.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Show the store's health and verify the journal."""
    ops = opened_client(context)
    health = ops.health()
    print_health(health)
    click.echo(f"journal: {ops.storage.journal.verify().count} records, verified")
    if any(collection["points"] is None for collection in health["collections"].values()):
        context.exit(1)


demo.add_command(quickstart)
demo.add_command(lab)
for command in (backup, key, move, forget_account, iam_policy, types, demo):
    main.add_command(command)
