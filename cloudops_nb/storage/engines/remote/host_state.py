"""The state of a remote store that the kernels of one host share: its identity, a lock, and times of last writes."""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cloudops_nb.errors import InitialisationError, StoreUnavailableError
from cloudops_nb.storage.files.private_files import create_private, creation_lock, replace_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The folder below the data path.
FOLDER_NAME = "remote"
#: Longest wait of an append for those of other kernels, in seconds.
TURN_SECONDS = 60.0
#: Longest time that writes of other hosts go unnoticed, in seconds.
STALE_SECONDS = 10.0
_POLL_SECONDS = 0.005


class HostState:
    """One kernel's access to the files that all kernels of a data path share; safe to share between threads.

    The lock belongs to the operating system, which releases it when its process ends.
    """

    def __init__(self, data_path: Path) -> None:
        self._folder = data_path / FOLDER_NAME
        self._turn = threading.Lock()

    def identity(self) -> str:
        """Return the random identity of this data path, created once; it marks the collections as this store's.

        Raises:
            InitialisationError: The folder cannot be read or written.
        """
        path = self._folder / "identity"
        try:
            return path.read_text("ascii")
        except FileNotFoundError:
            # A separate lock, because an append may need the identity during its turn.
            with creation_lock(self._folder / "identity.lock"):
                if not path.exists():
                    replace_private(path, uuid.uuid4().hex.encode())
            return path.read_text("ascii")
        except OSError as error:
            raise InitialisationError(f"cannot read {path}", error.strerror or "") from error

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lock for the block: only one thread of one of the host's kernels has it at a time.

        Raises:
            StoreUnavailableError: Another kernel does not release the lock.
            InitialisationError: The folder cannot be written.
        """
        path = self._folder / "turn.lock"
        with self._turn:
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                lock = FileLock(path, timeout=TURN_SECONDS, poll_interval=_POLL_SECONDS, mode=0o600)
                lock.acquire()
            except Timeout:
                why = f"another kernel has held {path} for {TURN_SECONDS:.0f} s"
                raise StoreUnavailableError("the store does not answer", why) from None
            except OSError as error:
                raise InitialisationError(f"cannot lock {path}", error.strerror or "") from error
            try:
                yield
            finally:
                lock.release()

    def wrote(self, collection: str) -> None:
        """Record a write to a collection for the other kernels.

        Raises:
            InitialisationError: The folder cannot be written.
        """
        path, now = self._stamp(collection), time.time_ns()
        try:
            if not path.exists():
                self._folder.mkdir(mode=0o700, exist_ok=True)
                create_private(path)
            os.utime(path, ns=(now, now))
        except OSError as error:
            raise InitialisationError(f"cannot write {path}", error.strerror or "") from error

    def generation(self, collection: str) -> int:
        """Return a number that changes with every write of this host, and every :data:`STALE_SECONDS` in any case.

        Raises:
            InitialisationError: The folder cannot be read.
        """
        path = self._stamp(collection)
        try:
            last = path.stat().st_mtime_ns
        except FileNotFoundError:
            last = 0
        except OSError as error:
            raise InitialisationError(f"cannot read {path}", error.strerror or "") from error
        return hash((last, int(time.time() // STALE_SECONDS)))

    def _stamp(self, collection: str) -> Path:
        return self._folder / f"{collection}.written"
