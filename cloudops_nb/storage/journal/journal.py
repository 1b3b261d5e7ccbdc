"""The journal: encrypted records in a chain of MACs (message authentication codes), appended by many processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import AlreadyRecordedError, JournalError
from cloudops_nb.model import JournalRecord
from cloudops_nb.storage.encryption.sealed_data import readable
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

#: Fields that a change of the master key adds to a record's content: the MACs that the record had under earlier master
#: keys, and (only in the first record) the MACs that the chain's start had under them.
EARLIER, EARLIER_STARTS = "earlier", "earlier_starts"
#: The field of a record's content with the latest time of this record and all before it, back to the last record of the
#: kind :data:`CLOCK_ACCEPTED`. Records of earlier versions of the package lack the field.
_LATEST = "latest"
#: The kind of a record by which a person accepts a clock that was set back.
CLOCK_ACCEPTED = "clock_accepted"
#: The name to which the envelopes of records are bound, in place of a collection.
COLLECTION = "journal"
# An altered file may hold values of any type. The casts turn them into bytes, so that reading does not crash, and
# verification reports the change.
_AFTER = """
SELECT sequence, CAST(kind AS BLOB), CAST(subject AS BLOB), CAST(once AS BLOB),
    CAST(envelope AS BLOB), CAST(mac AS BLOB)
FROM records WHERE sequence > ? ORDER BY sequence
"""
_NEWEST_FIRST = "SELECT sequence, CAST(envelope AS BLOB) FROM records {} ORDER BY sequence DESC"
_LAST_SEQUENCE = "SELECT coalesce(max(sequence), 0) FROM records"
_ENVELOPE = "SELECT CAST(envelope AS BLOB) FROM records WHERE sequence = ?"
_MAC = "SELECT CAST(mac AS BLOB) FROM records WHERE sequence = ?"


@dataclass(frozen=True)
class JournalVerification:
    """The result of a successful check: the number of records, and the last record's MAC in hexadecimal digits."""

    count: int
    head: str


class Journal:
    """An append-only log of scans, plans, approvals, executions, sent requests and key changes.

    Several threads and processes may use one journal. A record that :meth:`append` returned survives the death of every
    process and a power cut. The sealed head, an encrypted copy of the chain's end in ``journal.head``, reveals the
    removal of records from the end of ``journal.db``. If both files are replaced by older copies, only a head that was
    exported before reveals the replacement.

    Args:
        data_path: The folder of ``journal.db``.
        vault: The store's keys; ``journal.head`` is in the vault's data path.
        clock: Returns the current time in UTC.
    """

    def __init__(self, data_path: Path, vault: Vault, *, clock: Callable[[], datetime] | None = None) -> None:
        #: The SQLite file, which the scan state and the schedule share.
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
            kind: The record's kind; :meth:`records` filters by it.
            subject: The id of the record's subject, such as a plan; :meth:`records` filters by it.
            body: The record's data; must be serialisable as JSON.
            once: A once-key, or empty. The journal accepts only one record with the same once-key, ever, from all
                processes.
            power_safe: If true, the sealed head survives a power cut, as the record always does. If false, the sealed
                head may lag behind the record after a power cut.

        Raises:
            AlreadyRecordedError: A record with the once-key ``once`` exists; nothing is added.
            JournalError: The body is not JSON data, or the journal was truncated, replaced, or altered after the record
                of its sealed head; nothing is added. With ``once``, earlier records are checked, too, unless this
                object has already verified them.
        """
        return self._append(kind, subject, body, once=once, power_safe=power_safe)

    def accept_clock(self, body: Mapping[str, Any]) -> JournalRecord:
        """Record that the current time is right, although :meth:`latest_time` is later; resets that time.

        Args:
            body: Who accepted the clock and why; must be serialisable as JSON.

        Raises:
            JournalError: As :meth:`append`.
        """
        return self._append(CLOCK_ACCEPTED, "", body, once="", power_safe=True)

    def latest_time(self) -> datetime | None:
        """Return the latest time of all records since the last accepted clock; ``None`` for an empty journal.

        The time of the newest record may be earlier, if the clock was set back before it was written. Damaged records
        are skipped.
        """
        with self.database.reading() as connection:
            return self._latest_time(connection)

    def _append(
        self, kind: str, subject: str, body: Mapping[str, Any], *, once: str, power_safe: bool
    ) -> JournalRecord:
        at = self._clock()
        # Keep the plain once-key in the content: a change of the master key must hash it again under the new key.
        content = {"at": at.isoformat(), "kind": kind, "subject": subject, "body": dict(body), "once": once}
        _serialised(content)  # refuses a body that is not JSON before the journal is locked
        # Always sync the commit: after a power cut, the head that is written below must not be ahead of the journal.
        with self.database.writing(synced=True) as connection:
            head = self._intact_end(connection)
            if once and self._once_keys.contains(self.blind("once", once), partial(_stored_records, connection), head):
                raise AlreadyRecordedError(f"a {kind} record already exists", "it can be recorded only once")
            earlier = None if kind == CLOCK_ACCEPTED else self._latest_time(connection)
            plaintext = _serialised({**content, _LATEST: max(at, earlier or at).isoformat()})
            head = self._insert(connection, head, content, plaintext)
        self._seal(head, power_safe=power_safe)
        return _journal_record(head.count, plaintext)

    def records(
        self,
        *,
        kind: str | Sequence[str] = (),
        subject: str = "",
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[JournalRecord]:
        """Decrypt records, oldest first; an empty filter matches every record, and ``limit`` keeps only the newest.

        Each returned record is authentic, but only :meth:`verify` reveals a missing record.

        Raises:
            DecryptionError: A record was altered or moved.
            JournalError: A record's kind or subject column does not match its content.
        """
        kinds = [name for name in ([kind] if isinstance(kind, str) else kind) if name]
        condition, values = self._where_clause(kinds, subject)
        found: list[JournalRecord] = []
        with self.database.reading() as connection:
            for sequence, sealed in connection.execute(_NEWEST_FIRST.format(condition), values):
                if limit is not None and len(found) >= limit:
                    break
                record = _journal_record(sequence, self._decrypted(sequence, sealed))
                if (kinds and record.kind not in kinds) or (subject and record.subject != subject):
                    raise altered_journal(f"the kind or subject column of record {sequence} does not match its content")
                if since is None or record.at >= since:
                    found.append(record)
        return found[::-1]

    def verify(self, *, against: str = "") -> JournalVerification:
        """Check that no record was changed, added, removed or moved, and that the chain contains the sealed head.

        The chain does not cover the indexes, by which :meth:`records` finds records, so they are compared with the
        records, and rebuilt if they do not match.

        Args:
            against: A head that :meth:`export_head` returned earlier, possibly before a change of the master key; the
                journal must contain that head.

        Raises:
            JournalError: A record was changed, added, removed or moved.
            StoreCorruptedError: The file is damaged.
        """
        # Read the sealed head first: other processes may append records and seal a newer head during the check.
        saved = [self._head_file.read()]
        exported = ChainHead.parse(against) if against else None
        with self.database.reading() as connection:
            if exported is not None and not self._had_earlier_head(connection, exported):
                saved.append(exported)
            # Start below zero, so that a record that was inserted before the first one is found.
            head = self._chain.check(_stored_records(connection, after=-(2**63)), saved)
        self.database.repair_indexes("records")
        return JournalVerification(head.count, head.mac.hex())

    def export_head(self) -> str:
        """Verify the journal, and return its head as a line to keep elsewhere, without any content (requirement X11).

        Raises:
            JournalError: The journal does not verify.
        """
        verified = self.verify()
        return str(ChainHead(verified.count, bytes.fromhex(verified.head)))

    def contents(self) -> Iterator[tuple[StoredRecord, dict[str, Any]]]:
        """Yield every stored record with its decrypted content, oldest first.

        Raises:
            DecryptionError: A record was altered or moved.
        """
        with self.database.reading() as connection:
            for record in _stored_records(connection, after=0):
                yield record, json.loads(self._decrypted(record.sequence, record.envelope))

    def fill(self, contents: Iterable[Mapping[str, Any]]) -> None:
        """Write another journal's record contents into this empty journal in one transaction, then the sealed head.

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
        """Return the keyed hash that is stored in a column in place of ``value``."""
        return self._blind_index.blind(f"journal.{column}", value).encode()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self.database.close()

    def retire(self) -> None:
        """Close the file for good; later uses raise StoreUnavailableError."""
        self.database.retire()

    def _intact_end(self, connection: sqlite3.Connection) -> ChainHead:
        """Return the chain's end, after checking the record that the sealed head names and all records after it.

        Records follow the sealed head if a process died after appending a record and before writing the sealed head.
        """
        sealed = self._head_file.read()
        check_length(connection.execute(_LAST_SEQUENCE).fetchone()[0], sealed)
        row = connection.execute(_MAC, (sealed.count,)).fetchone()
        if (row[0] if row else self._chain.start.mac) != sealed.mac:
            raise altered_journal(f"record {sealed.count} does not match its saved head")
        return self._chain.check(_stored_records(connection, after=sealed.count), after=sealed)

    def _insert(
        self, connection: sqlite3.Connection, head: ChainHead, content: Mapping[str, Any], plaintext: bytes
    ) -> ChainHead:
        """Insert a record after the head, and return the new head."""
        sequence = head.count + 1
        sealed = self._envelope.seal(plaintext, collection=COLLECTION, point_id=str(sequence))
        once_key = self.blind("once", content["once"]) if content["once"] else None
        kind, subject = self.blind("kind", content["kind"]), self.blind("subject", content["subject"])
        record = StoredRecord(sequence, kind, subject, once_key, sealed)
        mac = self._chain.mac(head.mac, record)
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", record._replace(mac=mac))
        return ChainHead(sequence, mac)

    def _latest_time(self, connection: sqlite3.Connection) -> datetime | None:
        (last,) = connection.execute(_LAST_SEQUENCE).fetchone()
        if not last:
            return None
        # The last record may be damaged. Then verify() fails, and no plan can be approved; but scans go on.
        newest_first = connection.execute(_NEWEST_FIRST.format(""))
        contents = readable(newest_first, lambda row: json.loads(self._decrypted(row[0], row[1])))
        newest = next(contents, None)
        if newest is None:
            return None
        if _LATEST in newest:
            return datetime.fromisoformat(newest[_LATEST])
        # An earlier version of the package wrote the newest record, and so all records.
        return max(datetime.fromisoformat(content["at"]) for content in (newest, *contents))

    def _decrypted(self, sequence: int, sealed: bytes) -> bytes:
        # Accept a retired data key: records are never re-encrypted, because the chain's MACs cover their envelopes.
        return self._envelope.open(sealed, collection=COLLECTION, point_id=str(sequence), retired=True)

    def _had_earlier_head(self, connection: sqlite3.Connection, head: ChainHead) -> bool:
        """Return whether a head was valid under an earlier master key: the record's content lists its earlier MACs."""
        # The head of an empty chain is the chain's start; its earlier MACs are in the first record.
        sequence, name = (head.count, EARLIER) if head.count else (1, EARLIER_STARTS)
        row = connection.execute(_ENVELOPE, (sequence,)).fetchone()
        content = json.loads(self._decrypted(sequence, row[0])) if row else {}
        return head.mac.hex() in content.get(name, ())

    def _seal(self, head: ChainHead, *, power_safe: bool) -> None:
        # The write transaction keeps other processes out: a slower one must not replace a newer head with an older one.
        with self.database.writing():
            sealed = self._head_file.read()
            if sealed.count < head.count:
                self._head_file.write(head, power_safe=power_safe)
            elif power_safe:  # another process wrote a newer head, perhaps not safe from a power cut
                self._head_file.write(sealed, power_safe=True)

    def _where_clause(self, kinds: Sequence[str], subject: str) -> tuple[str, list[bytes]]:
        values = [self.blind("kind", kind) for kind in kinds]
        terms = [f"kind IN ({', '.join('?' * len(kinds))})"] if kinds else []
        if subject:
            terms.append("subject = ?")
            values.append(self.blind("subject", subject))
        return (f"WHERE {' AND '.join(terms)}" if terms else ""), values


def _stored_records(connection: sqlite3.Connection, after: int) -> Iterator[StoredRecord]:
    return map(StoredRecord._make, connection.execute(_AFTER, (after,)))


def _serialised(content: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        why = "its body is not plain JSON data"
        raise JournalError(f"a {content['kind']} record cannot be written", why) from error


def _journal_record(sequence: int, plaintext: bytes) -> JournalRecord:
    content = json.loads(plaintext)
    at = datetime.fromisoformat(content["at"])
    return JournalRecord(sequence, at, content["kind"], content["subject"], content["body"])
