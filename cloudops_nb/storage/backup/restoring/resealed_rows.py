"""Opening what a snapshot's rows seal, and sealing it anew where its data key has been retired since."""

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
    """Rows of a snapshot on their way into a store; counts the rows, and those that do not open.

    A row that does not open was damaged before the snapshot was taken; it is passed on, so that nobody takes it for
    deleted.
    """

    vault: Vault
    rows: int = 0
    unreadable: int = 0
    _oldest: int = field(init=False)
    _envelope: Envelope = field(init=False)

    def __post_init__(self) -> None:
        header = self.vault.store_file.read()
        self._oldest = header.oldest_data_key_generation if header else 1
        # One of its own, whose alarm is not the open store's.
        self._envelope = Envelope(self.vault.keys)

    def points(self, points: Iterable[Point], collection: str) -> Iterator[Point]:
        """Yield points whose ``data`` the store opens."""
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
        """Return cells by their blind names: when each scan began, and the envelope; those that don't open are dropped.

        A cell without a result counts as never scanned, which the next scan mends.
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
