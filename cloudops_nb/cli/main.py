"""``cloudops-nb``: the group that contains every command of this package."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from cloudops_nb import CloudOpsError, __version__
from cloudops_nb.cli.demo import demo
from cloudops_nb.cli.estate import depends, iam_policy, may, scan, search, types
from cloudops_nb.cli.keys import key
from cloudops_nb.cli.plans import accept_clock, apply, approve, ask, history, ledger, reject, rollback
from cloudops_nb.cli.playbooks import playbook, prepare
from cloudops_nb.cli.store import backup, forget_account, forget_unscanned, move, status
from cloudops_nb.presentation.escape import LONG_LIMIT, visible

COMMANDS = (
    scan, search, depends, may, ask, prepare, approve, reject, accept_clock, apply, rollback, history, ledger, status,
    backup, key, move, forget_account, forget_unscanned, iam_policy, types, playbook, demo,
)  # fmt: skip


class CommandGroup(click.Group):
    """A command group that prints a ``CloudOpsError`` or an ``OSError`` as one line, and then exits with code 1."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line; a closed standard input is replaced by an empty one."""
        if sys.stdin is None:  # closed by the shell, as with `<&-`
            sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - stays open until the process exits
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            _close_broken_output()
            file_name = f": {error.filename}" if error.filename else ""
            click.echo(f"Error: {error.strerror or type(error).__name__}{file_name}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and flush its output, so that the command fails if the output cannot be written."""
        try:
            result = super().invoke(ctx)
        except CloudOpsError as error:
            text = visible(f"{type(error).__name__}: {error}", limit=LONG_LIMIT)
            raise click.ClickException(text) from None
        if sys.stdout is not None:
            sys.stdout.flush()
        return result


def _close_broken_output() -> None:
    """Close standard output if it cannot be written; otherwise Python would flush it at exit and print a traceback."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            sys.stdout.close()


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cloudops-nb")
@click.option(
    "--data-path",
    type=click.Path(file_okay=False),
    help="The store's folder; by default CLOUDOPS_DATA_PATH, else ~/.cloudops.",
)
@click.pass_context
def main(context: click.Context, data_path: str | None) -> None:
    """AWS operations: discover and search resources; plan, approve, run and record changes."""
    context.obj = data_path


for command in COMMANDS:
    main.add_command(command)
