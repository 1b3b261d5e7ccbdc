"""Records which of a user's declaration files passed the checks, so that the next start does not repeat the checks.

The checks load botocore's models, and a large model takes a tenth of a second. The record contains only hashes, and is
not protected against changes: a user who can change the record can change the declarations as well.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import botocore

from cloudops_nb.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

#: A hidden file, because hidden files are not read as declarations.
RECORD_NAME = ".checked"


class CheckedFiles:
    """The hashes of the files in one folder that passed the checks.

    A hash includes the versions of botocore and of this package, so after an upgrade the files are checked again.
    Several processes may use the same folder. Each of them replaces the whole record, and the last record remains.

    Args:
        folder: The folder that contains the declarations.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / RECORD_NAME
        self._known: frozenset[str] = frozenset()
        with suppress(OSError, UnicodeDecodeError):
            self._known = frozenset(self._path.read_text(encoding="ascii").split())
        self._present: set[str] = set()

    def passed(self, text: str) -> bool:
        """Return whether a file with this text has passed the checks."""
        return _fingerprint(text) in self._known

    def add(self, text: str) -> None:
        """Note that a file with this text is in the folder and has passed the checks."""
        self._present.add(_fingerprint(text))

    def save(self) -> None:
        """Write a new record with the hashes of the added texts; if the folder is not writable, do nothing."""
        if self._present == self._known:
            return
        partial = self._path.with_name(f"{RECORD_NAME}.{os.getpid()}")
        with suppress(OSError):
            partial.touch(mode=0o600)
            partial.write_text("".join(f"{each}\n" for each in sorted(self._present)), encoding="ascii")
            partial.replace(self._path)


def _fingerprint(text: str) -> str:
    versions = f"{VERSION} {botocore.__version__}\n"
    return hashlib.sha256((versions + text).encode()).hexdigest()
