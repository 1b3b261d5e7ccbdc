"""The commands about the store: ``status``, ``backup``, ``move``, ``forget-account`` and ``forget-unscanned``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudops_nb.cli.opening import existing_storage, existing_store, opened_client, opened_storage
from cloudops_nb.cli.render import print_frame, print_health
from cloudops_nb.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.storage.backup.backup_report import BackupReport
    from cloudops_nb.storage.backup.service import BackupService
    from cloudops_nb.storage.maintenance.account_removal import AccountTraces

KINDS = click.Choice(["journal", "aws_estate", "chat_history"])
#: The columns that are printed for snapshots and for regular backups, in this order.
SNAPSHOTS = ("kind", "name", "bytes", "points", "local", "s3", "note")
TASKS = ("task", "every_hours", "due", "last", "error")
UNSCANNED = ("account_id", "region", "resource_type", "resources", "last_scanned", "why")
_NAMES_SHOWN = 20
#: AWS account ids have twelve digits.
_ACCOUNT_DIGITS = 12


@click.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Show the store's health, and verify the journal; the exit code is 1 if a collection cannot be read."""
    ops = opened_client(context)
    health = ops.health()
    print_health(health)
    click.echo(f"journal: {ops.storage.journal.verify().count} records, verified")
    if any(collection["points"] is None for collection in health["collections"].values()):
        context.exit(1)


@click.group()
def backup() -> None:
    """Encrypted snapshots of the estate, the conversations and the journal, on this disk and in S3."""


@backup.command()
@click.argument("kinds", nargs=-1, type=KINDS)
@click.pass_context
def now(context: click.Context, kinds: tuple[str, ...]) -> None:
    """Take snapshots of the given KINDS, or of every kind, and upload them if an S3 bucket is set."""
    _print_report(context, _backups(context).snapshot(*kinds))


@backup.command("list")
@click.pass_context
def list_snapshots(context: click.Context) -> None:
    """List the snapshots on this disk and in S3, newest first."""
    import pandas as pd

    report = _backups(context).snapshots()
    print_frame(pd.DataFrame(report.table()), SNAPSHOTS)
    for problem in report.problems:
        click.echo(f"Problem: {problem}", err=True)
    if report.problems:
        context.exit(1)


@backup.command()
@click.argument("source", default="latest")
@click.option("--kind", "kinds", multiple=True, type=KINDS, help="Restore only this kind; may be repeated.")
@click.option(
    "--merge",
    is_flag=True,
    help="Merge resources and conversations into the store instead of replacing them; the newer version is kept.",
)
@click.option(
    "--set-aside",
    is_flag=True,
    help="Also replace a journal that is damaged or has diverged from the snapshot's; copy it to a file first.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def restore(
    context: click.Context, /, source: str, *, kinds: tuple[str, ...], merge: bool, set_aside: bool, yes: bool
) -> None:
    """Restore the latest snapshot of each kind, or the snapshot SOURCE, which is a snapshot's name or a file.

    Every snapshot is verified before anything is replaced. Other programs that use the store must be closed.
    """
    if not yes:
        change = "Merge the snapshots into the store" if merge else "Replace the store's content with the snapshots"
        click.confirm(f"{change}?", abort=True)
    name_or_file = Path(source) if Path(source).is_file() else source
    # Not existing_storage(), because a restore creates a missing store.
    storage = context.with_resource(opened_storage(load_settings(context.obj)))
    _print_report(context, storage.backup.restore(name_or_file, *kinds, merge=merge, set_aside=set_aside))


@backup.command(name="status")
@click.pass_context
def backup_status(context: click.Context) -> None:
    """Show when each regular backup is due, and how its last run ended."""
    import pandas as pd

    print_frame(pd.DataFrame(_backups(context).status()["tasks"], columns=list(TASKS)), TASKS)


def _backups(context: click.Context) -> BackupService:
    return existing_storage(context).backup


def _print_report(context: click.Context, report: BackupReport) -> None:
    """Print a report; the exit code is 1 if it has problems."""
    click.echo(str(report))
    if not report.ok:
        context.exit(1)


@click.command()
@click.option("--to", required=True, type=click.Choice(["remote", "embedded"]), help="Where to move the collections.")
@click.option("--url", default="", help="The Qdrant server's address; by default the setting qdrant_url.")
@click.option(
    "--prefix", default="", help="The prefix of collection names on the server; by default the setting qdrant_prefix."
)
@click.pass_context
def move(context: click.Context, to: str, url: str, prefix: str) -> None:
    """Move the estate and the conversations to a Qdrant server, or back to this host.

    First close every notebook that uses the store. The API key of the Qdrant server is read from
    CLOUDOPS_QDRANT_API_KEY or from config.toml. To finish an interrupted move, run the same command again.
    """
    from cloudops_nb.errors import CloudOpsError
    from cloudops_nb.storage.engines.choice import check_engine
    from cloudops_nb.storage.files.store_file import StoreFile
    from cloudops_nb.storage.maintenance.engine_move import move_store

    settings = load_settings(context.obj)
    existing_store(settings)
    # The condition gives mypy one of the two literals; mypy does not narrow a str to them.
    moved = move_store(settings, "remote" if to == "remote" else "embedded", url=url, prefix=prefix)
    copied = ", ".join(f"{count} points of {name}" for name, count in moved.points.items())
    click.echo(f"The store is on {moved.location}" + (f"; {copied} were copied and compared." if copied else "."))
    for problem in moved.problems:
        click.echo(problem, err=True)
    # The move has changed config.toml, but an environment variable may still override the new value.
    header = StoreFile(settings.data_path).read()
    try:
        if header is not None:
            check_engine(header, load_settings(context.obj))
    except CloudOpsError as error:
        click.echo(f"An environment variable still selects a different engine: {error.why}.", err=True)


@click.command(name="forget-account")
@click.argument("account")
@click.option(
    "--dry-run", is_flag=True, help="Show what would be removed and what would stay, without removing anything."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def forget_account(context: click.Context, account: str, dry_run: bool, yes: bool) -> None:
    """Remove an ACCOUNT's resources and scan results, and the conversations that mention the account.

    The removed data is also erased from the store's files. The journal's records and the snapshots stay.
    """
    from cloudops_nb.storage.maintenance.account_removal import account_traces
    from cloudops_nb.storage.maintenance.account_removal import forget_account as forget

    storage = existing_storage(context)
    traces = account_traces(storage, account, storage.backup.names)
    # A conversation that mentions an account does not show that the account exists: its text may contain any number.
    known = bool(traces.resources or traces.cells)
    if not (account.isdecimal() and len(account) == _ACCOUNT_DIGITS) and not known:
        raise click.ClickException(f"the store has no account {account}; give the account's {_ACCOUNT_DIGITS} digits")
    _print_traces(traces)
    if dry_run:
        return
    if not yes:
        click.confirm("Remove it?", abort=True)
    forgotten = forget(storage, account, storage.backup.names)
    click.echo(f"Account {forgotten.account_id} is forgotten.")


@click.command(name="forget-unscanned")
@click.option("--dry-run", is_flag=True, help="List what would be removed, without removing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def forget_unscanned(context: click.Context, dry_run: bool, yes: bool) -> None:
    """Remove the resources of accounts, regions and types that are not scanned any more.

    The last full scan of everything configured has marked them. A later scan finds them again if they are configured.
    """
    ops = opened_client(context)
    cells = ops.forget_unscanned(dry_run=True)
    if cells.empty:
        click.echo("Everything that is kept is scanned, or no full scan has ended since the configuration changed.")
        return
    print_frame(cells, UNSCANNED)
    if dry_run:
        return
    if not yes:
        click.confirm(f"Remove {cells['resources'].sum()} resources?", abort=True)
    ops.forget_unscanned()
    click.echo("Removed.")


def _print_traces(traces: AccountTraces) -> None:
    counts = f"{traces.resources} resources, {traces.cells} scan cells"
    click.echo(f"Will be removed for account {traces.account_id}: {counts}.")
    _print_names("Conversations that mention it and will be removed", traces.conversations)
    _print_names("Resources of other accounts that mention it and stay", traces.mentioned_by)
    click.echo(f"Journal records that mention it and stay: {traces.journal_records}.")
    _print_names("Snapshots that may contain it and stay", traces.snapshots)
    if traces.snapshots_problem:
        click.echo(f"There may be more snapshots: {traces.snapshots_problem}")
    if traces.asides:
        _print_names("Copies of replaced journals; their records stay", traces.asides)


def _print_names(title: str, names: Sequence[str]) -> None:
    click.echo(f"{title}: {len(names)}.")
    for name in names[:_NAMES_SHOWN]:
        click.echo(f"  {name}")
    if len(names) > _NAMES_SHOWN:
        click.echo(f"  and {len(names) - _NAMES_SHOWN} more")
