"""Files and folders that only their owner can read: made that way, never narrowed afterwards."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

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
