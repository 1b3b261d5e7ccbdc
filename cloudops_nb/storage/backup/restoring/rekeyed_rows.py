"""Re-encrypts snapshot rows that were written under an earlier master key."""

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

    from cloudops_nb.storage.backup.journal_tables import SealedRow
    from cloudops_nb.storage.engines.vector_store import Point
    from cloudops_nb.storage.keys.master_key import MasterKey
    from cloudops_nb.storage.vault import Vault


class RekeyedRows(ResealedRows):
    """Converts rows like :class:`ResealedRows`, from an earlier master key to the store's; unreadable rows are dropped.

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
        self._present = vault

    def points(self, points: Iterable[Point], collection: str) -> Iterator[Point]:
        """Yield the points in the form that the store would have written."""
        # `str` returns an empty model id, so the points count as those of another embedding model, and the next scan
        # writes them again.
        rekeyed_estate = RekeyedEstate(self.vault, self._present, str) if collection == AWS_ESTATE.name else None
        rekeyed = rekeyed_estate or RekeyedChat(self.vault, self._present)
        for batch in batches(self._readable(super().points(points, collection), collection)):
            yield from rekeyed(batch)

    def cells(self, cells: Iterable[SealedRow]) -> dict[str, tuple[str, bytes]]:
        """Return cells by the store's blind names: the start of each scan, and the envelope."""
        found = {}
        for cell, (started, sealed) in super().cells(cells).items():
            content = json.loads(self._envelope.open(sealed, collection=CELLS, point_id=cell))
            name, fresh = sealed_cell(self._present, content)
            found[name] = (started, fresh)
        return found

    def _readable(self, points: Iterable[Point], collection: str) -> Iterator[Point]:
        for point in points:
            try:
                open_sealed(self._envelope, row_of(point), COLLECTIONS[collection])
            except DecryptionError:
                continue
            yield point
