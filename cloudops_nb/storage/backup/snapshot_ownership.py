"""Which snapshots are a store's own: those with its id, of all that one key opens and one bucket keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.files.store_file import StoreFile

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.opening.open_store import StorageService


class SnapshotOwnership:
    """Tells a store's own snapshots from others'.

    A store that is new or empty may take over any: it goes on as the store that it restores.
    """

    def __init__(self, storage: StorageService, settings: Settings) -> None:
        self._storage = storage
        self._file = StoreFile(settings.data_path)

    @property
    def ready(self) -> bool:
        """Whether there is a store; nothing here makes one."""
        return self._file.path.exists()

    def store_id(self) -> str:
        """Return the store's id, empty where there is no store, or where it got none yet."""
        header = self._file.read()
        return header.store_id if header else ""

    def owns(self, store_id: str) -> bool:
        """Whether snapshots with this id are the store's own, or could be: those from before there were ids."""
        return store_id in ("", self.store_id())

    def may_restore(self, store_id: str) -> bool:
        """Whether a snapshot with this id is meant when nobody names one."""
        return self.owns(store_id) or self.is_empty()

    def is_empty(self) -> bool:
        """Whether the store has nothing yet: no resource, no conversation, no record; or there is none."""
        if not self.ready:
            return True
        try:
            if self._storage.journal.verify().count:
                return False
            return not any(self._storage.vector_store.count(name, EVERY_POINT) for name in COLLECTIONS)
        except StorageError:  # what cannot be read is not taken for nothing
            return False
