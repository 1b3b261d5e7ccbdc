"""Rows whose envelope does not open: a change of keys cannot take them along, and says which they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import DecryptionError
from cloudops_nb.storage.encryption.envelope import Envelope
from cloudops_nb.storage.encryption.sealed import open_sealed
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import StoredRow
    from cloudops_nb.storage.opening.open_store import StorageService

SCAN_STATE = "scan_state"
_FIX = "Restore a backup, or remove such rows: run it again with --drop-unreadable, which lists them first."


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row of a collection, or a cell of the scan state under its blind name."""

    collection: str
    id: str

    def __str__(self) -> str:
        return f"{self.collection} {self.id}"


def unreadable_rows(service: StorageService) -> list[UnreadableRow]:
    """Open every envelope of the estate, the conversations and the scan state; returns the rows that do not open."""
    header = service.vault.store_file.read()
    oldest = header.oldest_data_key_generation if header else 1
    # One of its own, whose failures raise no alarm: they are what is looked for.
    envelope = Envelope(service.vault.keys, oldest)
    rows = [
        UnreadableRow(name, row.id)
        for name, collection in COLLECTIONS.items()
        for row in service.vector_store.rows(name, EVERY_POINT, ("data",))
        if not _opens(envelope, row, collection)
    ]
    return rows + [UnreadableRow(SCAN_STATE, cell) for cell in service.scan_state.unreadable(envelope)]


def drop_unreadable(service: StorageService, rows: Sequence[UnreadableRow]) -> None:
    """Remove rows that a person has seen the list of.

    Raises:
        StorageError: The store fails.
    """
    for name in COLLECTIONS:
        ids = [row.id for row in rows if row.collection == name]
        if ids:
            service.vector_store.delete_ids(name, ids)
    service.scan_state.drop([row.id for row in rows if row.collection == SCAN_STATE])


def require_readable(service: StorageService) -> None:
    """See that everything opens, before keys are changed.

    Raises:
        DecryptionError: A row does not open; the message names it.
    """
    found = unreadable_rows(service)
    if found:
        more = f"; {len(found)} rows do not open in all" if len(found) > 1 else ""
        what = f"the row {found[0].id} of {found[0].collection} does not open"
        raise DecryptionError(what, f"it was altered, or put back from an old copy{more}", _FIX)


def _opens(envelope: Envelope, row: StoredRow, collection: Collection) -> bool:
    try:
        open_sealed(envelope, row, collection)
    except DecryptionError:
        return False
    return True
