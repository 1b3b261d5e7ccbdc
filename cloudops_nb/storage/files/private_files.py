"""Creates and replaces files that only their owner can read, and takes locks that exclude other processes.

A file has mode 0600 from its creation, so other users cannot read it even for a moment.
"""

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

#: How long a process waits for a creation lock by default, in seconds.
LOCK_TIMEOUT_SECONDS = 60.0
POSIX = os.name == "posix"
_GROUP_AND_OTHERS = 0o077


def create_private(path: Path) -> None:
    """Create an empty file with mode 0600 unless the file exists; an existing file is not opened.

    Raises:
        OSError: The file cannot be created.
    """
    # An existing file is not opened: when a process closes any of its descriptors of a file, it loses all its POSIX
    # locks on that file, SQLite's included (fcntl(2); https://www.sqlite.org/howtocorrupt.html, section 2.2).
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def replace_private(path: Path, content: bytes, *, synced: bool = True) -> None:
    """Create a file or replace it atomically, with mode 0600.

    A reader finds either the whole old content or the whole new content, even after a power cut. With ``synced``, the
    new content survives a power cut once this function has returned; without it, the old content may come back.

    Raises:
        OSError: The file cannot be written, for example because the disk is full.
    """
    # mkstemp creates the file with mode 0600.
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


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file or folder, which differ in its replacement; ``None`` if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def open_to_others(status: os.stat_result) -> bool:
    """Return whether a file's mode gives its group or others access; always false on systems without POSIX modes."""
    return POSIX and bool(status.st_mode & _GROUP_AND_OTHERS)


def sync_folder(folder: Path) -> None:
    """Make sure that files created, renamed or removed in a folder before this call stay so after a power cut."""
    if not POSIX:  # only POSIX systems can open a folder to sync it
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def creation_lock(path: Path, *, seconds: float = LOCK_TIMEOUT_SECONDS) -> Iterator[None]:
    """Hold a lock on a file inside the block, so that, for example, only one process at a time creates a store.

    The lock file is created with mode 0600, and its folder, if missing, with mode 0700. The operating system releases
    the lock when the process ends, even if the process is killed.

    Raises:
        InitialisationError: The lock file cannot be created, or another process holds the lock for longer than
            ``seconds``.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(path, timeout=seconds, mode=0o600)
        lock.acquire()
    except Timeout:
        raise InitialisationError(f"cannot lock {path}", "another process is holding it", "Try again later.") from None
    except OSError as error:
        raise InitialisationError(f"cannot lock {path}", error.strerror or "") from error
    try:
        yield
    finally:
        lock.release()
