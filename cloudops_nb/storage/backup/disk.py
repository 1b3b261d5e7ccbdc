"""Checks the free disk space before a backup or a restore, and turns disk failures into one-line errors."""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudops_nb.errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Required free space, as a multiple of the expected size.
MARGIN = 2
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FIX = "Free some space and try again."


def require_room(folder: Path, expected: int, what: str) -> None:
    """Check that the folder's disk has :data:`MARGIN` times the expected bytes free.

    Raises:
        BackupError: The disk has less space.
    """
    free, needed = shutil.disk_usage(folder).free, MARGIN * expected
    if free < needed:
        why = f"the disk has {free // 1_000_000} MB free, and {needed // 1_000_000} MB are needed"
        raise BackupError(what, why, _FIX)


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn the operating system's errors into one-line errors that begin with ``what``.

    Raises:
        BackupError: The disk is full or fails, or permission is missing.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise BackupError(what, "the disk is full", _FIX) from error
        raise BackupError(what, error.strerror or type(error).__name__) from error
