"""The journal's chain of MACs (message authentication codes): a record's stored form, and the verification of a chain.

Each MAC covers the previous MAC and every stored column of its record. So, without the key, changing, adding or moving
a record breaks the chain, and so does removing a record that others follow. Removing records from the end leaves a
valid chain; only a head (the number of records and the last MAC) that was saved elsewhere reveals the removal.
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
    """The end of a chain: the number of records, and the last record's MAC (in an empty chain, the start's MAC)."""

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
    """One row of ``journal.db``; ``kind``, ``subject`` and ``once_key`` are blind values (keyed hashes).

    The journal accepts only one record with the same ``once_key``, but any number of records with ``None``.
    """

    sequence: int
    kind: bytes
    subject: bytes
    once_key: bytes | None
    envelope: bytes
    mac: bytes = b""


class Chain(KeyHolder):
    """Computes and checks the MACs of one store's journal."""

    __slots__ = ("_key", "start")

    def __init__(self, keys: StoreKeys) -> None:
        self._key = keys.journal_key
        self.start = ChainHead(0, hmac.digest(self._key, b"start", "sha256"))

    def mac(self, previous: bytes, record: StoredRecord) -> bytes:
        """Return the MAC of a record, where ``previous`` is the MAC of the record before it."""
        message = bytearray(b"record" + previous + _COLUMN.pack(record.sequence))
        for column in (record.kind, record.subject, record.once_key, record.envelope):
            # The lengths distinguish ("ab", "c") from ("a", "bc"), and NULL from an empty value.
            message += _COLUMN.pack(-1 if column is None else len(column)) + (column or b"")
        return hmac.digest(self._key, bytes(message), "sha256")

    def check(
        self, records: Iterable[StoredRecord], saved: Iterable[ChainHead] = (), *, after: ChainHead | None = None
    ) -> ChainHead:
        """Check records in order, and return the chain's end.

        Args:
            records: Every record of the journal, or, with ``after``, every record that follows this head.
            saved: Heads that were saved earlier; the chain must contain each of them.
            after: A verified head; by default, the start of the chain.

        Raises:
            JournalError: The chain breaks at a record, or does not contain a saved head.
        """
        saved_heads = list(saved)
        head = after or self.start
        _compare_heads(head, saved_heads)
        for record in records:
            expected = head.count + 1
            if record.sequence != expected:
                raise altered_journal(f"record {expected} is missing")
            if not hmac.compare_digest(self.mac(head.mac, record), record.mac):
                why = f"record {expected} was changed, moved or inserted, or was written under a different key"
                raise altered_journal(why)
            head = ChainHead(expected, record.mac)
            _compare_heads(head, saved_heads)
        for saved_head in saved_heads:
            check_length(head.count, saved_head)
        return head


def check_length(count: int, saved: ChainHead) -> None:
    """Check that a journal has at least as many records as it had when a head was saved.

    Raises:
        JournalError: Records are missing at the end.
    """
    if count < saved.count:
        raise altered_journal(f"it ends at record {count}, but had {saved.count} records")


def altered_journal(why: str) -> JournalError:
    """Return the error for a journal that was changed after it was written."""
    return JournalError("the journal does not verify", why, _FIX)


def _compare_heads(head: ChainHead, saved_heads: Iterable[ChainHead]) -> None:
    for saved in saved_heads:
        if saved.count == head.count and not hmac.compare_digest(saved.mac, head.mac):
            raise altered_journal(f"record {head.count} does not match its saved head")
