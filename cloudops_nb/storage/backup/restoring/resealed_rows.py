"""Decrypts a snapshot's rows, and re-encrypts the rows whose data key the store has retired since the snapshot."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloudops_nb.errors import DecryptionError
from cloudops_nb.storage.encryption.envelope import Envelope, key_generation
from cloudops_nb.storage.encryption.sealed_data import authenticated, seal_packed, sealed_generation
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.opening.staged_copy import row_of
from cloudops_nb.storage.scan_state import COLLECTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import Point
    from cloudops_nb.storage.opening.journal_tables import SealedRow
    from cloudops_nb.storage.vault import Vault


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
                yield self._resealed_point(point, COLLECTIONS[collection])
            except DecryptionError:
                self.unreadable += 1
                yield point

    def cells(self, cells: Iterable[SealedRow]) -> dict[str, tuple[str, bytes]]:
        """Return each readable scan cell's scan start and envelope (encrypted content), by the cell's stored name.

        Unreadable cells are dropped: they then count as never scanned, so the next scan reads them.
        """
        found = {}
        for cell, sealed in cells:
            try:
                plaintext = self._envelope.open(sealed, collection=COLLECTION, point_id=cell, retired=True)
                retired = key_generation(sealed) < self._oldest
                kept = self._envelope.seal(plaintext, collection=COLLECTION, point_id=cell) if retired else sealed
                found[cell] = (str(json.loads(plaintext)["started"]), kept)
            except DecryptionError:
                continue
        return found

    def _resealed_point(self, point: Point, collection: Collection) -> Point:
        row = row_of(point)
        plaintext = authenticated(self._envelope, row, collection, retired=True)
        if sealed_generation(row, collection) >= self._oldest:
            return point
        fresh = seal_packed(self._envelope, plaintext, collection, point.id, point.payload)
        return replace(point, payload={**point.payload, "data": fresh})
