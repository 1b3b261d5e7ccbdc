"""The journal: encrypted records in a keyed MAC chain, appended by any number of processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import AlreadyRecordedError, JournalError
from cloudops_nb.model import JournalRecord
from cloudops_nb.storage.files.database import Database
from cloudops_nb.storage.files.store_file import HEAD_NAME, JOURNAL_NAME
from cloudops_nb.storage.journal.chain import Chain, ChainHead, StoredRecord, altered_journal, check_length
from cloudops_nb.storage.journal.head import HeadFile
from cloudops_nb.storage.journal.once_keys import OnceKeys

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cloudops_nb.storage.vault import Vault

#: Fields of a record's content: the MACs that it, or the chain's start, had under earlier keys.
EARLIER, EARLIER_STARTS = "earlier", "earlier_starts"
_COLLECTION = "journal"
# The casts make bytes of whatever an altered file holds, so that it fails to verify rather than to be read.
_BEHIND = """
SELECT sequence, CAST(kind AS BLOB), CAST(subject AS BLOB), CAST(once AS BLOB),
    CAST(envelope AS BLOB), CAST(mac AS BLOB)
FROM records WHERE sequence > ? ORDER BY sequence
"""
_NEWEST = "SELECT sequence, CAST(envelope AS BLOB) FROM records {} ORDER BY sequence DESC"
_COUNT = "SELECT coalesce(max(sequence), 0) FROM records"
_ENVELOPE = "SELECT CAST(envelope AS BLOB) FROM records WHERE sequence = ?"
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
        self._head_file = HeadFile(vault.data_path / HEAD_NAME, vault.envelope)
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
        # The key stands in the content, too: under another index key it must be blinded again.
        content = {"at": at.isoformat(), "kind": kind, "subject": subject, "body": dict(body), "once": once}
        plaintext = _serialised(content)
        # The commit is synced always: the head below must never be ahead of a journal that lost power.
        with self.database.writing(synced=True) as connection:
            head = self._intact_end(connection)
            if once and self._once_keys.contains(self.blind("once", once), partial(_rows, connection), head):
                raise AlreadyRecordedError(f"a {kind} record exists already", "it can be made one time only")
            head = self._insert(connection, head, content, plaintext)
        self._seal(head, power_safe=power_safe)
        return _record(head.count, plaintext)

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
                record = _record(sequence, self._opened(sequence, sealed))
                if (kinds and record.kind not in kinds) or (subject and record.subject != subject):
                    raise altered_journal(f"record {sequence} is filed under another kind or subject than its own")
                if since is None or record.at >= since:
                    found.append(record)
        return found[::-1]

    def verify(self, *, against: str = "") -> JournalVerification:
        """Check every record, the order, the end and the sealed head.

        Args:
            against: A head that :meth:`export_head` returned earlier, under an earlier key too; the journal must still
                contain it.

        Raises:
            JournalError: A record was changed, added, removed or moved, or records were cut off the end.
            StoreCorruptedError: The file cannot be read at all.
        """
        # The head is read first: records that others append meanwhile then come after it.
        sealed = [self._head_file.read()]
        exported = ChainHead.parse(against) if against else None
        with self.database.reading() as connection:
            if exported is not None and not self._attested(connection, exported):
                sealed.append(exported)
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

    def contents(self) -> Iterator[tuple[StoredRecord, dict[str, Any]]]:
        """Yield every record as stored and its decrypted content, oldest first, for a journal under other keys.

        Raises:
            DecryptionError: A record was altered or moved.
        """
        with self.database.reading() as connection:
            for record in _rows(connection, behind=0):
                yield record, json.loads(self._opened(record.sequence, record.envelope))

    def fill(self, contents: Iterable[Mapping[str, Any]]) -> None:
        """Write contents, all or none, into this empty journal, and seal its head.

        Raises:
            JournalError: The journal is not empty.
        """
        with self.database.writing(synced=True) as connection:
            head = self._intact_end(connection)
            if head.count:
                raise JournalError("the journal cannot be filled", f"it has {head.count} records")
            for content in contents:
                head = self._insert(connection, head, content, _serialised(content))
        self._seal(head, power_safe=True)

    def blind(self, column: str, value: str) -> bytes:
        """Return the blind value that stands in a column for a value."""
        return self._blind_index.blind(f"journal.{column}", value).encode()

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
            raise altered_journal(f"record {sealed.count} is not the one whose head was sealed")
        return self._chain.check(_rows(connection, behind=sealed.count), after=sealed)

    def _insert(
        self, connection: sqlite3.Connection, head: ChainHead, content: Mapping[str, Any], plaintext: bytes
    ) -> ChainHead:
        """Add a record behind the head, and return the next head."""
        sequence = head.count + 1
        sealed = self._envelope.seal(plaintext, collection=_COLLECTION, point_id=str(sequence))
        once = self.blind("once", content["once"]) if content["once"] else None
        kind, subject = self.blind("kind", content["kind"]), self.blind("subject", content["subject"])
        record = StoredRecord(sequence, kind, subject, once, sealed)
        mac = self._chain.mac(head.mac, record)
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", record._replace(mac=mac))
        return ChainHead(sequence, mac)

    def _opened(self, sequence: int, sealed: bytes) -> bytes:
        # The chain's MACs cover the envelopes, so a rotation of the data key leaves records under the older one.
        return self._envelope.open(sealed, collection=_COLLECTION, point_id=str(sequence), retired=True)

    def _attested(self, connection: sqlite3.Connection, head: ChainHead) -> bool:
        """Whether a record says that it stood at this head under an earlier key."""
        # The first record also says where the chains of earlier keys began.
        sequence, name = (head.count, EARLIER) if head.count else (1, EARLIER_STARTS)
        row = connection.execute(_ENVELOPE, (sequence,)).fetchone()
        content = json.loads(self._opened(sequence, row[0])) if row else {}
        return head.mac.hex() in content.get(name, ())

    def _seal(self, head: ChainHead, *, power_safe: bool) -> None:
        # Compared and written as the only writer, so that a slower process never puts an older head back.
        with self.database.writing():
            sealed = self._head_file.read()
            if sealed.count < head.count:
                self._head_file.write(head, power_safe=power_safe)
            elif power_safe:
                self._head_file.write(sealed, power_safe=True)

    def _condition(self, kinds: Sequence[str], subject: str) -> tuple[str, list[bytes]]:
        values = [self.blind("kind", kind) for kind in kinds]
        terms = [f"kind IN ({', '.join('?' * len(kinds))})"] if kinds else []
        if subject:
            terms.append("subject = ?")
            values.append(self.blind("subject", subject))
        return (f"WHERE {' AND '.join(terms)}" if terms else ""), values


def _rows(connection: sqlite3.Connection, behind: int) -> Iterator[StoredRecord]:
    return map(StoredRecord._make, connection.execute(_BEHIND, (behind,)))


def _serialised(content: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        why = "its body is not plain JSON data"
        raise JournalError(f"a {content['kind']} record cannot be written", why) from error


def _record(sequence: int, plaintext: bytes) -> JournalRecord:
    content = json.loads(plaintext)
    at = datetime.fromisoformat(content["at"])
    return JournalRecord(sequence, at, content["kind"], content["subject"], content["body"])
