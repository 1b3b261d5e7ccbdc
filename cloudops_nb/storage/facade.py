"""``StorageService``: the store, its backups and its health behind one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.storage.opening.open_store import OpenStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.service import BackupService
    from cloudops_nb.storage.health import Health


class StorageService(OpenStore):
    """An open store with its backups and its health; also a context manager.

    Args:
        settings: The data path, the key's source, the backups, and the idle time of the store's process.
        embedder: Returns the embedder; called at the first write or search of the estate.
    """

    def __init__(self, settings: Settings, embedder: Callable[[], Embedder]) -> None:
        super().__init__(settings, embedder)
        # Not one of the parts: a restore closes and replaces those, and the backup service outlives them.
        self._backup: BackupService | None = None

    @property
    def backup(self) -> BackupService:
        """Snapshots of the store; regular backups run only after they are started."""
        from cloudops_nb.storage.backup.service import BackupService

        with self._lock:
            if self._backup is None:
                self._backup = BackupService(self, self._settings)
            return self._backup

    def health(self) -> Health:
        """Check the collections, the backups and the disk within seconds; problems are reported, not raised."""
        from cloudops_nb.storage.health import check_health

        return check_health(
            lambda: self.vector_store,
            self._settings.data_path,
            self.backup.health,
            decrypt_failures=lambda: self.vault.envelope.alarm.failures,
            remote=self._settings.remote,
        )

    def close(self) -> None:
        """Stop the backups and close the store; what was written stays.

        The owner process ends when no kernel uses it. Parts taken from this service are closed for good; the next use
        of the service opens new ones.
        """
        backup = self._backup
        if backup is not None:
            # Before the store's lock is taken, because a running backup may be waiting for it. A run that outlasts
            # this call must not reopen the closed store.
            self.shut_out(backup.close())
        super().close()
