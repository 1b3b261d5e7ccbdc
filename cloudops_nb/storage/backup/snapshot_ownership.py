"""Decides which snapshots belong to a store.

One bucket may hold the snapshots of several stores, and one key may open them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.files.store_file import StoreFile

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.opening.open_store import OpenStore


class SnapshotOwnership:
    """Distinguishes a store's own snapshots from those of other stores, by the store id in each snapshot's header.

    A new or empty store may restore any snapshot, and then takes the snapshot's store id as its own.
    """

    def __init__(self, storage: OpenStore, settings: Settings) -> None:
        self._storage = storage
        self._file = StoreFile(settings.data_path)

    @property
    def ready(self) -> bool:
        """True if the store exists; reading this property does not create the store."""
        return self._file.path.exists()

    def store_id(self) -> str:
        """Return the store's id; empty if the store does not exist or has no id yet."""
        header = self._file.read()
        return header.store_id if header else ""

    def owns(self, store_id: str) -> bool:
        """Return whether a snapshot with this store id counts as the store's own.

        Snapshots that older versions wrote have no id, and count as the store's own.
        """
        return store_id in ("", self.store_id())

    def may_restore(self, store_id: str) -> bool:
        """Return whether a snapshot with this store id may be restored when the latest snapshots are requested."""
        return self.owns(store_id) or self.is_empty()

    def is_empty(self) -> bool:
        """Return whether the store does not exist, or holds no resource, no conversation and no journal record."""
        if not self.ready:
            return True
        try:
            if self._storage.journal.verify().count:
                return False
            return not any(self._storage.vector_store.count(name, EVERY_POINT) for name in COLLECTIONS)
        except StorageError:  # an unreadable store may hold data, so it does not count as empty
            return False
