"""Removing every trace of an account from the store, on the disk too: what deletion alone leaves in segments and logs.

The journal is an audit record and keeps what it says, and so does one that was set aside; snapshots cannot be altered.
The report names them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from cloudops_nb.errors import BackupError, StorageError
from cloudops_nb.model import CellKey, ResourceFilter
from cloudops_nb.storage.encryption.sealed import open_sealed
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, StoredRow
from cloudops_nb.storage.maintenance.account_mentions import AccountMentions
from cloudops_nb.storage.maintenance.remnants import asides, remove_remnants
from cloudops_nb.storage.opening.handover import discard_leftovers, hand_over
from cloudops_nb.storage.opening.rebuild import rebuild, row_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.storage.engines.vector_store import Point
    from cloudops_nb.storage.opening.open_store import StorageService
    from cloudops_nb.storage.vault import Vault

#: The kind of the journal's record that an account was forgotten.
ACCOUNT_FORGOTTEN = "account_forgotten"


class Snapshots(Protocol):
    """The snapshots that exist of a store."""

    def names(self) -> Sequence[str]:
        """Return every snapshot's file or S3 key; raises BackupError if they cannot all be listed."""


@dataclass(frozen=True, slots=True)
class AccountTraces:
    """What the store holds of an account, and what of it stays.

    Attributes:
        account_id: The account.
        resources: The number of its resources.
        cells: The number of its scan cells.
        conversations: The names of the conversations that mention it or a resource of it, by id or by name.
        mentioned_by: The canonical keys of other accounts' resources that mention it, as a trust policy does. They
            stay, and change when AWS says so.
        journal_records: The number of the journal's records that mention it; they stay.
        snapshots: The snapshots from before, any of which may hold it; they stay until they are deleted.
        snapshots_problem: Why the snapshots could not be listed, if so: there may be some all the same.
        asides: The files of journals that were set aside; what they record stays, their scan cells go.
        forgotten: Whether the first three are gone.
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
    forgotten: bool = False


def account_traces(service: StorageService, account: str, snapshots: Snapshots | None = None) -> AccountTraces:
    """Say what would be removed of an account and what would stay; changes nothing.

    Args:
        service: The store.
        account: The account's id, or the name that its resources were scanned under.
        snapshots: The snapshots that exist.

    Raises:
        StorageError: The name is not that of exactly one account.
    """
    account_id = _account_id(service, account)
    own = [hit.resource for hit in service.estate.resources(ResourceFilter(account=account_id))]
    mentions, said = AccountMentions(account_id, own), AccountMentions(account_id, own, names=True)
    kept, problem = _listed(snapshots)
    others = (hit.resource for hit in service.estate.resources())
    return AccountTraces(
        account_id=account_id,
        resources=len(own),
        cells=len(_cells(service, account_id)),
        conversations=sorted(_conversations(service, said)),
        mentioned_by=[
            other.canonical_key
            for other in others
            if other.account_id != account_id and mentions.within(other.to_dict())
        ],
        journal_records=sum(mentions.within(content) for _, content in service.journal.contents()),
        snapshots=kept,
        snapshots_problem=problem,
        asides=[path.name for path in asides(service.vault.data_path)],
    )


def forget_account(service: StorageService, account: str, snapshots: Snapshots | None = None) -> AccountTraces:
    """Remove an account's resources, cells and conversations for good, and return what they were and what stays.

    A process that is killed has removed the resources and conversations, or none of them; running it again removes
    what is left.

    Raises:
        StorageError: As :func:`account_traces`.
        StoreUnavailableError: Another program has the store open.
    """
    with service.alone():
        traces = account_traces(service, account, snapshots)
        vault, store = service.vault, service.vector_store
        discard_leftovers(vault.data_path, store)
        rebuild(store, AWS_ESTATE, _EstateWithout(vault, traces.account_id), vault.envelope)
        rebuild(store, CHAT_HISTORY, _ChatWithout(vault, traces.conversations), vault.envelope)
        service.journal.close()
        hand_over(vault.data_path, store, (AWS_ESTATE.name, CHAT_HISTORY.name))
        service.scan_state.forget(key for key in service.scan_state.all_keys() if key.account_id == traces.account_id)
        remove_remnants(vault.data_path)
        counts = {"resources": traces.resources, "cells": traces.cells, "conversations": len(traces.conversations)}
        service.journal.append(ACCOUNT_FORGOTTEN, traces.account_id, counts, power_safe=True)
    return replace(traces, forgotten=True)


class _EstateWithout:
    """Leaves an account's resources out."""

    def __init__(self, vault: Vault, account_id: str) -> None:
        self._envelope = vault.envelope
        self._account_id = account_id

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        # What is sealed decides, not what can be read without the key.
        return [point for point in points if self._opened(point)["account_id"] != self._account_id]

    def _opened(self, point: Point) -> dict[str, Any]:
        return open_sealed(self._envelope, row_of(point), AWS_ESTATE)


class _ChatWithout:
    """Leaves conversations out."""

    def __init__(self, vault: Vault, conversations: Sequence[str]) -> None:
        self._envelope = vault.envelope
        self._conversations = frozenset(conversations)

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        return [point for point in points if self._conversation(row_of(point)) not in self._conversations]

    def _conversation(self, row: StoredRow) -> str:
        return _conversation(open_sealed(self._envelope, row, CHAT_HISTORY))


def _conversations(service: StorageService, mentions: AccountMentions) -> set[str]:
    rows = service.vector_store.rows(CHAT_HISTORY.name, EVERY_POINT, ("data",))
    opened = (open_sealed(service.vault.envelope, row, CHAT_HISTORY) for row in rows)
    return {_conversation(kept) for kept in opened if mentions.within(kept)}


def _conversation(kept: dict[str, Any]) -> str:
    """Return the conversation that a message belongs to, or whose own point this is."""
    return str(kept["conversation"] if "conversation" in kept else kept["name"])


def _listed(snapshots: Snapshots | None) -> tuple[list[str], str]:
    try:
        return (list(snapshots.names()) if snapshots is not None else []), ""
    except BackupError as error:
        return [], str(error)


def _cells(service: StorageService, account_id: str) -> list[CellKey]:
    return [result.key for result in service.scan_state.cells() if result.key.account_id == account_id]


def _account_id(service: StorageService, account: str) -> str:
    ids = {hit.resource.account_id for hit in service.estate.resources(ResourceFilter(account=account))}
    if account.isdecimal() or not ids:
        ids = {account} if account.isdecimal() else set()
    if len(ids) != 1:
        why = f"{len(ids)} accounts were scanned under this name" if ids else "no account was scanned under this name"
        raise StorageError(f"{account} cannot be forgotten", why, "Give the account's 12 digits.")
    return ids.pop()
