"""Re-encrypts a snapshot's rows that were written under an earlier master key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudops_nb.errors import DecryptionError
from cloudops_nb.storage.backup.restoring.resealed_rows import ResealedRows
from cloudops_nb.storage.encryption.sealed_data import open_sealed
from cloudops_nb.storage.engines.schema import AWS_ESTATE, COLLECTIONS
from cloudops_nb.storage.files.store_file import StoreHeader
from cloudops_nb.storage.keys.master_key import StoreKeys
from cloudops_nb.storage.maintenance.rekeyed_points import RekeyedChat, RekeyedEstate
from cloudops_nb.storage.opening.staged_copy import batches, row_of
from cloudops_nb.storage.scan_state import COLLECTION as CELLS
from cloudops_nb.storage.scan_state import sealed_cell
from cloudops_nb.storage.vault import vault_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.storage.engines.vector_store import Point
    from cloudops_nb.storage.keys.master_key import MasterKey
    from cloudops_nb.storage.opening.journal_tables import SealedRow
    from cloudops_nb.storage.vault import Vault


class RekeyedRows(ResealedRows):
    """Re-encrypts rows that were written under an earlier master key, so that the store's present key decrypts them.

    Unlike :class:`ResealedRows`, this class drops unreadable rows, because it cannot re-encrypt them.

    Args:
        vault: The store's vault.
        master: The earlier master key.
        generation: The newest data key generation of the snapshot's rows.
    """

    def __init__(self, vault: Vault, master: MasterKey, generation: int) -> None:
        header = StoreHeader(
            created=datetime.now(UTC),
            key_fingerprint=StoreKeys(master).fingerprint,
            data_key_generation=generation,
        )
        super().__init__(vault_of(vault.data_path, header, master))
        self._store_vault = vault

    def points(self, points: Iterable[Point], collection: str) -> Iterator[Point]:
        """Yield the points as the store would have written them under its present key."""
        # Calling `str` returns an empty model id. The points then count as embedded with another model, so the next
        # scan writes them again.
        rekeyed_estate = RekeyedEstate(self.vault, self._store_vault, str) if collection == AWS_ESTATE.name else None
        rekeyed = rekeyed_estate or RekeyedChat(self.vault, self._store_vault)
        for batch in batches(self._readable(super().points(points, collection), collection)):
            yield from rekeyed(batch)

    def cells(self, cells: Iterable[SealedRow]) -> dict[str, tuple[str, bytes]]:
        """Return each readable cell's scan start and envelope, by the cell's name (keyed hash) in the store."""
        found = {}
        for cell, (started, sealed) in super().cells(cells).items():
            content = json.loads(self._envelope.open(sealed, collection=CELLS, point_id=cell))
            name, fresh = sealed_cell(self._store_vault, content)
            found[name] = (started, fresh)
        return found

    def _readable(self, points: Iterable[Point], collection: str) -> Iterator[Point]:
        for point in points:
            try:
                open_sealed(self._envelope, row_of(point), COLLECTIONS[collection])
            except DecryptionError:
                continue
            yield point
