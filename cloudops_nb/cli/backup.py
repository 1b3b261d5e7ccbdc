"""``cloudops-nb backup``: snapshots now, the list of them, back again, and when the next ones are due."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudops_nb.cli.opening import existing_storage, opened_storage
from cloudops_nb.cli.render import print_frame
from cloudops_nb.settings import load_settings

if TYPE_CHECKING:
    from cloudops_nb.storage.backup.backup_report import BackupReport
    from cloudops_nb.storage.backup.service import BackupService

KINDS = click.Choice(["journal", "aws_estate", "chat_history"])
#: The columns of snapshots and of tasks that a terminal has room for, in the order shown.
SNAPSHOTS = ("kind", "name", "bytes", "points", "local", "s3", "note")
TASKS = ("task", "every_hours", "due", "last", "error")


@click.group()
def backup() -> None:
    """Encrypted snapshots of the estate, the conversations and the journal, on this disk and in S3."""


@backup.command()
@click.argument("kinds", nargs=-1, type=KINDS)
@click.pass_context
def now(context: click.Context, kinds: tuple[str, ...]) -> None:
    """Take snapshots now, of everything or of the KINDS named; upload them if there is a bucket."""
    _finish(context, _backups(context).snapshot(*kinds))


@backup.command("list")
@click.pass_context
def list_snapshots(context: click.Context) -> None:
    """List the snapshots of both places, newest first."""
    import pandas as pd

    report = _backups(context).snapshots()
    print_frame(pd.DataFrame(report.table()), SNAPSHOTS)
    for problem in report.problems:
        click.echo(f"Problem: {problem}", err=True)
    if report.problems:
        context.exit(1)


@backup.command()
@click.argument("source", default="latest")
@click.option("--kind", "kinds", multiple=True, type=KINDS, help="Restore only this; may be repeated.")
@click.option("--merge", is_flag=True, help="Keep what is there; of two versions the newer.")
@click.option("--set-aside", is_flag=True, help="Copy a journal that the snapshot does not continue, and replace it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def restore(
    context: click.Context, /, source: str, *, kinds: tuple[str, ...], merge: bool, set_aside: bool, yes: bool
) -> None:
    """Restore the latest snapshots, or the one of SOURCE: a snapshot's name or a file.

    Each is verified before anything is replaced. Other programs that use the store must be closed.
    """
    if not yes:
        what = "Merge snapshots into what the store has" if merge else "Replace what the store has by snapshots"
        click.confirm(f"{what}?", abort=True)
    found = Path(source) if Path(source).is_file() else source
    # A restore makes the store where there is none, with the key that the snapshots were made with.
    storage = context.with_resource(opened_storage(load_settings(context.obj)))
    _finish(context, storage.backup.restore(found, *kinds, merge=merge, set_aside=set_aside))


@backup.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Show when each regular backup is due, and how it went last."""
    import pandas as pd

    print_frame(pd.DataFrame(_backups(context).status()["tasks"], columns=list(TASKS)), TASKS)


def _backups(context: click.Context) -> BackupService:
    return existing_storage(context).backup


def _finish(context: click.Context, report: BackupReport) -> None:
    """Print what was done; the exit code is 1 if anything was not."""
    click.echo(str(report))
    if not report.ok:
        context.exit(1)
