"""Keeps the digests of the cells' rows right while scans write rows.

A cell is a unit of a scan: one account, one region and one resource type. A row is a stored resource.

A scan that writes a cell alone knows the cell's rows: it has written or confirmed each one, and removed the others. If
another scan wrote the cell at the same time, or rows of another scan are left, the cell's rows are read back, and a row
counts only if its envelope can be decrypted, which proves that the row was not altered.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from cloudops_nb.storage.encryption.sealed_data import is_authentic
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.estate.cell_records import UNCHANGED, CellRecords, CountedRows, Unchanged
from cloudops_nb.storage.estate.rows_digest import RowsDigest, digests_by_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from cloudops_nb.model import CellKey, CellResult
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.estate.cell_records import CellRecord, Turn
    from cloudops_nb.storage.estate.points import EstatePoints
    from cloudops_nb.storage.scan_locks import ScanLocks
    from cloudops_nb.storage.scan_state import ScanState
    from cloudops_nb.storage.vault import Vault


_Result = TypeVar("_Result")
#: How often rows are counted at most, if other scans finish the cell in between.
_ATTEMPTS = 3


@dataclass(slots=True)
class _WrittenCell:
    """The rows of a cell that one scan wrote: the checksum of each row by point id; ``None`` if they are unknown."""

    turn: Turn
    checksums: dict[str, int] | None = field(default_factory=dict)


class CellRows:
    """Notes which rows scans write, and records the digests of the cells' rows; safe to share between threads."""

    def __init__(
        self, store: VectorStore, points: EstatePoints, vault: Vault, state: ScanState, locks: ScanLocks
    ) -> None:
        self._store = store
        self._points = points
        self._blind_index = vault.blind_index
        # A separate object, so that decryption failures here do not count in the alarm of the vault's own envelope.
        self._envelope = vault.envelope.with_own_alarm()
        self._locks = locks
        self.records = CellRecords(state, locks)
        self._lock = threading.Lock()
        self._written: dict[str, dict[CellKey, _WrittenCell]] = {}
        self._finished: dict[str, set[CellKey]] = {}
        self._own_locks: set[str] = set()

    def begin(self, keys: Iterable[CellKey], scan_id: str, *, running: bool = True) -> None:
        """Note that a scan is about to write rows of cells, unless it has noted that before."""
        with self._lock:
            begun = self._written.setdefault(scan_id, {})
            new = [key for key in keys if key not in begun]
            if not new:
                return
            if not self._locks.alive(scan_id):
                self._locks.hold(scan_id)
                self._own_locks.add(scan_id)
            turns = self.records.begin(new, scan_id, running=running)
            again = self._finished.get(scan_id, set())
            for key, turn in turns.items():
                # The rows that this scan wrote before it finished the cell are forgotten.
                begun[key] = _WrittenCell(turn, None if key in again else {})

    def wrote(self, scan_id: str, checksums: Mapping[CellKey, Mapping[str, int]]) -> None:
        """Note the checksums of rows that a scan has written, by point id."""
        with self._lock:
            begun = self._written.get(scan_id, {})
            for key, rows in checksums.items():
                if (cell := begun.get(key)) and cell.checksums is not None:
                    cell.checksums.update(rows)

    def failed(self, scan_id: str, keys: Iterable[CellKey]) -> None:
        """Note that a write failed, so that it is unknown which rows the cells have."""
        with self._lock:
            begun = self._written.get(scan_id, {})
            for key in keys:
                if key in begun:
                    begun[key].checksums = None

    def finish(self, results: Sequence[CellResult], scan_id: str, shared: Collection[CellKey]) -> None:
        """Save the results of a scan's cells, with the digests of their rows.

        Args:
            results: The results.
            scan_id: The scan's id.
            shared: The cells that have rows which the scan did not write.
        """
        with self._lock:
            begun = self._written.get(scan_id, {})
            written = {result.key: begun[result.key] for result in results if result.key in begun}
        complete = [result.key for result in results if result.state.complete]
        rows: dict[CellKey, CountedRows | Unchanged | None] = {}
        rows |= self._incomplete(written, [result.key for result in results if not result.state.complete])
        rows |= {key: _alone(written[key]) for key in complete if key in written and key not in shared}
        rows |= self.count([key for key in complete if rows.get(key) is None])
        self._recount(self.records.finish(results, scan_id, rows), scan_id)
        with self._lock:
            for key in written:
                begun.pop(key, None)
            self._finished.setdefault(scan_id, set()).update(result.key for result in results)

    def edit(self, keys: Sequence[CellKey], scan_id: str, write: Callable[[], _Result]) -> _Result:
        """Write rows of cells outside a scan, and record the digests of the rows afterwards.

        The digest of a cell that did not match before stays, so that the difference is still reported.
        """
        self.begin(keys, scan_id, running=False)
        records = self.records.of(keys)
        before = self.count(keys)
        try:
            return write()
        finally:
            after = self.count(keys)
            rows = {key: _edited(records[key], before[key], after[key]) for key in keys if key in records}
            self._recount(self.records.leave(rows, scan_id), scan_id)
            self.end_scan(scan_id)

    def end_scan(self, scan_id: str) -> None:
        """Forget a scan; cells that it has begun and not finished count as interrupted."""
        with self._lock:
            self._written.pop(scan_id, None)
            self._finished.pop(scan_id, None)
            if scan_id in self._own_locks:
                self._own_locks.discard(scan_id)
                self._locks.release(scan_id)

    def end_scans(self) -> None:
        """Forget every scan."""
        for scan_id in {*self._written, *self._own_locks}:
            self.end_scan(scan_id)

    def _incomplete(
        self, written: Mapping[CellKey, _WrittenCell], keys: Sequence[CellKey]
    ) -> dict[CellKey, CountedRows | Unchanged | None]:
        """Return the rows to record for cells that a scan could not read, or not completely."""
        idle = [key for key in keys if key not in written or written[key].checksums == {}]
        records = self.records.of(idle)
        # A cell that has never been read has no rows, if its listing was denied, for example.
        unknown = [key for key in idle if key not in records or records[key].rows is None]
        empty = {key: rows for key, rows in self.count(unknown).items() if not rows.digest.rows}
        return {**dict.fromkeys(keys), **dict.fromkeys(idle, UNCHANGED), **empty}

    def _recount(self, stale: Collection[CellKey], scan_id: str) -> None:
        """Count the rows of cells again that another scan finished after their rows were counted."""
        for _ in range(_ATTEMPTS):
            if not stale:
                return
            stale = self.records.leave(self.count(list(stale)), scan_id)

    def count(self, keys: Sequence[CellKey]) -> dict[CellKey, CountedRows]:
        """Read the rows of cells, and return the digests of the rows that were not altered."""
        if not keys:
            return {}
        records = self.records.of(keys)
        found: dict[int, RowsDigest] = {}
        where = self._points.in_cells(keys)
        if self._store.count(AWS_ESTATE.name, where):
            rows = self._store.rows(AWS_ESTATE.name, where, AWS_ESTATE.sealed_fields)
            authentic = (row for row in rows if is_authentic(self._envelope, row, AWS_ESTATE))
            found = digests_by_cell(self._blind_index, authentic)
        digests = {key: found.get(self._points.cell_number(key), RowsDigest()) for key in keys}
        return {key: CountedRows(digest, records[key].turn if key in records else 0) for key, digest in digests.items()}


def _alone(cell: _WrittenCell) -> CountedRows | None:
    """Return the rows of a cell that one scan wrote; ``None`` if another scan was writing, or if a write failed."""
    if cell.checksums is None or not cell.turn.alone:
        return None
    return CountedRows(RowsDigest.of(cell.checksums.values()), cell.turn.number)


def _edited(record: CellRecord, before: CountedRows, after: CountedRows) -> CountedRows | Unchanged | None:
    """Return the rows to record for a cell that was edited, given its record and its rows from before the edit."""
    if record.rows is None or record.turn != before.turn:  # another scan wrote rows in between
        return None
    return after if record.rows == before.digest else UNCHANGED
