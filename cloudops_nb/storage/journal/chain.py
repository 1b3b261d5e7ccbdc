"""The journal's keyed MAC chain: the stored form of a record, and the check of a whole file.

Each MAC covers the previous MAC and every stored column, so no record can be changed, added, removed or moved without
the key. Removing records from the end leaves a valid chain; only a head that was sealed elsewhere shows it.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from cloudops_nb.errors import JournalError
from cloudops_nb.storage.keys.master_key import KeyHolder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudops_nb.storage.keys.master_key import StoreKeys

MAC_BYTES = 32
_COLUMN = struct.Struct(">q")
_FIX = "Restore journal.db and journal.head together from a backup, and find out who changed them."


@dataclass(frozen=True)
class ChainHead:
    """The end of a chain: its number of records and the MAC of the last one, or of the start if it is empty."""

    count: int
    mac: bytes

    def __str__(self) -> str:
        return f"{self.count}:{self.mac.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text form of a head, ``count:mac``.

        Raises:
            JournalError: The text is not a head.
        """
        count, colon, mac = text.strip().partition(":")
        try:
            head = cls(int(count), bytes.fromhex(mac))
        except ValueError:
            head = cls(-1, b"")
        if not colon or head.count < 0 or len(head.mac) != MAC_BYTES:
            raise JournalError("the exported head is invalid", "it is not a text that export_head() returned")
        return head


class StoredRecord(NamedTuple):
    """One row of the file; ``kind``, ``subject`` and ``once`` are blind values, and ``once`` is usually ``None``."""

    sequence: int
    kind: bytes
    subject: bytes
    once: bytes | None
    envelope: bytes
    mac: bytes = b""


class Chain(KeyHolder):
    """Computes and checks the MACs of one store's journal."""

    __slots__ = ("_key", "start")

    def __init__(self, keys: StoreKeys) -> None:
        self._key = keys.journal_key
        self.start = ChainHead(0, hmac.digest(self._key, b"start", "sha256"))

    def mac(self, previous: bytes, record: StoredRecord) -> bytes:
        """The MAC of a record that follows the one with the MAC ``previous``."""
        message = bytearray(b"record" + previous + _COLUMN.pack(record.sequence))
        for column in (record.kind, record.subject, record.once, record.envelope):
            # The lengths keep ("ab", "c") and ("a", "bc") apart, and NULL from empty.
            message += _COLUMN.pack(-1 if column is None else len(column)) + (column or b"")
        return hmac.digest(self._key, bytes(message), "sha256")

    def check(
        self, records: Iterable[StoredRecord], sealed: Iterable[ChainHead] = (), *, after: ChainHead | None = None
    ) -> ChainHead:
        """Check records in order, and return the chain's end.

        Args:
            records: Every row of the file, or every row after the head ``after``.
            sealed: Earlier heads of this chain; it must pass through each of them.
            after: A verified head; the chain's start if not given.

        Raises:
            JournalError: The chain breaks at a record, or does not pass through a sealed head.
        """
        marks = list(sealed)
        head = after or self.start
        _compare_heads(head, marks)
        for record in records:
            expected = head.count + 1
            if record.sequence != expected:
                raise altered_journal(f"record {expected} is missing")
            if not hmac.compare_digest(self.mac(head.mac, record), record.mac):
                raise altered_journal(f"record {expected} was changed, moved or inserted, or has another key")
            head = ChainHead(expected, record.mac)
            _compare_heads(head, marks)
        for mark in marks:
            check_length(head.count, mark)
        return head


def check_length(count: int, sealed: ChainHead) -> None:
    """Check that a file has at least as many records as a sealed head counts.

    Raises:
        JournalError: Records are missing at the end.
    """
    if count < sealed.count:
        raise altered_journal(f"it was cut off after record {count} of {sealed.count}")


def altered_journal(why: str) -> JournalError:
    """Return the error for a journal that was changed after it was written."""
    return JournalError("the journal does not verify", why, _FIX)


def _compare_heads(head: ChainHead, marks: Iterable[ChainHead]) -> None:
    for mark in marks:
        if mark.count == head.count and not hmac.compare_digest(mark.mac, head.mac):
            raise altered_journal(f"record {head.count} is not the one whose head was sealed")
