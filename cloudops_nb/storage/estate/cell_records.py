"""The part of a cell's record that says which rows the cell has, and which scans are writing them.

A cell is a unit of a scan: one account, one region and one resource type. Its record in the scan state has, apart from
the result of its latest scan:

- ``rows``: the digest of its rows, or ``null`` if it is unknown, for example because a scan was interrupted,
- ``writers``: the ids of the scans that began to write rows and have not finished the cell,
- ``turn``: a number that changes each time when a scan begins or finishes the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from cloudops_nb.model import CellResult, CellState
from cloudops_nb.storage.estate.rows_digest import RowsDigest
from cloudops_nb.storage.scan_state import result_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudops_nb.model import CellKey
    from cloudops_nb.storage.scan_locks import ScanLocks
    from cloudops_nb.storage.scan_state import ScanState


@dataclass(frozen=True, slots=True)
class CellRecord:
    """A cell's record: its state, the digest of its rows (``None`` if unknown), its writers, and its turn."""

    state: CellState
    rows: RowsDigest | None
    writers: frozenset[str]
    turn: int

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return the record for a cell's content in the scan state."""
        stored = content.get("rows")
        rows = RowsDigest.from_stored(stored) if stored is not None else None
        return cls(CellState(content["state"]), rows, frozenset(content.get("writers", ())), content.get("turn", 0))


@dataclass(frozen=True, slots=True)
class Turn:
    """A cell's turn after a scan began it, and whether no other running scan was writing the cell then."""

    number: int
    alone: bool


@dataclass(frozen=True, slots=True)
class CountedRows:
    """The digest of a cell's rows as counted, valid only while the cell's turn is ``turn``."""

    digest: RowsDigest
    turn: int


class Unchanged:
    """Says that the digest on record is kept: no rows were written, or a difference from before must stay visible."""


UNCHANGED: Final = Unchanged()


class CellRecords:
    """Reads and writes the records; safe for several threads and processes, as the scan state is."""

    def __init__(self, state: ScanState, locks: ScanLocks) -> None:
        self._state = state
        self._locks = locks

    def all(self) -> dict[CellKey, CellRecord]:
        """Return the record of every cell; cells with unreadable records are left out."""
        return {key: CellRecord.of(content) for key, content in self._state.records().items()}

    def of(self, keys: Iterable[CellKey]) -> dict[CellKey, CellRecord]:
        """Return the records of these cells; cells without a readable record are left out."""
        return {key: CellRecord.of(content) for key, content in self._state.contents_of(keys).items()}

    def running_writers(self, record: CellRecord, besides: str = "") -> set[str]:
        """Return the record's writers that still run, without ``besides``."""
        return {writer for writer in record.writers - {besides} if self._locks.alive(writer)}

    def begin(self, keys: Iterable[CellKey], scan_id: str, *, running: bool) -> dict[CellKey, Turn]:
        """Note that a scan will write rows of cells, before it writes the first one; returns the cells' turns.

        Args:
            keys: The cells.
            scan_id: The scan's id.
            running: Whether the cells' state becomes ``running``. If not, cells without a record are left out.
        """
        turns: dict[CellKey, Turn] = {}
        now = datetime.now(UTC)

        def begun(key: CellKey, content: Mapping[str, Any]) -> dict[str, Any] | None:
            if not content and not running:
                return None
            result = result_content(CellResult(key, CellState.RUNNING, now, 0.0), scan_id) if running else {}
            record = CellRecord.of({**content, **result})
            others = self.running_writers(record, scan_id)
            turns[key] = Turn(record.turn + 1, alone=not others)
            abandoned = record.writers - others - {scan_id}
            rows = record.rows.stored() if record.rows and not abandoned else None
            return {**content, **result, "rows": rows, "writers": sorted({*others, scan_id}), "turn": record.turn + 1}

        self._state.update(keys, begun)
        return turns

    def finish(
        self, results: Sequence[CellResult], scan_id: str, rows: Mapping[CellKey, CountedRows | Unchanged | None]
    ) -> set[CellKey]:
        """Save results of cells; the scan writes no more rows of them.

        Args:
            results: The results.
            scan_id: The scan's id.
            rows: For each cell, its rows as counted, ``UNCHANGED``, or ``None`` if they are unknown.

        Returns:
            The cells whose rows were counted too early: another scan has finished the cell since, and none is running.
        """
        by_key = {result.key: result_content(result, scan_id) for result in results}
        return self._save({key: (by_key[key], rows[key]) for key in by_key}, scan_id)

    def leave(self, rows: Mapping[CellKey, CountedRows | Unchanged | None], scan_id: str) -> set[CellKey]:
        """Note that a writer writes no more rows of cells, which keep their results; returns what :meth:`finish` does.

        Cells without a record are left out.
        """
        return self._save({key: ({}, counted) for key, counted in rows.items()}, scan_id)

    def _save(
        self,
        cells: Mapping[CellKey, tuple[Mapping[str, Any], CountedRows | Unchanged | None]],
        scan_id: str,
    ) -> set[CellKey]:
        stale: set[CellKey] = set()

        def saved(key: CellKey, content: Mapping[str, Any]) -> dict[str, Any] | None:
            result, rows = cells[key]
            if not content and not result:
                return None
            record = CellRecord.of({**content, **result})
            others = self.running_writers(record, scan_id)
            known = record.rows if isinstance(rows, Unchanged) and not record.writers - {scan_id} else None
            # While another scan writes rows of the cell, their number says little; the last scan to finish counts them.
            if isinstance(rows, CountedRows) and not others:
                if rows.turn == record.turn:
                    known = rows.digest
                else:
                    stale.add(key)
            stored = known.stored() if known else None
            return {**content, **result, "rows": stored, "writers": sorted(others), "turn": record.turn + 1}

        self._state.update(cells, saved)
        return stale
