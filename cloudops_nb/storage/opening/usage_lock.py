"""The usage lock of a store: programs that have the store open share it, and maintenance holds it exclusively."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudops_nb.errors import InitialisationError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_NAME = "store.use"
#: How long maintenance waits until other programs have closed the store, in seconds.
ALONE_SECONDS = 5.0
#: How long opening a store waits until maintenance has ended, in seconds.
SHARED_SECONDS = 30.0
_RETRY_SECONDS = 0.05


class UsageLock:
    """One program's lock on a data path (a store's folder); safe to share between threads.

    The operating system releases the lock when the process ends, even if the process is killed. A forked child inherits
    the lock, which then lasts until both processes have ended (flock(2)). A child must not use the inherited object; it
    must open the store with an object of its own.
    """

    def __init__(self, data_path: Path) -> None:
        self._path = data_path / LOCK_NAME
        self._lock = threading.Lock()
        self._descriptor: int | None = None

    def share(self) -> None:
        """Take the shared lock, unless this object holds it already.

        Raises:
            StoreUnavailableError: Maintenance did not end within :data:`SHARED_SECONDS`.
        """
        with self._lock:
            if self._descriptor is not None:
                return
            descriptor = _open_lock_file(self._path)
            try:
                _lock_within(descriptor, fcntl.LOCK_SH, SHARED_SECONDS)
            except BlockingIOError:
                os.close(descriptor)
                why = "another program is doing maintenance, such as restoring it or changing its keys"
                fix = "Try again when the other program is done."
                raise StoreUnavailableError("the store cannot be opened now", why, fix) from None
            except BaseException:
                os.close(descriptor)
                raise
            self._descriptor = descriptor

    def release(self) -> None:
        """Release the shared lock."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Release this object's shared lock, and hold the exclusive lock inside the block.

        Raises:
            StoreUnavailableError: Another program kept the store open for longer than :data:`ALONE_SECONDS`.
        """
        self.release()
        descriptor = _open_lock_file(self._path)
        try:
            _lock_within(descriptor, fcntl.LOCK_EX, ALONE_SECONDS)
        except BlockingIOError:
            os.close(descriptor)
            fix = "Shut down the other notebooks and commands that use it, then try again."
            raise StoreUnavailableError("the store is in use", "another program has it open", fix) from None
        except BaseException:
            os.close(descriptor)
            raise
        try:
            yield
        finally:
            os.close(descriptor)


def _open_lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InitialisationError(f"cannot open {path}", error.strerror or "") from error


def _lock_within(descriptor: int, operation: int, seconds: float) -> None:
    """Lock the file, waiting up to ``seconds``; flock(2) itself has no time limit.

    Raises:
        BlockingIOError: Another process still holds the lock.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return
