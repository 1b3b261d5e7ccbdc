"""``StorageService`` combines the store, its backups and its health check in one object."""

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
    """The store of one data path, together with its backups and its health check; also a context manager.

    Args:
        settings: The data path, the key source, the backup settings, and how long the owner process (which runs the
            embedded vector store) outlives its last client.
        embedder: Returns the embedder; called when a text must be embedded for the first time.
    """

    def __init__(self, settings: Settings, embedder: Callable[[], Embedder]) -> None:
        super().__init__(settings, embedder)
        # The backup service is not one of ``_parts``: it runs restores, and a restore closes and replaces the parts.
        self._backup: BackupService | None = None

    @property
    def backup(self) -> BackupService:
        """The backup service; it makes regular backups only after a call of its ``start()``."""
        from cloudops_nb.storage.backup.service import BackupService

        with self._lock:
            if self._backup is None:
                self._backup = BackupService(self, self._settings)
            return self._backup

    def health(self) -> Health:
        """Check the collections, the backups and the free disk space; problems are reported, not raised."""
        from cloudops_nb.storage.health import check_health

        return check_health(
            lambda: self.vector_store,
            self._settings.data_path,
            self.backup.health,
            decrypt_failures=lambda: self.vault.envelope.alarm.failures,
            unreadable_results=self._unreadable_results,
            integrity=lambda: self.estate.integrity.check(again=True),
            remote=self._settings.remote,
        )

    def _unreadable_results(self) -> int:
        # An envelope of its own: the check repeats at each status, and must not raise the alarm each time.
        return len(self.scan_state.unreadable(self.vault.envelope.with_own_alarm()))

    def close(self) -> None:
        """Stop regular backups and close the store; its data stays.

        The owner process ends some time after its last client has disconnected. Objects that this service returned,
        such as ``journal``, are closed for good; the next use of the service opens new ones.
        """
        backup = self._backup
        if backup is not None:
            # Stop backups before ``super().close()`` takes the store's lock, because a running backup may be waiting
            # for that lock. A backup that outlasts this call must not reopen the closed store.
            self.shut_out(backup.close())
        super().close()
