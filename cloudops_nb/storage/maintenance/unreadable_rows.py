"""Finds rows that cannot be decrypted; such rows prevent a key change until the user has them removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import DecryptionError
from cloudops_nb.storage.encryption.envelope import Envelope
from cloudops_nb.storage.encryption.sealed_data import is_authentic
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.storage.opening.open_store import OpenStore

SCAN_STATE = "scan_state"
_FIX = "Restore a backup, or run the command again with --drop-unreadable, which lists and then removes such rows."


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row of a collection, or a cell of the scan state; the id of a cell is its blind name (a keyed hash)."""

    collection: str
    id: str

    def __str__(self) -> str:
        return f"{self.collection} {self.id}"


def unreadable_rows(service: OpenStore) -> list[UnreadableRow]:
    """Decrypt every row of the estate, the conversations and the scan state; returns the rows that fail."""
    header = service.vault.store_file.read()
    oldest = header.oldest_data_key_generation if header else 1
    # Do not use the vault's envelope: its alarm, which warns about failed decryptions, must not count these failures.
    envelope = Envelope(service.vault.keys, oldest)
    rows = [
        UnreadableRow(name, row.id)
        for name, collection in COLLECTIONS.items()
        for row in service.vector_store.rows(name, EVERY_POINT, collection.sealed_fields)
        if not is_authentic(envelope, row, collection)
    ]
    return rows + [UnreadableRow(SCAN_STATE, cell) for cell in service.scan_state.unreadable(envelope)]


def drop_unreadable(service: OpenStore, rows: Sequence[UnreadableRow]) -> None:
    """Remove unreadable rows; the user has confirmed the removal.

    Raises:
        StorageError: The store fails.
    """
    for name in COLLECTIONS:
        ids = [row.id for row in rows if row.collection == name]
        if ids:
            service.vector_store.delete_ids(name, ids)
    service.scan_state.drop([row.id for row in rows if row.collection == SCAN_STATE])


def require_readable(service: OpenStore) -> None:
    """Check before a key change that every row can be decrypted.

    Raises:
        DecryptionError: A row cannot be decrypted; the message names the first such row.
    """
    rows = unreadable_rows(service)
    if rows:
        more = f" ({len(rows)} rows cannot be decrypted in total)" if len(rows) > 1 else ""
        what = f"the row {rows[0].id} of {rows[0].collection} cannot be decrypted"
        raise DecryptionError(what, f"it was altered, or put back from an old copy{more}", _FIX)
