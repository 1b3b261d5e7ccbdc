"""The lock between processes for what must be created only once: a key, a store."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cloudops_nb.errors import InitialisationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: How long one process waits for another that is creating, in seconds.
LOCK_SECONDS = 60.0


@contextmanager
def creation_lock(path: Path, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold an operating system's lock on a file, created with mode 0600 in a folder created with 0700.

    The lock falls with its process, however that dies.

    Raises:
        InitialisationError: The folder does not allow the file, or another process holds the lock for too long.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(path, timeout=seconds, mode=0o600)
        lock.acquire()
    except Timeout:
        raise InitialisationError(f"cannot lock {path}", "another process is holding it") from None
    except OSError as error:
        raise InitialisationError(f"cannot lock {path}", error.strerror or "") from error
    try:
        yield
    finally:
        lock.release()
