"""The sealed head: an encrypted copy, in the file ``journal.head``, of the journal's number of records and last MAC.

The sealed head reveals the removal of records from the journal's end. It lags behind the journal if a process died
after writing a record and before writing the sealed head, and may lag after a power cut. It is never ahead of the
journal.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cloudops_nb.errors import DecryptionError, StorageError
from cloudops_nb.storage.encryption.envelope import key_generation
from cloudops_nb.storage.files.private_files import replace_private
from cloudops_nb.storage.journal.chain import Chain, ChainHead, altered_journal

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.storage.encryption.envelope import Envelope
    from cloudops_nb.storage.keys.master_key import StoreKeys

_COLLECTION = "journal"
_POINT = "head"


class HeadFile:
    """Reads and replaces ``journal.head``; the caller ensures that only one thread of one process writes at a time."""

    def __init__(self, path: Path, envelope: Envelope) -> None:
        self.path = path
        self._envelope = envelope

    def read(self) -> ChainHead:
        """Decrypt the sealed head.

        Raises:
            JournalError: The file is missing, was changed, or is encrypted under a different key.
            StorageError: The file cannot be read.
        """
        try:
            sealed = self.path.read_bytes()
            content = json.loads(self._envelope.open(sealed, collection=_COLLECTION, point_id=_POINT))
        except FileNotFoundError:
            raise altered_journal("its sealed head, journal.head, is missing") from None
        except DecryptionError:
            why = "its sealed head, journal.head, was changed or is encrypted under a different key"
            raise altered_journal(why) from None
        except OSError as error:
            raise StorageError(f"cannot read {self.path}", error.strerror or "") from error
        return ChainHead(content["count"], bytes.fromhex(content["mac"]))

    def reseal(self) -> int:
        """Re-encrypt the head if it is encrypted under an older data key; returns 1 if this was done, otherwise 0.

        Raises:
            JournalError: As :meth:`read`.
        """
        head = self.read()
        older = key_generation(self.path.read_bytes()) < self._envelope.generation
        if older:
            self.write(head, power_safe=True)
        return int(older)

    def write(self, head: ChainHead, *, power_safe: bool) -> None:
        """Replace the sealed head; with ``power_safe``, a power cut cannot bring the old head back.

        Raises:
            StorageError: The file cannot be written.
        """
        content = json.dumps({"count": head.count, "mac": head.mac.hex()}).encode()
        sealed = self._envelope.seal(content, collection=_COLLECTION, point_id=_POINT)
        try:
            replace_private(self.path, sealed, synced=power_safe)
        except OSError as error:
            raise StorageError(f"cannot write {self.path}", error.strerror or "") from error


def create_head(path: Path, envelope: Envelope, keys: StoreKeys) -> None:
    """Create the file with the sealed head of an empty journal."""
    HeadFile(path, envelope).write(Chain(keys).start, power_safe=True)
