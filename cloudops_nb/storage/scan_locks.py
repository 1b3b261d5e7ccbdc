"""Locks of running scans, which show other programs whether a scan still runs or its process died."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cloudops_nb.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The folder of the lock files in a store's folder.
FOLDER_NAME = "locks"


class ScanLocks:
    """The locks of the scans of one store, a file each; safe to share between threads.

    The operating system releases a lock when the process that holds it ends, even if the process is killed.
    """

    def __init__(self, data_path: Path) -> None:
        self._folder = data_path / FOLDER_NAME
        self._lock = threading.Lock()
        self._held: dict[str, FileLock] = {}

    @contextmanager
    def holding(self, scan_id: str) -> Iterator[None]:
        """Hold a scan's lock inside the block.

        Raises:
            StorageError: The lock file cannot be created, or another program holds the lock.
        """
        self.hold(scan_id)
        try:
            yield
        finally:
            self.release(scan_id)

    def hold(self, scan_id: str) -> None:
        """Take a scan's lock, unless this object holds it already; raises as :meth:`holding` does."""
        with self._lock:
            if scan_id in self._held:
                return
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = FileLock(self._path(scan_id), mode=0o600)
                lock.acquire(blocking=False)
            except Timeout:
                why = "another program holds its lock"
                raise StorageError("the scan was not started", why, "Start a new scan.") from None
            except OSError as error:
                fix = "Check the permissions of its folder and the free disk space."
                raise StorageError(f"cannot lock {self._path(scan_id)}", error.strerror or "", fix) from error
            self._held[scan_id] = lock

    def release(self, scan_id: str) -> None:
        """Release a scan's lock, if this object holds it, and remove the lock file."""
        with self._lock:
            lock = self._held.pop(scan_id, None)
            if lock is not None:
                # The file goes first: a scan id is never used again, so no other program waits for this lock.
                self._path(scan_id).unlink(missing_ok=True)
                lock.release()

    def alive(self, scan_id: str) -> bool:
        """Return whether a program holds the scan's lock; the lock file of a killed program is removed."""
        if scan_id in self._held:
            return True
        path = self._path(scan_id)
        if not path.exists():
            return False
        try:
            with FileLock(path, mode=0o600).acquire(blocking=False):
                path.unlink(missing_ok=True)
                return False
        except Timeout:
            return True

    def _path(self, scan_id: str) -> Path:
        # A hash, because a caller of the store's interface may give any text as the id of a scan.
        return self._folder / f"scan-{hashlib.sha256(scan_id.encode()).hexdigest()[:32]}.lock"
