"""Files that only their owner can read, created that way and never narrowed afterwards, and the lock for creating."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cloudops_nb.errors import InitialisationError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long one process waits for another that is creating, in seconds.
LOCK_SECONDS = 60.0
POSIX = os.name == "posix"
_OTHERS = 0o077


def create_private(path: Path) -> None:
    """Create an empty file with mode 0600, if it does not exist; one that exists is not opened.

    Raises:
        OSError: The folder does not allow it.
    """
    # Closing any descriptor of a file drops all POSIX locks that the process holds on it, SQLite's among them.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def replace_private(path: Path, content: bytes, *, synced: bool = True) -> None:
    """Replace a file's content, atomically, with mode 0600.

    Whoever reads, even after a power cut, finds the old content or the new one, whole. With ``synced`` it is
    the new one once this function has returned; without, a power cut may bring the old one back.

    Raises:
        OSError: The folder does not allow it, or the disk is full.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if synced:
        sync_folder(path.parent)


def open_to_others(status: os.stat_result) -> bool:
    """Whether a file's mode lets its group or others in; always false where modes mean nothing."""
    return POSIX and bool(status.st_mode & _OTHERS)


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder survive a power cut."""
    if not POSIX:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
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
