"""The commands about plans and requests.

They are ``ask``, ``approve``, ``reject``, ``apply``, ``rollback``, ``history`` and ``ledger``.
"""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from cloudops_nb.cli.opening import opened_client
from cloudops_nb.cli.render import (
    PLANS,
    REQUESTS,
    print_answer,
    print_events,
    print_frame,
    print_plan,
    print_plan_to_approve,
)

if TYPE_CHECKING:
    from cloudops_nb.execution.channels import PersonChannel
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
    ops = opened_client(context)
    plan = ops.plan(plan_id)
    print_plan(plan)
    phrase = _typed_phrase(plan)
    ops.decide(plan, approve=True, channel=_terminal(), by=getpass.getuser(), reason=reason, phrase=phrase)
    click.echo(f"Approved. Run it: cloudops-nb apply {plan.id}")


def _terminal() -> PersonChannel:
    from cloudops_nb.execution.channels import PersonChannel
    from cloudops_nb.execution.plan import Channel

    return PersonChannel(Channel.TERMINAL)


def _typed_phrase(plan: Plan) -> str:
    """Ask a person to type the phrase that approves the plan, and return the phrase.

    Raises:
        ClickException: As :func:`_require_typed`.
    """
    return _require_typed(plan.phrase or "approve", "to approve")


def _require_typed(phrase: str, purpose: str) -> str:
    """Ask a person to type a phrase, and return it.

    Raises:
        ClickException: There is no terminal, so no person can answer, or the typed text is not the phrase.
    """
    if not sys.stdin.isatty():
        raise click.ClickException("this needs an answer in an interactive terminal. Run the command in one.")
    typed: str = click.prompt(f"Type {phrase!r} {purpose}", default="", show_default=False)
    if typed != phrase:
        raise click.ClickException("the phrase does not match; nothing was recorded")
    return typed


@click.command()
@click.option("--reason", required=True, help="Why the clock is right; recorded in the journal.")
@click.pass_context
def accept_clock(context: click.Context, reason: str) -> None:
    """Accept the present clock although the journal has later records; only then can plans be approved again."""
    ops = opened_client(context)
    latest, now = ops.storage.journal.latest_time(), datetime.now(UTC)
    if latest is None or latest <= now:
        click.echo("The clock is not behind the journal; there is nothing to accept.")
        return
    click.echo(f"The journal's latest record: {latest:%Y-%m-%d %H:%M:%S} UTC\nThe clock: {now:%Y-%m-%d %H:%M:%S} UTC")
    _require_typed("accept", "to accept the clock")
    ops.accept_clock(channel=_terminal(), by=getpass.getuser(), reason=reason)
    click.echo("Accepted, and recorded in the journal.")


@click.command()
@click.argument("plan_id")
@click.option("--reason", default="", help="Why the plan is rejected; recorded in the journal.")
@click.pass_context
def reject(context: click.Context, plan_id: str, reason: str) -> None:
    """Reject a plan, which can then never be approved."""
    ops = opened_client(context)
    ops.decide(plan_id, approve=False, channel=_terminal(), by=getpass.getuser(), reason=reason)
    click.echo("Rejected.")


@click.command()
@click.argument("plan_id")
@click.option("--dry-run", is_flag=True, help="Make every check, but change nothing; needs no approval.")
@click.pass_context
def apply(context: click.Context, plan_id: str, dry_run: bool) -> None:
    """Run an approved plan; the exit code is 0 only if the plan completed."""
    ops = opened_client(context)
    plan = ops.plan(plan_id)
    execution = ops.apply(plan, dry_run=dry_run)
    print_events(execution)
    if plan.rollback.playbook and not dry_run:
        click.echo(f"Undo it: cloudops-nb rollback {execution.id}")
    if execution.status != "completed":
        context.exit(1)


@click.command()
@click.argument("execution_id")
@click.pass_context
def rollback(context: click.Context, execution_id: str) -> None:
    """Plan how to undo an execution; the plan runs only after its own `approve` and `apply`."""
    print_plan_to_approve(opened_client(context).rollback(execution_id))


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
