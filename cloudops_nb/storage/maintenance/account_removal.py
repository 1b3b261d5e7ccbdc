"""Removes an account from the store and its files, including what a deletion leaves in segments and logs.

The journal is an audit record and keeps its content, as do journals that were set aside; snapshots cannot be changed.
The report names them.
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
from cloudops_nb.storage.opening.staged_copy import row_of, stage_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.storage.engines.vector_store import Point, StoredRow
    from cloudops_nb.storage.opening.open_store import OpenStore
    from cloudops_nb.storage.vault import Vault

#: The kind of the journal record of the removal of an account.
ACCOUNT_FORGOTTEN = "account_forgotten"


@dataclass(frozen=True, slots=True)
class AccountTraces:
    """The data about an account in a store: the part that a removal deletes, and the part that stays.

    Attributes:
        account_id: The account.
        resources: The number of its resources, which are deleted.
        cells: The number of its scan cells, which are deleted.
        conversations: The names of the conversations that mention it or one of its resources, by id or by name; they
            are deleted.
        mentioned_by: The canonical keys of other accounts' resources that mention it, as a trust policy does. They
            stay until a scan finds them changed.
        journal_records: The number of journal records that mention it; they stay.
        snapshots: The existing snapshots, any of which may contain it; they stay until a person deletes them.
        snapshots_problem: The reason why the snapshots could not be listed, empty if they could.
        asides: The files of journals that were set aside; their records stay, their scan cells are deleted.
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
    """Report the data that a removal of an account would delete and leave; changes nothing.

    Args:
        service: The store.
        account: The account's id, or the name that its resources were scanned under.
        snapshot_names: Returns every snapshot's file or S3 key; raises BackupError if not all can be listed.

    Raises:
        StorageError: The name does not belong to exactly one account.
    """
    account_id = _account_id(service, account)
    own = [hit.resource for hit in service.estate.resources(ResourceFilter(account=account_id))]
    mentions, said = AccountMentions(account_id, own), AccountMentions(account_id, own, names=True)
    kept, problem = _listed_snapshots(snapshot_names)
    others = (hit.resource for hit in service.estate.resources())
    return AccountTraces(
        account_id=account_id,
        resources=len(own),
        cells=len(_cell_keys(service, account_id)),
        conversations=sorted(_mentioning_conversations(service, said)),
        mentioned_by=[
            other.canonical_key
            for other in others
            if other.account_id != account_id and mentions.within(other.to_dict())
        ],
        journal_records=sum(mentions.within(content) for _, content in service.journal.contents()),
        snapshots=kept,
        snapshots_problem=problem,
        asides=[path.name for path in set_aside_journals(service.vault.data_path)],
    )


def forget_account(service: OpenStore, account: str, snapshot_names: Callable[[], Sequence[str]]) -> AccountTraces:
    """Delete an account's resources, cells and conversations for good, and report what was deleted and what stays.

    A killed process has deleted all of the resources and conversations or none; another run deletes the rest.

    Raises:
        StorageError: As :func:`account_traces`.
        StoreUnavailableError: Another program has the store open.
    """
    with service.alone():
        traces = account_traces(service, account, snapshot_names)
        vault, store = service.vault, service.vector_store
        discard_leftovers(vault.data_path, store)
        stage_copy(store, AWS_ESTATE, _EstateWithoutAccount(vault, traces.account_id), vault.envelope)
        stage_copy(store, CHAT_HISTORY, _ChatWithoutConversations(vault, traces.conversations), vault.envelope)
        service.journal.close()
        hand_over(vault.data_path, store, (AWS_ESTATE.name, CHAT_HISTORY.name))
        service.scan_state.forget(key for key in service.scan_state.all_keys() if key.account_id == traces.account_id)
        remove_leftover_files(vault.data_path)
        counts = {"resources": traces.resources, "cells": traces.cells, "conversations": len(traces.conversations)}
        service.journal.append(ACCOUNT_FORGOTTEN, traces.account_id, counts, power_safe=True)
    return traces


class _EstateWithoutAccount:
    """Filters an account's resources out of a batch of points."""

    def __init__(self, vault: Vault, account_id: str) -> None:
        self._envelope = vault.envelope
        self._account_id = account_id

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        # The decrypted content decides, because the plain fields are not authenticated.
        return [point for point in points if self._decrypted(point)["account_id"] != self._account_id]

    def _decrypted(self, point: Point) -> dict[str, Any]:
        return open_sealed(self._envelope, row_of(point), AWS_ESTATE)


class _ChatWithoutConversations:
    """Filters conversations out of a batch of points."""

    def __init__(self, vault: Vault, conversations: Sequence[str]) -> None:
        self._envelope = vault.envelope
        self._conversations = frozenset(conversations)

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        return [point for point in points if self._conversation_name(row_of(point)) not in self._conversations]

    def _conversation_name(self, row: StoredRow) -> str:
        return _conversation_name(open_sealed(self._envelope, row, CHAT_HISTORY))


def _mentioning_conversations(service: OpenStore, mentions: AccountMentions) -> set[str]:
    rows = service.vector_store.rows(CHAT_HISTORY.name, EVERY_POINT, ("data",))
    opened = (open_sealed(service.vault.envelope, row, CHAT_HISTORY) for row in rows)
    return {_conversation_name(kept) for kept in opened if mentions.within(kept)}


def _conversation_name(kept: dict[str, Any]) -> str:
    """Return the conversation's name from the content of a message or of the conversation's own point."""
    return str(kept["conversation"] if "conversation" in kept else kept["name"])


def _listed_snapshots(snapshot_names: Callable[[], Sequence[str]]) -> tuple[Sequence[str], str]:
    try:
        return snapshot_names(), ""
    except BackupError as error:
        return [], str(error)


def _cell_keys(service: OpenStore, account_id: str) -> list[CellKey]:
    return [result.key for result in service.scan_state.cells() if result.key.account_id == account_id]


def _account_id(service: OpenStore, account: str) -> str:
    ids = {hit.resource.account_id for hit in service.estate.resources(ResourceFilter(account=account))}
    if account.isdecimal() or not ids:
        ids = {account} if account.isdecimal() else set()
    if len(ids) != 1:
        why = f"{len(ids)} accounts were scanned under this name" if ids else "no account was scanned under this name"
        raise StorageError(f"cannot remove the account {account}", why, "Give the account's 12 digits.")
    return ids.pop()
