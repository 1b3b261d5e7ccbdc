"""The commands about plans and requests: ``ask``, ``approve``, ``reject``, ``apply``, ``history``, ``ledger``."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

import click

from cloudops_nb.cli.opening import opened_client
from cloudops_nb.cli.render import PLANS, REQUESTS, print_answer, print_events, print_frame, print_plan

if TYPE_CHECKING:
    from cloudops_nb.execution.plan import Plan


@click.command()
@click.argument("prompt", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Print the bytes that would leave this host, without sending them.")
@click.pass_context
def ask(context: click.Context, prompt: tuple[str, ...], dry_run: bool) -> None:
    """Answer a question in plain words, or plan a change; the plan runs only after `approve` and `apply`."""
    ops = opened_client(context)
    if dry_run:
        body = ops.preview(" ".join(prompt))
        click.echo(body.decode() if body else "Nothing would be sent: the request is answered on this host.")
    else:
        print_answer(ops.ask(" ".join(prompt)))


@click.command()
@click.argument("plan_id")
@click.option("--reason", required=True, help="Why the plan is approved; recorded in the journal.")
@click.pass_context
def approve(context: click.Context, plan_id: str, reason: str) -> None:
    """Show a plan, and approve it after a person has confirmed it in the terminal."""
    from cloudops_nb.execution.plan import Channel

    ops = opened_client(context)
    plan = ops.plan(plan_id)
    print_plan(plan)
    phrase = _typed_phrase(plan)
    ops.decide(plan, approve=True, channel=Channel.TERMINAL, by=getpass.getuser(), reason=reason, phrase=phrase)
    click.echo(f"Approved. Run it: cloudops-nb apply {plan.id}")


def _typed_phrase(plan: Plan) -> str:
    """Ask a person to type the phrase that approves the plan, and return the phrase.

    Raises:
        ClickException: There is no terminal, so no person can answer, or the typed text is not the phrase.
    """
    if not sys.stdin.isatty():
        raise click.ClickException("an approval needs an interactive terminal")
    expected = plan.phrase or "approve"
    typed: str = click.prompt(f"Type {expected!r} to approve", default="", show_default=False)
    if typed != expected:
        raise click.ClickException("the phrase does not match; the plan is still undecided")
    return typed


@click.command()
@click.argument("plan_id")
@click.option("--reason", default="", help="Why the plan is rejected; recorded in the journal.")
@click.pass_context
def reject(context: click.Context, plan_id: str, reason: str) -> None:
    """Reject a plan, which can then never be approved."""
    from cloudops_nb.execution.plan import Channel

    opened_client(context).decide(plan_id, approve=False, channel=Channel.TERMINAL, by=getpass.getuser(), reason=reason)
    click.echo("Rejected.")


@click.command()
@click.argument("plan_id")
@click.option("--dry-run", is_flag=True, help="Make every check, but change nothing; needs no approval.")
@click.pass_context
def apply(context: click.Context, plan_id: str, dry_run: bool) -> None:
    """Run an approved plan; the exit code is 0 only if the plan completed."""
    ops = opened_client(context)
    execution = ops.apply(ops.plan(plan_id), dry_run=dry_run)
    print_events(execution)
    if execution.status != "completed":
        context.exit(1)


@click.command()
@click.pass_context
def history(context: click.Context) -> None:
    """List the plans, each with its decision and its execution."""
    print_frame(opened_client(context).history(), PLANS)


@click.command()
@click.pass_context
def ledger(context: click.Context) -> None:
    """List every request that left this host."""
    print_frame(opened_client(context).ledger(), REQUESTS)
