"""Removes an account from the store, including deleted data that remains in the vector store's segments and logs.

Journal records stay, because they are audit records. This includes the journals that a restore has replaced and set
aside (copied to ``journal.db.<time>.aside``). Snapshots stay, because they cannot be changed. The report gives the
number of journal records and the names of the files that stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import BackupError, StorageError
from cloudops_nb.model import CellKey, ResourceFilter
from cloudops_nb.storage.encryption.sealed_data import open_sealed
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.maintenance.account_mentions import AccountMentions
from cloudops_nb.storage.maintenance.leftover_files import remove_leftover_files, set_aside_journals
from cloudops_nb.storage.opening.handover import discard_leftovers, hand_over
from cloudops_nb.storage.opening.journal_tables import (
    stored_cells,
    stored_records,
    stored_schedule,
    write_next_journal,
)
from cloudops_nb.storage.opening.staged_copy import row_of, stage_copy
from cloudops_nb.storage.scan_seal import ScanSeal, sealed_rows
from cloudops_nb.storage.scan_state import opened_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.storage.engines.vector_store import Point, StoredRow
    from cloudops_nb.storage.opening.open_store import OpenStore
    from cloudops_nb.storage.vault import Vault

#: The kind of the journal record that reports the removal of an account.
ACCOUNT_FORGOTTEN = "account_forgotten"


@dataclass(frozen=True, slots=True)
class AccountTraces:
    """The data about an account in a store: the part that a removal deletes, and the part that stays.

    Attributes:
        account_id: The account's id.
        resources: The number of the account's resources, which are deleted.
        cells: The number of the account's scan cells, which are deleted. A cell is a resource type in a region.
        conversations: The names of the conversations that mention the account or one of its resources, by id or by
            name. These conversations are deleted.
        mentioned_by: The canonical keys (ARN, if there is one) of other accounts' resources that mention the account,
            for example in a trust policy. These resources stay until a scan finds them changed.
        journal_records: The number of journal records that mention the account; they stay.
        snapshots: All existing snapshots, because any of them may contain the account; they stay until a person deletes
            them.
        snapshots_problem: The reason why the snapshots could not be listed, so that ``snapshots`` is empty; an empty
            text if they could be listed.
        asides: The files of journals that a restore set aside. Their records stay; all scan cells in them are deleted.
    """

    account_id: str
    resources: int
    cells: int
    conversations: Sequence[str]
    mentioned_by: Sequence[str]
    journal_records: int
    snapshots: Sequence[str]
    snapshots_problem: str = ""
    asides: Sequence[str] = ()


def account_traces(service: OpenStore, account: str, snapshot_names: Callable[[], Sequence[str]]) -> AccountTraces:
    """Report the data that a removal of the account would delete or leave; changes nothing.

    Args:
        service: The store.
        account: The account's id, or the account name under which its resources were scanned.
        snapshot_names: Returns the file or S3 key of each snapshot; raises BackupError if not all can be listed.

    Raises:
        StorageError: ``account`` is not an id, and is the name of no account or of several accounts.
    """
    account_id = _account_id(service, account)
    own = [hit.resource for hit in service.estate.resources(ResourceFilter(account=account_id))]
    # In conversations, people also refer to resources by name, so there a name counts as a mention.
    mentions, mentions_by_name = AccountMentions(account_id, own), AccountMentions(account_id, own, names=True)
    kept_snapshots, problem = _listed_snapshots(snapshot_names)
    others = (hit.resource for hit in service.estate.resources())
    return AccountTraces(
        account_id=account_id,
        resources=len(own),
        cells=len(_cell_keys(service, account_id)),
        conversations=sorted(_mentioning_conversations(service, mentions_by_name)),
        mentioned_by=[
            other.canonical_key
            for other in others
            if other.account_id != account_id and mentions.within(other.to_dict())
        ],
        journal_records=sum(mentions.within(content) for _, content in service.journal.contents()),
        snapshots=kept_snapshots,
        snapshots_problem=problem,
        asides=[path.name for path in set_aside_journals(service.vault.data_path)],
    )


def forget_account(service: OpenStore, account: str, snapshot_names: Callable[[], Sequence[str]]) -> AccountTraces:
    """Delete an account's resources and scan cells and the conversations that mention it, for good; return a report.

    The resources, the scan cells with the learned call rates, and the conversations are deleted in one step, so that
    no cell is without its rows. Leftover files are deleted after it. If the process is killed, another call deletes
    what is left.

    Raises:
        StorageError: As :func:`account_traces`. Or the store fails.
        DecryptionError: A resource, a cell or a message cannot be decrypted, so that its account is unknown.
        StoreUnavailableError: Another program has the store open, or a scan or a plan is running in this program.
    """
    with service.alone():
        traces = account_traces(service, account, snapshot_names)
        vault, store = service.vault, service.vector_store
        discard_leftovers(vault.data_path, store)
        stage_copy(store, AWS_ESTATE, _EstateWithoutAccount(vault, traces.account_id), vault.envelope)
        stage_copy(store, CHAT_HISTORY, _ChatWithoutConversations(vault, traces.conversations), vault.envelope)
        _stage_without_cells(service, traces.account_id)
        service.journal.close()
        hand_over(vault.data_path, store, (AWS_ESTATE.name, CHAT_HISTORY.name))
        remove_leftover_files(vault.data_path)
        counts = {"resources": traces.resources, "cells": traces.cells, "conversations": len(traces.conversations)}
        service.journal.append(ACCOUNT_FORGOTTEN, traces.account_id, counts, power_safe=True)
    return traces


class _EstateWithoutAccount:
    """Returns a batch of points without the account's resources."""

    def __init__(self, vault: Vault, account_id: str) -> None:
        self._envelope = vault.envelope
        self._account_id = account_id

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        # Use the decrypted account id, because the unencrypted fields of a point are not authenticated.
        return [point for point in points if self._decrypted(point)["account_id"] != self._account_id]

    def _decrypted(self, point: Point) -> dict[str, Any]:
        return open_sealed(self._envelope, row_of(point), AWS_ESTATE)


class _ChatWithoutConversations:
    """Returns a batch of points without the given conversations."""

    def __init__(self, vault: Vault, conversations: Sequence[str]) -> None:
        self._envelope = vault.envelope
        self._conversations = frozenset(conversations)

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        return [point for point in points if self._conversation_name(row_of(point)) not in self._conversations]

    def _conversation_name(self, row: StoredRow) -> str:
        return _conversation_name(open_sealed(self._envelope, row, CHAT_HISTORY))


def _stage_without_cells(service: OpenStore, account_id: str) -> None:
    """Write ``journal.db.next`` without the account's cells and rates; journal records, other cells and tasks stay.

    The new file never held the account's cells, so none of their content is left in its free pages.
    """
    vault, database, state = service.vault, service.journal.database, service.scan_state
    kept = [
        (cell, sealed)
        for cell, sealed in ScanSeal(vault).records(stored_cells(database))
        if opened_cell(vault, cell, sealed)["key"]["account_id"] != account_id
    ]
    cells = sealed_rows(vault, kept, turn=state.turn() + 1, altered=bool(state.alteration()))
    records, schedule = stored_records(database), stored_schedule(database)
    write_next_journal(vault.data_path, records=records, cells=cells, schedule=schedule)


def _mentioning_conversations(service: OpenStore, mentions: AccountMentions) -> set[str]:
    rows = service.vector_store.rows(CHAT_HISTORY.name, EVERY_POINT, CHAT_HISTORY.sealed_fields)
    contents = (open_sealed(service.vault.envelope, row, CHAT_HISTORY) for row in rows)
    return {_conversation_name(content) for content in contents if mentions.within(content)}


def _conversation_name(content: dict[str, Any]) -> str:
    """Return the conversation's name from the content of a message or of the conversation's own point."""
    return str(content["conversation"] if "conversation" in content else content["name"])


def _listed_snapshots(snapshot_names: Callable[[], Sequence[str]]) -> tuple[Sequence[str], str]:
    """Return the names of all snapshots and an empty text; or no names, and the reason why they cannot be listed."""
    try:
        return snapshot_names(), ""
    except BackupError as error:
        return [], str(error)


def _cell_keys(service: OpenStore, account_id: str) -> list[CellKey]:
    return [result.key for result in service.scan_state.cells() if result.key.account_id == account_id]


def _account_id(service: OpenStore, account: str) -> str:
    """Return the id for an account's id or name; an id is accepted even if the store has no resource of the account."""
    ids = {hit.resource.account_id for hit in service.estate.resources(ResourceFilter(account=account))}
    if account.isdecimal() or not ids:
        ids = {account} if account.isdecimal() else set()
    if len(ids) != 1:
        why = f"{len(ids)} accounts were scanned under this name" if ids else "no account was scanned under this name"
        raise StorageError(f"the account {account} cannot be identified", why, "Give the account's 12 digits.")
    return ids.pop()
