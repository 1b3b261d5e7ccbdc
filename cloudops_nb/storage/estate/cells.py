"""Finishes scan cells: removes the rows of resources that AWS no longer lists.

A cell is a unit of a scan: one account, one region and one resource type. A row is a stored resource. Only this module
removes rows because a scan did not see their resources.
"""

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
    from cloudops_nb.storage.estate.cell_rows import CellRows
    from cloudops_nb.storage.estate.points import EstatePoints

#: A cell with at least this number of rows keeps them when a scan finds the cell empty for the first time.
SUSPICIOUS_ROWS = 3
#: Largest number of scans whose start time is kept; the oldest are dropped first.
_MAX_KEPT_SCANS = 256
#: A row that was written more than this number of seconds in the future has a wrong time. Hosts that use one Qdrant
#: server may have clocks that differ by less.
_CLOCK_TOLERANCE = 300.0


class EstateCells:
    """Finishes cells; safe to share between threads.

    Rows are removed only if the cell's state is complete (``ok`` or ``ok_empty``), and only if no scan has written them
    since the listing of the cell began. So two notebook kernels that scan the same cell at once keep each other's rows,
    and a failed listing removes nothing.

    If a cell is suspiciously empty, its rows are marked in the payload field ``suspected``. A scan that sees a resource
    again clears the mark, because every write of a row rewrites this field.
    """

    def __init__(self, store: VectorStore, points: EstatePoints, rows: CellRows) -> None:
        self._store = store
        self._points = points
        self._rows = rows
        self._lock = threading.Lock()
        self._start_times: OrderedDict[str, float] = OrderedDict()

    def begin(self, scan_id: str) -> float:
        """Return the time of a scan's first write through this object; the first call for a scan sets it to now.

        The first call also mends damaged indexes, because the scan finds the rows to remove by them.
        """
        with self._lock:
            now = time.time()
            if scan_id not in self._start_times:
                self._store.mend_indexes(AWS_ESTATE.name)
            start = self._start_times.setdefault(scan_id, now)
            while len(self._start_times) > _MAX_KEPT_SCANS:
                self._start_times.popitem(last=False)
            return start

    def finish(self, results: Sequence[CellResult], scan_id: str) -> list[CellResult]:
        """Remove the rows that complete cells no longer list, save the cells' results, and return the saved results.

        If a cell has at least :data:`SUSPICIOUS_ROWS` rows and would lose all of them, the rows stay and the cell's
        state becomes ``suspicious_empty``, unless an earlier scan also found the cell empty.
        """
        complete = [result for result in results if result.state.complete]
        shared = self._with_other_rows(complete, scan_id)
        changed = {result.key: self._remove_unseen(result, scan_id) for result in shared}
        saved = [changed.get(result.key, result) for result in results]
        left = self._with_other_rows(list(changed.values()), scan_id)
        self._rows.finish(saved, scan_id, {result.key for result in left})
        return saved

    def _with_other_rows(self, results: Sequence[CellResult], scan_id: str) -> list[CellResult]:
        """Return the results of the cells that have rows which the scan did not write.

        Usually one count over all cells shows that there is no such row. Otherwise each half of the cells is counted
        separately, and so on.
        """
        keys = [result.key for result in results]
        if not keys or not self._store.count(AWS_ESTATE.name, self._points.not_written(keys, scan_id)):
            return []
        if len(results) == 1:
            return list(results)
        half = len(results) // 2
        return self._with_other_rows(results[:half], scan_id) + self._with_other_rows(results[half:], scan_id)

    def _remove_unseen(self, result: CellResult, scan_id: str) -> CellResult:
        start = self._listing_start(result, scan_id)
        unseen = self._points.unseen([result.key], scan_id, start, time.time() + _CLOCK_TOLERANCE)
        rows = self._count(unseen)
        if self._is_suspicious(result.key, unseen, rows, start):
            self._mark_suspected(unseen)
            detail = f"listed nothing, but has {rows} rows; kept until the next scan"
            return replace(result, state=CellState.SUSPICIOUS_EMPTY, detail=detail)
        if rows:
            for where in unseen:
                self._store.delete(AWS_ESTATE.name, where)
        return result

    def _listing_start(self, result: CellResult, scan_id: str) -> float:
        # Use the earlier time: a row that another kernel has written since then may be a resource that did not yet
        # exist when AWS answered this listing.
        return min(self.begin(scan_id), result.started.timestamp())

    def _is_suspicious(self, key: CellKey, unseen: Sequence[PointFilter], rows: int, start: float) -> bool:
        if rows < SUSPICIOUS_ROWS or self._count([self._points.in_cells([key])]) > rows:
            return False
        # A mark counts only if it is older than this listing: a concurrent scan may have the same fault.
        suspected = PointFilter([Below("suspected", start)])
        return self._count([where & suspected for where in unseen]) < rows

    def _mark_suspected(self, unseen: Sequence[PointFilter]) -> None:
        ids = [row.id for where in unseen for row in self._store.rows(AWS_ESTATE.name, where, ())]
        self._store.patch(AWS_ESTATE.name, [Patch(ids, {"suspected": time.time()})])

    def _count(self, filters: Sequence[PointFilter]) -> int:
        return sum(self._store.count(AWS_ESTATE.name, where) for where in filters)
