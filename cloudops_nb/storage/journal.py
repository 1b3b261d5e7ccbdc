"""The journal: encrypted records in a keyed MAC chain, appended by any number of processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import AlreadyRecordedError, JournalError
from cloudops_nb.model import JournalRecord
from cloudops_nb.storage.database import Database
from cloudops_nb.storage.journal_chain import Chain, ChainHead, StoredRecord, altered, check_length
from cloudops_nb.storage.journal_head import HeadFile
from cloudops_nb.storage.journal_once import OnceKeys
from cloudops_nb.storage.store_file import JOURNAL_NAME

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cloudops_nb.storage.vault import Vault

_COLLECTION = "journal"
# The casts make bytes of whatever an altered file holds, so that it fails to verify rather than to be read.
_BEHIND = """
SELECT sequence, CAST(kind AS BLOB), CAST(subject AS BLOB), CAST(once AS BLOB),
    CAST(envelope AS BLOB), CAST(mac AS BLOB)
FROM records WHERE sequence > ? ORDER BY sequence
"""
_NEWEST = "SELECT sequence, CAST(envelope AS BLOB) FROM records {} ORDER BY sequence DESC"
_COUNT = "SELECT coalesce(max(sequence), 0) FROM records"
_MAC = "SELECT CAST(mac AS BLOB) FROM records WHERE sequence = ?"


@dataclass(frozen=True)
class JournalVerification:
    """What a successful check found: the number of records and the last one's MAC in hexadecimal digits."""

    count: int
    head: str


class Journal:
    """An append-only record of what was planned, approved, executed and sent.

    Safe from several threads and processes. A record that :meth:`append` returned survives the death of every process
    and a power cut. What the file alone cannot show, that records were cut off its end, shows against the head sealed
    in ``journal.head``; that both files were put back to an older state shows only against an exported head.

    Args:
        data_path: The store's folder.
        vault: The store's keys.
        clock: Returns the current time in UTC.
    """

    def __init__(self, data_path: Path, vault: Vault, *, clock: Callable[[], datetime] | None = None) -> None:
        #: The file, which the scan state shares.
        self.database = Database(data_path / JOURNAL_NAME)
        self._envelope = vault.envelope
        self._blind_index = vault.blind_index
        self._chain = Chain(vault.keys)
        self._once_keys = OnceKeys(self._chain)
        self._head_file = HeadFile(vault)
        self._clock = clock or (lambda: datetime.now(UTC))

    def append(
        self, kind: str, subject: str, body: Mapping[str, Any], *, once: str = "", power_safe: bool = False
    ) -> JournalRecord:
        """Add a record to the end of the chain.

        Args:
            kind: What sort of record it is; :meth:`records` filters by it.
            subject: What it is about, as a plan's id; :meth:`records` filters by it.
            body: Its content: JSON data.
            once: A key that can be recorded one time only, ever, whichever process comes first.
            power_safe: Whether the sealed head, too, must be on the disk before this returns. Without, the record
                survives a power cut, but for that moment the head may not know of it.

        Raises:
            AlreadyRecordedError: ``once`` was recorded before; nothing is added.
            JournalError: The body is no JSON data, or the journal was cut short or replaced, or with ``once`` altered
                in any way; nothing is added.
        """
        at = self._clock()
        plaintext = _serialised(at, kind, subject, body)
        blind_once = self._blind("once", once) if once else None
        # The commit is synced always: the head below must never be ahead of a journal that lost power.
        with self.database.writing(synced=True) as connection:
            head = self._intact_end(connection)
            if blind_once is not None and self._once_keys.contains(blind_once, partial(_rows, connection), head):
                raise AlreadyRecordedError(f"a {kind} record exists already", "it can be made one time only")
            record = self._stored(head, kind, subject, blind_once, plaintext)
            connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", record)
        self._seal(ChainHead(record.sequence, record.mac), power_safe=power_safe)
        return _record(record.sequence, plaintext)

    def records(
        self,
        *,
        kind: str | Sequence[str] = (),
        subject: str = "",
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[JournalRecord]:
        """Decrypt records, oldest first; empty filters don't filter, and ``limit`` keeps the newest.

        Each record is authentic; that none is missing is what :meth:`verify` says.

        Raises:
            DecryptionError: A record was altered or moved.
            JournalError: A record was filed under another kind or subject than its own.
        """
        kinds = [name for name in ([kind] if isinstance(kind, str) else kind) if name]
        condition, values = self._condition(kinds, subject)
        found: list[JournalRecord] = []
        with self.database.reading() as connection:
            for sequence, sealed in connection.execute(_NEWEST.format(condition), values):
                if limit is not None and len(found) >= limit:
                    break
                plaintext = self._envelope.open(sealed, collection=_COLLECTION, point_id=str(sequence))
                record = _record(sequence, plaintext)
                if (kinds and record.kind not in kinds) or (subject and record.subject != subject):
                    raise altered(f"record {sequence} is filed under another kind or subject than its own")
                if since is None or record.at >= since:
                    found.append(record)
        return found[::-1]

    def verify(self, *, against: str = "") -> JournalVerification:
        """Check every record, the order, the end and the sealed head.

        Args:
            against: A head that :meth:`export_head` returned earlier; the journal must still contain it.

        Raises:
            JournalError: A record was changed, added, removed or moved, or records were cut off the end.
            StoreCorruptedError: The file cannot be read at all.
        """
        # The head is read first: records that others append meanwhile then come after it.
        sealed = [self._head_file.read()]
        if against:
            sealed.append(ChainHead.parse(against))
        with self.database.reading() as connection:
            # From before zero, so that a record before the first one shows.
            head = self._chain.check(_rows(connection, behind=-(2**63)), sealed)
        return JournalVerification(head.count, head.mac.hex())

    def export_head(self) -> str:
        """Verify the journal and return its head as a line to keep elsewhere; it tells nothing about the content.

        Raises:
            JournalError: The journal does not verify.
        """
        verified = self.verify()
        return str(ChainHead(verified.count, bytes.fromhex(verified.head)))

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self.database.close()

    def retire(self) -> None:
        """Close the file for good; later uses raise StoreUnavailableError."""
        self.database.retire()

    def _intact_end(self, connection: sqlite3.Connection) -> ChainHead:
        """Return the chain's end, after checking the record whose head was sealed and those behind it.

        There are some behind it where a process died before it sealed the head.
        """
        sealed = self._head_file.read()
        check_length(connection.execute(_COUNT).fetchone()[0], sealed)
        row = connection.execute(_MAC, (sealed.count,)).fetchone()
        if (row[0] if row else self._chain.start.mac) != sealed.mac:
            raise altered(f"record {sealed.count} is not the one whose head was sealed")
        return self._chain.check(_rows(connection, behind=sealed.count), after=sealed)

    def _stored(self, head: ChainHead, kind: str, subject: str, once: bytes | None, plaintext: bytes) -> StoredRecord:
        sequence = head.count + 1
        sealed = self._envelope.seal(plaintext, collection=_COLLECTION, point_id=str(sequence))
        record = StoredRecord(sequence, self._blind("kind", kind), self._blind("subject", subject), once, sealed)
        return record._replace(mac=self._chain.mac(head.mac, record))

    def _seal(self, head: ChainHead, *, power_safe: bool) -> None:
        # Compared and written as the only writer, so that a slower process never puts an older head back.
        with self.database.writing():
            sealed = self._head_file.read()
            if sealed.count < head.count:
                self._head_file.write(head, power_safe=power_safe)
            elif power_safe:
                self._head_file.write(sealed, power_safe=True)

    def _condition(self, kinds: Sequence[str], subject: str) -> tuple[str, list[bytes]]:
        values = [self._blind("kind", kind) for kind in kinds]
        terms = [f"kind IN ({', '.join('?' * len(kinds))})"] if kinds else []
        if subject:
            terms.append("subject = ?")
            values.append(self._blind("subject", subject))
        return (f"WHERE {' AND '.join(terms)}" if terms else ""), values

    def _blind(self, column: str, value: str) -> bytes:
        return self._blind_index.blind(f"journal.{column}", value).encode()


def _rows(connection: sqlite3.Connection, behind: int) -> Iterator[StoredRecord]:
    return map(StoredRecord._make, connection.execute(_BEHIND, (behind,)))


def _serialised(at: datetime, kind: str, subject: str, body: Mapping[str, Any]) -> bytes:
    content = {"at": at.isoformat(), "kind": kind, "subject": subject, "body": dict(body)}
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise JournalError(f"a {kind} record cannot be written", "its body is not plain JSON data") from error


def _record(sequence: int, plaintext: bytes) -> JournalRecord:
    content = json.loads(plaintext)
    at = datetime.fromisoformat(content["at"])
    return JournalRecord(sequence, at, content["kind"], content["subject"], content["body"])
