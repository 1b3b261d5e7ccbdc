"""Writes what a scan reads to the store, in batches and in a separate thread, so that reading and writing overlap.

A scan reads in cells: a cell is one resource type in one account and region. The resources of a cell arrive in pages,
followed by a result that says whether the cell is complete.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from cloudops_nb.model import CellKey, CellResult, CellState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from cloudops_nb.scanner.reading.task_reader import PageRead
    from cloudops_nb.scanner.running.row_budget import RowBudget
    from cloudops_nb.storage.facade import StorageService

#: The approximate number of rows in a batch: large enough to save round trips to the store, and small enough that an
#: interrupt, which waits for the current batch, ends soon.
_BATCH = 512


class ScanWriter:
    """Writes the pages and results of one scan in the order of the :meth:`put` calls; a context manager for one thread.

    The end of the ``with`` block waits until every queued item is written, and raises the error of a failed write.
    After the block, the writer's thread has ended. An interrupt during the wait drops the queued pages. A
    cell of which a resource was not written becomes ``partial``: from a complete cell, the store removes the rows that
    this scan has not written.

    The queue has no limit of its own. The rows of an item count against the budget until they are written, and the
    scan's readers wait while the budget is used up.

    Args:
        storage: The store.
        scan_id: The scan's id, which is written to every row.
        budget: Limits the rows that are read but not yet written; the writer gives the rows of a written batch back.

    Attributes:
        results: The result of each cell. The store has no new result for a cell that was never read.
    """

    def __init__(self, storage: StorageService, scan_id: str, budget: RowBudget) -> None:
        self.results: dict[CellKey, CellResult] = {}
        self._storage = storage
        self._scan_id = scan_id
        self._budget = budget
        self._started_cells: set[CellKey] = set()
        self._written: Counter[CellKey] = Counter()
        self._waiting: deque[PageRead | CellResult] = deque()
        self._changed = threading.Condition()
        self._closed = self._dropping = False
        self._failure: BaseException | None = None
        # A daemon thread, so that a store that does not respond cannot keep the interpreter from exiting.
        self._thread = threading.Thread(target=self._write_batches, name="cloudops-scan-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        try:
            self._thread.join()
        except BaseException:  # an interrupt of this wait: drop the queued pages, so that the thread ends soon
            self._dropping = True
            self._thread.join()
            raise
        if error is None and self._failure is not None:
            raise self._failure

    def put(self, item: PageRead | CellResult) -> None:
        """Queue a page or a result.

        Raises:
            BaseException: The error of an earlier write; the new item stays queued, and :meth:`finish` writes it.
        """
        with self._changed:
            self._waiting.append(item)
            self._changed.notify_all()
            if self._failure is not None:
                raise self._failure

    def finish(self, unread: Iterable[PageRead | CellResult], remaining: Iterable[CellResult]) -> None:
        """Write, in the calling thread, the rest of a scan that ended or was interrupted.

        Args:
            unread: The pages and results that the scan has read and the caller has not put.
            remaining: A result for each cell that has no result yet. In the store, a cell without a written page keeps
                its previous result.
        """
        self._waiting.extend(unread)
        while self._waiting:
            self._write(self._next_batch())
        unfinished = {result.key: result for result in remaining}
        self.results.update(unfinished)
        partly_written = [result for key, result in unfinished.items() if key in self._started_cells]
        if partly_written:
            self._storage.estate.finish_cells(partly_written, scan_id=self._scan_id)

    def _write_batches(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                batch = self._next_batch()
            if not batch:
                return
            try:
                self._write(batch)
                self._budget.give_back(batch)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that calls put()
                with self._changed:
                    self._failure = error
                # The next put() raises the failure. Without lift(), the readers could wait for the budget for ever, and
                # put() would not be called again.
                self._budget.lift()
                return

    def _next_batch(self) -> Sequence[PageRead | CellResult]:
        """Take the next batch from the queue, in the order of :meth:`put`: a cell's pages, then its result."""
        batch: list[PageRead | CellResult] = []
        size = 0
        while self._waiting and size < _BATCH:
            batch.append(self._waiting.popleft())
            size += self._budget.rows_of(batch[-1])
        return batch

    def _write(self, batch: Sequence[PageRead | CellResult]) -> None:
        pages = [item for item in batch if not isinstance(item, CellResult)]
        if pages:
            self._write_pages(pages)
        results = [self._checked_result(item) for item in batch if isinstance(item, CellResult)]
        if results:
            kept = self._storage.estate.finish_cells(results, scan_id=self._scan_id)
            self.results.update((result.key, result) for result in kept)

    def _write_pages(self, pages: Sequence[PageRead]) -> None:
        if self._dropping:
            return
        keys = {page.key for page in pages}
        self._storage.estate.begin_cells(keys - self._started_cells, scan_id=self._scan_id)
        self._started_cells |= keys
        self._storage.estate.upsert([each for page in pages for each in page.resources], scan_id=self._scan_id)
        for page in pages:
            self._written[page.key] += len(page.resources)

    def _checked_result(self, result: CellResult) -> CellResult:
        if not result.state.complete or self._written[result.key] >= result.resources:
            return result
        return replace(result, state=CellState.PARTIAL, detail="a page was not written")
