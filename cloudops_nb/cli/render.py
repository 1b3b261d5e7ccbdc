"""Prints DataFrames, answers, plans and events as plain text for a terminal."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from cloudops_nb.presentation.escape import LONG_LIMIT, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from cloudops_nb.client.answer import Answer
    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.plan import Event, Plan

#: The columns that are printed for each kind of DataFrame, in this order; all columns would be too wide for a terminal.
RESOURCES = ("name", "resource_type", "state", "account_name", "region", "identifier", "score", "why")
PLANS = ("created", "title", "status", "level", "account_name", "region", "approver", "channel", "plan_id")
REQUESTS = ("at", "destination", "purpose", "bytes", "sha256")
TYPES = ("resource_type", "service", "cloudformation_type", "source")
PLAYBOOKS = ("id", "name", "source", "effect", "level", "lint", "verdict")
CALLS = ("account", "region", "service", "operation", "times")


def print_frame(frame: pd.DataFrame, columns: Sequence[str] = RESOURCES) -> None:
    """Print a DataFrame as a table; a column that the DataFrame does not have is left out."""
    if frame.empty:
        click.echo("(nothing)")
        return
    shown = frame[[column for column in columns if column in frame.columns]].copy()
    # By default, pandas prints each time with microseconds and a UTC offset.
    for column in shown.select_dtypes("datetimetz"):
        shown[column] = shown[column].dt.strftime("%Y-%m-%d %H:%M:%S")
    # Names and tags may hide characters or break lines; the DataFrame itself keeps the exact values.
    for column in shown.select_dtypes(["object", "string"]):
        shown[column] = [visible(value) for value in shown[column]]
    click.echo(shown.to_string(index=False, max_colwidth=48))


def print_health(health: Mapping[str, Any]) -> None:
    """Print the store's health, one line per value; the values of a mapping or a list are indented below its name."""
    for line in _health_lines(health, ""):
        click.echo(line)


def _health_lines(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in values.items():
        title = f"{indent}{name.replace('_', ' ')}:"
        if isinstance(value, Mapping):
            yield title
            yield from _health_lines(value, f"{indent}  ")
        elif isinstance(value, list):
            yield title if value else f"{title} none"
            yield from (f"{indent}  {_health_value(item)}" for item in value)
        else:
            yield f"{title} {_health_value(value)}"


def _health_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name.replace('_', ' ')}: {_health_value(inner)}" for name, inner in value.items() if inner != ""
        )
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S %Z}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else visible(value, limit=LONG_LIMIT)


def print_answer(answer: Answer) -> None:
    """Print an answer: its text, its plan or its table, and the number of bytes that were sent."""
    click.echo(visible(answer.text, limit=LONG_LIMIT))
    if answer.plan is not None:
        print_plan_to_approve(answer.plan)
    for frame in (answer.candidates, answer.frame):
        if frame is not None:
            print_frame(frame)
    click.echo(f"{answer.bytes_sent} bytes left this host.")


def print_plan_to_approve(plan: Plan) -> None:
    """Print the card of a plan, and the command that approves the plan."""
    print_plan(plan)
    click.echo(f"Approve it: cloudops-nb approve {plan.id} --reason '…'")


def print_plan(plan: Plan) -> None:
    """Print the card of a plan as text, with the same content as in a notebook."""
    from cloudops_nb.presentation.as_text import card_text
    from cloudops_nb.presentation.plan_card import card_sections
    from cloudops_nb.presentation.section import CardStatus

    sections = card_sections(plan, kernel_user=getpass.getuser(), now=datetime.now(UTC))
    click.echo(card_text(sections, CardStatus("awaiting_approval")))


def print_events(execution: Execution) -> None:
    """Print an execution's events as they arrive, then its status.

    Ctrl-C cancels the execution and waits until it ends.
    """
    try:
        for event in execution:
            print_event(event)
    except KeyboardInterrupt:
        execution.cancel()
        execution.wait()
    ended = f"dry run {execution.status}, nothing was changed" if execution.dry_run else execution.status
    click.echo(f"{execution.id}: {ended}")


def print_event(event: Event) -> None:
    """Print one event on one line."""
    where = " ".join(part for part in (event.target.rsplit(":", 1)[-1], event.step) if part)
    line = f"{event.at:%H:%M:%S} {event.kind:<15} {where} {event.message}".rstrip()
    click.echo(visible(line, limit=LONG_LIMIT))
