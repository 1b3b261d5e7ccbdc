"""Rows of a snapshot that was made before the store went over to another key, made those of the present one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudops_nb.errors import DecryptionError
from cloudops_nb.storage.backup.restoring.resealed_rows import ResealedRows
from cloudops_nb.storage.encryption.sealed import open_sealed
from cloudops_nb.storage.engines.schema import AWS_ESTATE, COLLECTIONS
from cloudops_nb.storage.files.store_file import StoreHeader
from cloudops_nb.storage.keys.master_key import StoreKeys
from cloudops_nb.storage.maintenance.rekeyed_points import RekeyedChat, RekeyedEstate
from cloudops_nb.storage.opening.rebuild import batches, row_of
from cloudops_nb.storage.scan_state import COLLECTION as CELLS
from cloudops_nb.storage.scan_state import cell_under
from cloudops_nb.storage.vault import vault_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.storage.backup.journal_tables import SealedRow
    from cloudops_nb.storage.engines.vector_store import Point
    from cloudops_nb.storage.keys.master_key import MasterKey
    from cloudops_nb.storage.vault import Vault


class RekeyedRows(ResealedRows):
    """As :class:`ResealedRows`, from an earlier key to the store's; what does not open is left out.

    Args:
        vault: The store's.
        master: The earlier key.
        generation: The newest data key of it that the snapshot's rows lie under.
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
        """Yield the points as the store would have made them."""
        # Without the embedding model's id the points count as another model's; the next scan makes them anew.
        going = RekeyedEstate(self.vault, self._present, str) if collection == AWS_ESTATE.name else None
        turned = going or RekeyedChat(self.vault, self._present)
        for batch in batches(self._opening(super().points(points, collection), collection)):
            yield from turned(batch)

    def cells(self, cells: Iterable[SealedRow]) -> dict[str, tuple[str, bytes]]:
        """Return cells under the store's blind names: when each scan began, and the envelope."""
        found = {}
        for cell, (started, sealed) in super().cells(cells).items():
            content = json.loads(self._envelope.open(sealed, collection=CELLS, point_id=cell))
            name, fresh = cell_under(self._present, content)
            found[name] = (started, fresh)
        return found

    def _opening(self, points: Iterable[Point], collection: str) -> Iterator[Point]:
        for point in points:
            try:
                open_sealed(self._envelope, row_of(point), COLLECTIONS[collection])
            except DecryptionError:
                continue
            yield point
