"""The commands about playbooks: ``prepare``, and ``playbook list``, ``show``, ``lint`` and ``new``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cloudops_nb.cli.opening import opened_client
from cloudops_nb.cli.render import PLAYBOOKS, print_frame, print_plan_to_approve
from cloudops_nb.presentation.escape import LONG_LIMIT, visible
from cloudops_nb.settings import load_settings

if TYPE_CHECKING:
    from cloudops_nb.client.host_playbooks import HostPlaybooks


@click.command()
@click.argument("document")
@click.option("--param", "words", multiple=True, metavar="NAME=VALUE", help="A parameter's value; may be repeated.")
@click.option("--account", help="The account's name or id; by default the only configured one.")
@click.option("--region", help="The region; by default the only one in the settings.")
@click.option("--override", is_flag=True, help="Let the plan hold APIs that are not reviewed.")
@click.pass_context
def prepare(
    context: click.Context,
    document: str,
    words: tuple[str, ...],
    *,
    account: str | None,
    region: str | None,
    override: bool,
) -> None:
    """Plan an Automation document: a file, a name in the folder playbooks of the data path, or a playbook's id.

    The plan runs only after `approve` and `apply`. A list is given by several --param, by commas, or as JSON.
    """
    from cloudops_nb.ssm.given_values import example_words, from_words, missing, require_all, with_answers

    ops = opened_client(context)
    file = ops.playbook(document)
    file.require_runnable(document)
    values = from_words(file.playbook, words)
    if sys.stdin.isatty():
        values = with_answers(file.playbook, values, lambda question: str(click.prompt(visible(question))))
    missed = missing(file.playbook, values)
    require_all(file.name, missed, f"cloudops-nb prepare {document} {example_words(missed)}")
    plan = ops.prepare(document, values, account=account, region=region, override=override)
    click.echo(visible(plan.explanation, limit=LONG_LIMIT))
    print_plan_to_approve(plan)


@click.group()
def playbook() -> None:
    """List, show, check and write playbooks: the bundled ones, and those in the folder playbooks of the data path."""


@playbook.command(name="list")
@click.pass_context
def list_playbooks(context: click.Context) -> None:
    """List the playbooks, and the files that cannot be read."""
    from cloudops_nb.client.frames import rows_frame
    from cloudops_nb.client.host_playbooks import PLAYBOOK_COLUMNS

    playbooks = _playbooks(context)
    print_frame(rows_frame(playbooks.rows(), PLAYBOOK_COLUMNS), PLAYBOOKS)
    for problem in playbooks.problems:
        click.echo(visible(f"Not read: {problem}", limit=LONG_LIMIT))


@playbook.command()
@click.argument("document")
@click.pass_context
def show(context: click.Context, document: str) -> None:
    """Show what a playbook takes and does, the way back, and what the linter says."""
    from cloudops_nb.presentation.playbook_view import PlaybookView

    click.echo(repr(PlaybookView(_playbooks(context).find(document))))


@playbook.command()
@click.argument("document")
@click.pass_context
def lint(context: click.Context, document: str) -> None:
    """Check a playbook, with the line of each finding; the exit code is 1 if the linter refuses it."""
    from cloudops_nb.presentation.playbook_view import PlaybookView

    file = _playbooks(context).find(document)
    click.echo(repr(PlaybookView(file, only_lint=True)))
    if file.refusal:
        context.exit(1)


@playbook.command()
@click.argument("service")
@click.argument("api")
@click.option("--name", default="", help="The name of the new folder; by default made from the service and the API.")
@click.pass_context
def new(context: click.Context, service: str, api: str, name: str) -> None:
    """Write a document and metadata for an API, such as `rds StopDBInstance`, into the folder playbooks."""
    from cloudops_nb.presentation.playbook_view import PlaybookView, written_line

    file = _playbooks(context).new(service, api, name)
    click.echo(written_line(file))
    click.echo(repr(PlaybookView(file, only_lint=True)))


def _playbooks(context: click.Context) -> HostPlaybooks:
    """Return the playbooks of the data path; they need no store."""
    from cloudops_nb.client.host_playbooks import HostPlaybooks

    return HostPlaybooks(load_settings(context.obj).data_path)
