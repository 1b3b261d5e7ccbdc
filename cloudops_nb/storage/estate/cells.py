"""Ends scan cells: only this module removes rows of the estate because a scan did not see them."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudops_nb.model import CellState
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Below, Patch, PointFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.model import CellKey, CellResult
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.estate.points import EstatePoints
    from cloudops_nb.storage.scan_state import ScanState

#: Number of rows from which a cell that lists nothing is suspicious, and keeps its rows the first time.
SUSPICIOUS_ROWS = 3
#: Number of scans whose start is remembered.
_REMEMBERED_SCANS = 256


class EstateCells:
    """Ends cells. Only a complete cell removes rows, and only rows that no scan has written since its listing began.

    So two kernels that scan the same cell at once keep each other's rows, and a failed read removes nothing. The rows
    themselves are marked as suspected, so a scan that sees them again clears the mark.
    """

    def __init__(self, store: VectorStore, points: EstatePoints, results: ScanState) -> None:
        self._store = store
        self._points = points
        self._results = results
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, float] = OrderedDict()

    def begin(self, scan_id: str) -> float:
        """Return the time of a scan's first write through this store; the first call records it."""
        with self._lock:
            begun = self._begun.setdefault(scan_id, time.time())
            while len(self._begun) > _REMEMBERED_SCANS:
                self._begun.popitem(last=False)
            return begun

    def finish(self, results: Sequence[CellResult], scan_id: str) -> list[CellResult]:
        """Remove the rows that complete cells no longer list, save the results, and return them as saved.

        A cell that would lose all its rows, :data:`SUSPICIOUS_ROWS` or more, becomes ``suspicious_empty`` and keeps
        them, unless an earlier scan found it empty too.
        """
        complete = [result for result in results if result.state.complete]
        losing = {result.key: self._remove_unseen(result, scan_id) for result in self._losing_cells(complete, scan_id)}
        saved = [losing.get(result.key, result) for result in results]
        self._results.put_all(saved, scan_id)
        return saved

    def _losing_cells(self, results: Sequence[CellResult], scan_id: str) -> list[CellResult]:
        """Return the results of cells that may hold unseen rows; usually one count shows that there are none."""
        if not results:
            return []
        latest = max(self._begun_by(result, scan_id) for result in results)
        unseen = self._points.unseen([result.key for result in results], scan_id, latest)
        if not self._store.count(AWS_ESTATE.name, unseen):
            return []
        if len(results) == 1:
            return list(results)
        half = len(results) // 2
        return self._losing_cells(results[:half], scan_id) + self._losing_cells(results[half:], scan_id)

    def _remove_unseen(self, result: CellResult, scan_id: str) -> CellResult:
        begun = self._begun_by(result, scan_id)
        unseen = self._points.unseen([result.key], scan_id, begun)
        rows = self._store.count(AWS_ESTATE.name, unseen)
        if self._is_suspicious(result.key, unseen, rows, begun):
            self._mark_suspected(unseen)
            detail = f"listed nothing, but has {rows} rows; kept until the next scan"
            return replace(result, state=CellState.SUSPICIOUS_EMPTY, detail=detail)
        if rows:
            self._store.delete(AWS_ESTATE.name, unseen)
        return result

    def _begun_by(self, result: CellResult, scan_id: str) -> float:
        # Rows that another kernel has written since then may be newer than this listing, even if it is empty.
        return min(self.begin(scan_id), result.started.timestamp())

    def _is_suspicious(self, key: CellKey, unseen: PointFilter, rows: int, begun: float) -> bool:
        if rows < SUSPICIOUS_ROWS or self._store.count(AWS_ESTATE.name, self._points.in_cells([key])) > rows:
            return False
        # Only an earlier scan confirms the emptiness; a concurrent one may have met the same fault.
        suspected = unseen & PointFilter([Below("suspected", begun)])
        return self._store.count(AWS_ESTATE.name, suspected) < rows

    def _mark_suspected(self, unseen: PointFilter) -> None:
        ids = [row.id for row in self._store.rows(AWS_ESTATE.name, unseen, ())]
        self._store.patch(AWS_ESTATE.name, [Patch(ids, {"suspected": time.time()})])
