"""The record of the files of a user's folder that passed the checks, so that a start does not repeat them.

The checks read botocore's models, of which a large one takes a tenth of a second. The record holds hashes only. It
saves time and guards nothing: a person who can write to it can write to the declarations, too.
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

#: Hidden, because visible files of the folder are declarations.
RECORD_NAME = ".checked"


class CheckedFiles:
    """The texts of one folder's files that passed, by hash; another version of botocore or of ours starts over.

    Several processes may use one folder: the record is replaced as a whole, and the last one to write wins.

    Args:
        folder: The folder of declarations.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / RECORD_NAME
        self._known: frozenset[str] = frozenset()
        with suppress(OSError, UnicodeDecodeError):
            self._known = frozenset(self._path.read_text(encoding="ascii").split())
        self._present: set[str] = set()

    def passed(self, text: str) -> bool:
        """Return whether a file of this text has passed the checks."""
        return _fingerprint(text) in self._known

    def add(self, text: str) -> None:
        """Note that a file of this text is in the folder and has passed the checks."""
        self._present.add(_fingerprint(text))

    def save(self) -> None:
        """Write the record, of the texts that were added alone; a folder that cannot be written to has none."""
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
