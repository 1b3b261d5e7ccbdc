"""Files through which the notebook kernels of one host coordinate their use of collections on a Qdrant server.

The files hold the identity of the data path (the store's folder), a lock, and the time of the last write to each
collection.
"""

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

#: The name of the folder, in the data path, that contains these files.
FOLDER_NAME = "remote"
#: Longest time that an append waits for the appends of other kernels, in seconds.
TURN_SECONDS = 60.0
#: Longest time until a kernel notices a write of another host, in seconds.
STALE_SECONDS = 10.0
_POLL_SECONDS = 0.005


class HostState:
    """One kernel's access to the files that all kernels of a data path share; safe to share between threads.

    The operating system releases the lock when the process ends, even if the process is killed.
    """

    def __init__(self, data_path: Path) -> None:
        self._folder = data_path / FOLDER_NAME
        self._thread_lock = threading.Lock()

    def identity(self) -> str:
        """Return the random identity of this data path, created at the first use.

        The metadata of a collection on the server contains the identity of the data path that created the collection.

        Raises:
            InitialisationError: The identity cannot be read or written.
        """
        path = self._folder / "identity"
        try:
            return path.read_text("ascii")
        except FileNotFoundError:
            # Do not use the lock of turn(): an append may need the identity while it holds that lock.
            with creation_lock(self._folder / "identity.lock"):
                if not path.exists():
                    replace_private(path, uuid.uuid4().hex.encode())
            return path.read_text("ascii")
        except OSError as error:
            raise InitialisationError(f"cannot read {path}", error.strerror or "") from error

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the host's lock during the block: only one thread of one kernel can hold it.

        Raises:
            StoreUnavailableError: Another kernel does not release the lock.
            InitialisationError: The lock file cannot be created or locked.
        """
        path = self._folder / "turn.lock"
        with self._thread_lock:
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                lock = FileLock(path, timeout=TURN_SECONDS, poll_interval=_POLL_SECONDS, mode=0o600)
                lock.acquire()
            except Timeout:
                why = f"other kernels have held {path} for {TURN_SECONDS:.0f} s"
                raise StoreUnavailableError("a message cannot be added to the store", why, "Try again.") from None
            except OSError as error:
                raise InitialisationError(f"cannot lock {path}", error.strerror or "") from error
            try:
                yield
            finally:
                lock.release()

    def wrote(self, collection: str) -> None:
        """Record the time of a write to a collection, so that other kernels notice the write.

        Raises:
            InitialisationError: The file cannot be written.
        """
        path, now = self._last_write_file(collection), time.time_ns()
        try:
            if not path.exists():
                self._folder.mkdir(mode=0o700, exist_ok=True)
                create_private(path)
            os.utime(path, ns=(now, now))
        except OSError as error:
            raise InitialisationError(f"cannot write {path}", error.strerror or "") from error

    def generation(self, collection: str) -> int:
        """Return a number that changes with every write of this host, and at least every :data:`STALE_SECONDS`.

        It changes regularly because another host may have written, which this host cannot see.

        Raises:
            InitialisationError: The file cannot be read.
        """
        path = self._last_write_file(collection)
        try:
            last = path.stat().st_mtime_ns
        except FileNotFoundError:
            last = 0
        except OSError as error:
            raise InitialisationError(f"cannot read {path}", error.strerror or "") from error
        return hash((last, int(time.time() // STALE_SECONDS)))

    def _last_write_file(self, collection: str) -> Path:
        return self._folder / f"{collection}.written"
