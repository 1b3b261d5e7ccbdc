"""``cloudops-nb forget-account``: every trace of an account, shown first and then removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloudops_nb.cli.opening import existing_storage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.storage.maintenance.account_removal import AccountTraces

_SHOWN = 20
#: Of an account's id.
_DIGITS = 12


@click.command(name="forget-account")
@click.argument("account")
@click.option("--dry-run", is_flag=True, help="Show what would go and what would stay, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def forget_account(context: click.Context, account: str, dry_run: bool, yes: bool) -> None:
    """Remove an ACCOUNT's resources, scan cells and conversations, on the disk too."""
    from cloudops_nb.storage.maintenance.account_removal import account_traces
    from cloudops_nb.storage.maintenance.account_removal import forget_account as forget

    storage = existing_storage(context)
    traces = account_traces(storage, account, storage.backup)
    if not (account.isdecimal() and len(account) == _DIGITS) and not _found(traces):
        raise click.ClickException(f"nothing was found of {account}; give the account's {_DIGITS} digits")
    _print_traces(traces)
    if dry_run:
        return
    if not yes:
        click.confirm("Remove it?", abort=True)
    forgotten = forget(storage, account, storage.backup)
    click.echo(f"Account {forgotten.account_id} is forgotten.")


def _found(traces: AccountTraces) -> bool:
    # A conversation may mention any number.
    return bool(traces.resources or traces.cells)


def _print_traces(traces: AccountTraces) -> None:
    click.echo(f"Of account {traces.account_id} go: {traces.resources} resources, {traces.cells} scan cells.")
    _print_names("Conversations that mention it and go", traces.conversations)
    _print_names("Resources of other accounts that mention it and stay", traces.mentioned_by)
    click.echo(f"Records of the journal that mention it and stay: {traces.journal_records}.")
    _print_names("Snapshots that may hold it and stay", traces.snapshots)
    if traces.snapshots_problem:
        click.echo(f"There may be more snapshots: {traces.snapshots_problem}")
    if traces.asides:
        _print_names("Journals that were set aside; their records stay", traces.asides)


def _print_names(title: str, names: Sequence[str]) -> None:
    click.echo(f"{title}: {len(names)}.")
    for name in names[:_SHOWN]:
        click.echo(f"  {name}")
    if len(names) > _SHOWN:
        click.echo(f"  and {len(names) - _SHOWN} more")
