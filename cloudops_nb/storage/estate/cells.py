"""The end of a scan cell: the only place where a row of the estate is removed because a scan did not see it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from cloudops_nb.model import CellState
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Below, Patch, PointFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudops_nb.model import CellKey, CellResult
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.estate.points import EstatePoints

#: A cell that held at least this many rows and now lists none is not believed the first time.
SUSPICIOUS_ROWS = 3
#: Of how many scans the beginning is remembered.
_SCANS = 256


class CellResults(Protocol):
    """Where the results of cells are kept."""

    def states(self, keys: Iterable[CellKey]) -> Mapping[CellKey, CellState]:
        """Return how cells ended last, of those that were ever scanned."""

    def put_all(self, results: Sequence[CellResult], scan_id: str = ...) -> None:
        """Keep the results of cells, all or none."""


class EstateCells:
    """Ends cells. Only a complete cell removes rows, and only rows that no scan has brought since its listing began.

    So two kernels that scan the same cell at once do not remove each other's rows, and a read that failed, in whatever
    way, removes nothing. Suspicion is kept on the rows themselves, so whoever sees them again clears it.
    """

    def __init__(self, store: VectorStore, points: EstatePoints, results: CellResults) -> None:
        self._store = store
        self._points = points
        self._results = results
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, float] = OrderedDict()

    def begin(self, scan_id: str) -> float:
        """Note, once, when a scan first wrote through this store; returns that time."""
        with self._lock:
            begun = self._begun.setdefault(scan_id, time.time())
            while len(self._begun) > _SCANS:
                self._begun.popitem(last=False)
            return begun

    def finish(self, results: Sequence[CellResult], scan_id: str) -> list[CellResult]:
        """Remove what complete cells no longer list, keep the results, and return them as they were kept.

        A cell that would lose all of its rows, :data:`SUSPICIOUS_ROWS` or more, becomes ``suspicious_empty`` and keeps
        them, unless an earlier scan found the same.
        """
        complete = [result for result in results if result.state.complete]
        losing = {result.key: self._finished(result, scan_id) for result in self._losing(complete, scan_id)}
        kept = [losing.get(result.key, result) for result in results]
        self._results.put_all(kept, scan_id)
        return kept

    def _losing(self, results: Sequence[CellResult], scan_id: str) -> list[CellResult]:
        """Return those whose cells may have rows that were not seen; nearly always none, which one count tells."""
        if not results:
            return []
        latest = max(self._begun_by(result, scan_id) for result in results)
        unseen = self._points.unseen([result.key for result in results], scan_id, latest)
        if not self._store.count(AWS_ESTATE.name, unseen):
            return []
        if len(results) == 1:
            return list(results)
        half = len(results) // 2
        return self._losing(results[:half], scan_id) + self._losing(results[half:], scan_id)

    def _finished(self, result: CellResult, scan_id: str) -> CellResult:
        begun = self._begun_by(result, scan_id)
        unseen = self._points.unseen([result.key], scan_id, begun)
        rows = self._store.count(AWS_ESTATE.name, unseen)
        if self._suspicious(result.key, unseen, rows, begun):
            self._suspect(unseen)
            detail = f"nothing was listed where there were {rows}; kept until the next scan"
            return replace(result, state=CellState.SUSPICIOUS_EMPTY, detail=detail)
        if rows:
            self._store.delete(AWS_ESTATE.name, unseen)
        return result

    def _begun_by(self, result: CellResult, scan_id: str) -> float:
        # What another kernel wrote since may be newer than what this listing, an empty one too, could show.
        return min(self.begin(scan_id), result.started.timestamp())

    def _suspicious(self, key: CellKey, unseen: PointFilter, rows: int, begun: float) -> bool:
        if rows < SUSPICIOUS_ROWS or self._store.count(AWS_ESTATE.name, self._points.in_cells([key])) > rows:
            return False
        # Only a scan before this one confirms it, not one beside it that met the same fault.
        suspected = unseen & PointFilter([Below("suspected", begun)])
        return self._store.count(AWS_ESTATE.name, suspected) < rows

    def _suspect(self, unseen: PointFilter) -> None:
        ids = [row.id for row in self._store.rows(AWS_ESTATE.name, unseen, ())]
        self._store.patch(AWS_ESTATE.name, [Patch(ids, {"suspected": time.time()})])
