"""The usage lock of a data path: programs with an open store share it, and maintenance holds it exclusively."""

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
#: How long maintenance waits for other programs to close, and they for maintenance to end, in seconds.
ALONE_SECONDS, SHARED_SECONDS = 5.0, 30.0
_RETRY = 0.05


class UsageLock:
    """One program's lock on a data path; safe to share between threads.

    The operating system releases it when the process ends, however it ends. A forked child shares its parent's lock
    (flock(2)), so a kernel's child processes must open a store of their own.
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
            try:
                self._descriptor = _locked_file(self._path, fcntl.LOCK_SH, SHARED_SECONDS)
            except BlockingIOError:
                why = "another program is restoring it or changing its keys"
                raise StoreUnavailableError(
                    "the store cannot be opened now", why, "Try again when it is done."
                ) from None

    def release(self) -> None:
        """Release the shared lock."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the exclusive lock inside the block.

        Raises:
            StoreUnavailableError: Another program kept the store open for longer than :data:`ALONE_SECONDS`.
        """
        self.release()
        try:
            descriptor = _locked_file(self._path, fcntl.LOCK_EX, ALONE_SECONDS)
        except BlockingIOError:
            fix = "Shut down the other notebooks and commands that use it, then try again."
            raise StoreUnavailableError("the store is in use", "another program has it open", fix) from None
        try:
            yield
        finally:
            os.close(descriptor)


def _locked_file(path: Path, kind: int, seconds: float) -> int:
    """Open and lock the file; returns its descriptor.

    Raises:
        BlockingIOError: Another program kept its lock for longer than ``seconds``.
    """
    descriptor = _open_lock_file(path)
    try:
        _lock_within(descriptor, kind, seconds)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InitialisationError(f"cannot open {path}", error.strerror or "") from error


def _lock_within(descriptor: int, kind: int, seconds: float) -> None:
    """Lock the file, waiting up to ``seconds``.

    Raises:
        BlockingIOError: Another process still holds the lock.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(_RETRY)
        else:
            return
