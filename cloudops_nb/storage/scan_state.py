"""The scan state: the latest result of each scan cell and the learned call rates, encrypted in the journal's database.

A cell is the unit of a scan: one resource type in one region of one account. A learned rate is the number of calls per
second that AWS accepted for one group of a service's operations in one account and region. It is stored like a cell,
with a made-up resource type. A seal shows alterations of the stored records, see :mod:`cloudops_nb.storage.scan_seal`.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import DecryptionError, StorageError
from cloudops_nb.model import CellKey, CellResult, CellState, LearnedRate
from cloudops_nb.storage.encryption.envelope import key_generation
from cloudops_nb.storage.encryption.sealed_data import readable, shallow
from cloudops_nb.storage.scan_seal import ScanSeal, SealedChange, sealed_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cloudops_nb.storage.encryption.envelope import Envelope
    from cloudops_nb.storage.files.database import Database
    from cloudops_nb.storage.vault import Vault

#: The collection name to which the scan state's envelopes (encrypted values) are bound.
COLLECTION = "scan_state"
_CELL = "scan_state.cell"
#: The made-up resource type of a learned rate begins with this prefix: ``rate/<service>/<group of operations>``.
_RATE = "rate/"
_ONE_CELL = "SELECT CAST(envelope AS BLOB) FROM cells WHERE cell = ?"
_EVERY_CELL = "SELECT cell, CAST(envelope AS BLOB) FROM cells"


class ScanState:
    """The latest result of every cell, and the learned rates; safe for several threads and processes.

    The last write of a cell or a rate wins. A write survives the death of every process. A power cut may undo the last
    few writes; the next scan repeats them.

    Args:
        database: The file.
        vault: The store's keys.
        anchor: Returns the turn of the seal that the journal knows, in a transaction of the connection; 0 if none.
    """

    def __init__(
        self, database: Database, vault: Vault, anchor: Callable[[sqlite3.Connection], int] = lambda _: 0
    ) -> None:
        self._database = database
        self._vault = vault
        self._envelope = vault.envelope
        self._blind = vault.blind_index.blind
        self._seal = ScanSeal(vault)
        self._anchor = anchor
        #: The newest turn that this object has read or written: an older copy that is put back later has a lower one.
        self._seen = 0

    def cells(self) -> list[CellResult]:
        """Return every cell's latest result, ordered by account, region and resource type; skip unreadable results."""
        results = [_result(content) for content in self._readable_contents() if not _is_rate(content)]
        return sorted(results, key=lambda result: str(result.key))

    def states(self, keys: Iterable[CellKey]) -> dict[CellKey, CellState]:
        """Return the latest state of each given cell; omit cells without a scan or with an unreadable state."""
        return {key: CellState(content["state"]) for key, content in self.contents_of(keys).items()}

    def contents_of(self, keys: Iterable[CellKey]) -> dict[CellKey, dict[str, Any]]:
        """Return the content of each given cell; omit cells without a record or with an unreadable one."""
        cells = [(key, self._blind_name(key)) for key in keys]
        with self._database.reading() as connection:
            rows = [(key, cell, connection.execute(_ONE_CELL, (cell,)).fetchone()) for key, cell in cells]
        recorded = ((key, cell, row[0]) for key, cell, row in rows if row)
        return dict(readable(recorded, lambda each: (each[0], self._decrypted(*each[1:]))))

    def put(self, result: CellResult, scan_id: str = "") -> None:
        """Write a cell's result, replacing the earlier one; ``scan_id`` is the id of the scan that made it."""
        self.put_all([result], scan_id)

    def put_all(self, results: Iterable[CellResult], scan_id: str = "") -> None:
        """Write the results of several cells in one transaction, as :meth:`put` does; keeps a cell's other entries."""
        by_key = {result.key: result_content(result, scan_id) for result in results}
        self.update(by_key, lambda key, content: {**content, **by_key[key]})

    def update(
        self, keys: Iterable[CellKey], change: Callable[[CellKey, Mapping[str, Any]], Mapping[str, Any] | None]
    ) -> None:
        """Change the content of cells in one transaction, so that no other program can change them in between.

        Args:
            keys: The cells.
            change: Returns a cell's new content, or ``None`` to leave the cell, for its key and its present content.
                The present content is empty for a cell without a record or with an unreadable record.
        """
        with self._changing() as stored:
            for key in keys:
                cell = self._blind_name(key)
                old = stored.envelope(cell)
                content = next(readable([(cell, old)], lambda each: self._decrypted(*each)), {}) if old else {}
                if (changed := change(key, content)) is not None:
                    stored.put(cell, self._encrypted(cell, changed))
            stored.write()

    def records(self) -> dict[CellKey, dict[str, Any]]:
        """Return the content of every cell, without the learned rates; skip unreadable cells."""
        return {CellKey(**content["key"]): content for content in self._readable_contents() if not _is_rate(content)}

    def rates(self) -> list[LearnedRate]:
        """Return the rates that scans learned; skip unreadable ones."""
        return [_rate(content) for content in self._readable_contents() if _is_rate(content)]

    def put_rates(self, rates: Sequence[LearnedRate]) -> None:
        """Write rates in one transaction; each replaces the earlier rate of its account, region, service and group."""
        self.fill(
            {
                "key": asdict(CellKey(rate.account_id, rate.region, f"{_RATE}{rate.service}/{rate.group}")),
                "started": rate.at.isoformat(),
                "per_second": rate.per_second,
            }
            for rate in rates
        )

    def contents(self) -> list[dict[str, Any]]:
        """Return the content of every cell and rate, for :meth:`fill` of a scan state with other encryption keys.

        Raises:
            DecryptionError: A cell or rate was altered, or moved from another cell.
        """
        return [self._decrypted(cell, sealed) for cell, sealed in self._records()]

    def fill(self, contents: Iterable[Mapping[str, Any]]) -> None:
        """Write contents of cells and rates in one transaction; each replaces the content with the same cell key."""
        rows = [sealed_cell(self._vault, content) for content in contents]
        with self._changing() as stored:
            for row in rows:
                stored.put(*row)
            stored.write()

    def found(self, contents: Iterable[Mapping[str, Any]], *, turn: int, altered: bool) -> None:
        """Write the contents of another scan state into this empty one.

        Args:
            contents: The contents.
            turn: The other scan state's :meth:`turn`.
            altered: Whether the other scan state was altered; this one then counts as altered, too.
        """
        records = [sealed_cell(self._vault, content) for content in contents]
        with self._database.writing() as connection:
            rows = sealed_rows(self._vault, records, turn=turn + 1, altered=altered)
            connection.executemany("INSERT INTO cells VALUES (?, ?)", rows)

    def alteration(self) -> str:
        """Return how the stored records differ from those that programs with the key wrote; empty if they do not.

        Reads every record and decrypts none. A store of an earlier version has no seal until its first write.
        """
        with self._database.reading() as connection:
            least = max(self._seen, self._anchor(connection))
            rows = connection.execute(_EVERY_CELL).fetchall()
        return self._seal.difference(rows, least)

    def turn(self) -> int:
        """Return the number of the latest write, or the newest that is known if the scan state is older or damaged."""
        with suppress(DecryptionError, StorageError), self._database.reading() as connection:
            self._seen = max(self._seen, self._anchor(connection))
            row = connection.execute(_ONE_CELL, (self._seal.name,)).fetchone()
            seal = self._seal.decrypted(row[0] if row else None)
            self._seen = max(self._seen, seal.turn if seal else 0)
        return self._seen

    def trust(self, change: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]) -> None:
        """Accept the stored records as they are, so that an alteration from before counts no more.

        Args:
            change: Returns a record's new content, or ``None`` to accept the record as it is, for its present content.
        """
        with self._changing(synced=True) as stored:
            for cell, content in readable(stored.rows(), lambda row: (row[0], self._decrypted(*row))):
                if (changed := change(content)) is not None:
                    stored.put(cell, self._encrypted(cell, changed))
            stored.write(recompute=True)

    def reseal(self) -> int:
        """Re-encrypt the cells and rates that are under older data keys, in one transaction; returns their number."""
        with self._changing(synced=True) as stored:
            rows = stored.rows()
            older = [(cell, sealed) for cell, sealed in rows if key_generation(sealed) < self._envelope.generation]
            for row in older:
                stored.put(row[0], self._encrypted(row[0], self._decrypted(*row)))
            stored.write(keep=True)
        return len(older)

    def unreadable(self, envelope: Envelope) -> list[str]:
        """Return the blind names (keyed hashes) of the cells and rates whose content ``envelope`` cannot decrypt."""
        return [cell for cell, sealed in self._records() if not _decrypts(envelope, cell, sealed)]

    def drop(self, cells: Iterable[str]) -> None:
        """Remove cells and rates by their blind names; the next scan writes them again.

        If one of them was altered, the scan state counts as altered until a full scan, because the cell is unknown.
        """
        with self._changing(synced=True) as stored:
            for cell in cells:
                stored.remove(cell)
            stored.write()

    def forget(self, keys: Iterable[CellKey]) -> None:
        """Remove the records of cells."""
        self.drop([self._blind_name(key) for key in keys])

    def _readable_contents(self) -> Iterator[dict[str, Any]]:
        # A scan replaces an unreadable result, so it must not keep the scan from running.
        return readable(self._records(), lambda row: self._decrypted(*row))

    def _records(self) -> list[tuple[str, bytes]]:
        with self._database.reading() as connection:
            return self._seal.records(connection.execute(_EVERY_CELL))

    @contextmanager
    def _changing(self, *, synced: bool = False) -> Iterator[SealedChange]:
        """Yield the records in a write transaction; the block calls ``write`` at its end."""
        with self._database.writing(synced=synced) as connection:
            stored = SealedChange(connection, self._seal, max(self._seen, self._anchor(connection)))
            yield stored
        # Not before the commit, which may fail.
        self._seen = max(self._seen, stored.turn)

    def _blind_name(self, key: CellKey) -> str:
        return self._blind(_CELL, str(key))

    def _encrypted(self, cell: str, content: Mapping[str, Any]) -> bytes:
        return self._envelope.seal(json.dumps(content).encode(), collection=COLLECTION, point_id=cell)

    def _decrypted(self, cell: str, sealed: bytes) -> dict[str, Any]:
        return opened_cell(self._vault, cell, sealed)


def result_content(result: CellResult, scan_id: str) -> dict[str, Any]:
    """Return the content under which a cell's result is stored."""
    fixed = {"key": shallow(result.key), "started": result.started.isoformat(), "scan_id": scan_id}
    return {**shallow(result), **fixed}


def opened_cell(vault: Vault, cell: str, sealed: bytes) -> dict[str, Any]:
    """Return the content of a cell or rate for its blind name and encrypted content; reverses :func:`sealed_cell`.

    Raises:
        DecryptionError: The encrypted content was altered, or moved from another cell.
    """
    content: dict[str, Any] = json.loads(vault.envelope.open(sealed, collection=COLLECTION, point_id=cell))
    return content


def sealed_cell(vault: Vault, content: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the blind name and the encrypted content of a cell or rate, to store it without a :class:`ScanState`."""
    cell = vault.blind_index.blind(_CELL, str(CellKey(**content["key"])))
    return cell, vault.envelope.seal(json.dumps(content).encode(), collection=COLLECTION, point_id=cell)


def _result(content: Mapping[str, Any]) -> CellResult:
    values = {field.name: content[field.name] for field in fields(CellResult)}
    values["key"] = CellKey(**content["key"])
    values["state"] = CellState(content["state"])
    values["started"] = datetime.fromisoformat(content["started"])
    return CellResult(**values)


def _is_rate(content: Mapping[str, Any]) -> bool:
    return str(content["key"]["resource_type"]).startswith(_RATE)


def _rate(content: Mapping[str, Any]) -> LearnedRate:
    key = CellKey(**content["key"])
    service, _, group = key.resource_type.removeprefix(_RATE).partition("/")
    learned_at = datetime.fromisoformat(content["started"])
    return LearnedRate(key.account_id, key.region, service, group, content["per_second"], learned_at)


def _decrypts(envelope: Envelope, cell: str, sealed: bytes) -> bool:
    try:
        envelope.open(sealed, collection=COLLECTION, point_id=cell)
    except DecryptionError:
        return False
    return True
