"""Decrypts a snapshot's rows, and re-encrypts the rows whose data key the store has retired since the snapshot."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloudops_nb.errors import DecryptionError
from cloudops_nb.storage.encryption.envelope import Envelope, key_generation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.storage.backup.journal_tables import SealedRow
    from cloudops_nb.storage.engines.vector_store import Point
    from cloudops_nb.storage.vault import Vault

_CELLS = "scan_state"


@dataclass
class ResealedRows:
    """Makes a snapshot's rows readable for a store, and counts the rows and the unreadable rows among them.

    An unreadable row was damaged before the snapshot was taken. It is passed on unchanged, because a missing row would
    look like a deleted row.
    """

    vault: Vault
    rows: int = 0
    unreadable: int = 0
    _oldest: int = field(init=False)
    _envelope: Envelope = field(init=False)

    def __post_init__(self) -> None:
        header = self.vault.store_file.read()
        self._oldest = header.oldest_data_key_generation if header else 1
        # A separate object, so that decryption failures here do not count in the alarm of the store's own envelope.
        self._envelope = Envelope(self.vault.keys)

    def points(self, points: Iterable[Point], collection: str) -> Iterator[Point]:
        """Yield the points; re-encrypt the ``data`` field of a point if the store has retired the field's data key."""
        for point in points:
            self.rows += 1
            try:
                sealed = base64.b64decode(point.payload["data"], validate=True)
                fresh = self._resealed(sealed, collection, point.id)
            except (binascii.Error, KeyError, TypeError, ValueError, DecryptionError):
                self.unreadable += 1
                yield point
                continue
            if fresh is sealed:
                yield point
            else:
                yield replace(point, payload={**point.payload, "data": base64.b64encode(fresh).decode()})

    def cells(self, cells: Iterable[SealedRow]) -> dict[str, tuple[str, bytes]]:
        """Return each readable scan cell's scan start and envelope (encrypted content), by the cell's stored name.

        Unreadable cells are dropped: they then count as never scanned, so the next scan reads them.
        """
        found = {}
        for cell, sealed in cells:
            try:
                plaintext = self._envelope.open(sealed, collection=_CELLS, point_id=cell, retired=True)
                found[cell] = (str(json.loads(plaintext)["started"]), self._resealed(sealed, _CELLS, cell))
            except DecryptionError:
                continue
        return found

    def _resealed(self, sealed: bytes, collection: str, point_id: str) -> bytes:
        plaintext = self._envelope.open(sealed, collection=collection, point_id=point_id, retired=True)
        if key_generation(sealed) >= self._oldest:
            return sealed
        return self._envelope.seal(plaintext, collection=collection, point_id=point_id)
