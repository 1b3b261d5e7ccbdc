"""Writes a scan's pages in a thread of its own while the scan reads on; many small pages in one batch."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from cloudops_nb.model import CellKey, CellResult, CellState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from cloudops_nb.scanner.reading.task_reader import PageRead
    from cloudops_nb.scanner.running.row_budget import RowBudget
    from cloudops_nb.storage.facade import StorageService

#: About how many resources and results one batch has: enough to share the round trips to the store, and few enough
#: that an interrupt, which waits for the current batch, is short.
_BATCH = 512


class ScanWriter:
    """Writes the pages and results of one scan in their order; used by one thread, as a context manager.

    The block ends when everything is written, or raises the error of a failed write; after the block the writer's
    thread has ended. An interrupt at the end of the block drops the pages that wait. A cell with fewer resources
    written than read becomes ``partial``: such a cell must not remove the rows that it did not stamp.

    The writer has no limit of its own: what it has not written keeps its room in the budget, for which the scan's
    readers wait.

    Args:
        storage: The store.
        scan_id: The scan's id, with which every row is stamped.
        budget: Gets the room of each item back when it is written.

    Attributes:
        results: The cells' results, as the store keeps them.
    """

    def __init__(self, storage: StorageService, scan_id: str, budget: RowBudget) -> None:
        self.results: dict[CellKey, CellResult] = {}
        self._storage = storage
        self._scan_id = scan_id
        self._budget = budget
        self._begun: set[CellKey] = set()
        self._written: Counter[CellKey] = Counter()
        self._waiting: deque[PageRead | CellResult] = deque()
        self._changed = threading.Condition()
        self._closed = self._dropping = False
        self._failure: BaseException | None = None
        # A daemon, so that a store that does not answer cannot keep the interpreter from exiting.
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
        except BaseException:  # an interrupt of this wait: drop the waiting pages, to end soon
            self._dropping = True
            self._thread.join()
            raise
        if error is None and self._failure is not None:
            raise self._failure

    def put(self, item: PageRead | CellResult) -> None:
        """Queue a page or a result.

        Raises:
            BaseException: The error of an earlier write; the item stays queued for :meth:`finish`.
        """
        with self._changed:
            self._waiting.append(item)
            self._changed.notify_all()
            if self._failure is not None:
                raise self._failure

    def finish(self, unread: Iterable[PageRead | CellResult], remaining: Iterable[CellResult]) -> None:
        """Write, in this thread, the rest of a scan that ended or was interrupted.

        Args:
            unread: The pages and results that the scan has read, and that were not put.
            remaining: A result for each cell without one. Cells without a written page stay as they are in the store.
        """
        self._waiting.extend(unread)
        while self._waiting:
            self._write(self._next_batch())
        left = {result.key: result for result in remaining}
        self.results.update(left)
        begun = [result for key, result in left.items() if key in self._begun]
        if begun:
            self._storage.estate.finish_cells(begun, scan_id=self._scan_id)

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
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that puts the items
                with self._changed:
                    self._failure = error
                # The next item that the scan brings raises the failure; without this it could wait for room for ever.
                self._budget.lift()
                return

    def _next_batch(self) -> Sequence[PageRead | CellResult]:
        """Take the next batch from the queue; a cell's pages come before its result, as they were put."""
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
        new = {page.key for page in pages} - self._begun
        self._begun |= new
        if new:
            # Before the cell's first row, so that a cell whose process dies is never taken as complete.
            now = datetime.now(UTC)
            running = [CellResult(key, CellState.RUNNING, now, 0.0) for key in new]
            self._storage.scan_state.put_all(running, self._scan_id)
        self._storage.estate.upsert([each for page in pages for each in page.resources], scan_id=self._scan_id)
        for page in pages:
            self._written[page.key] += len(page.resources)

    def _checked_result(self, result: CellResult) -> CellResult:
        if not result.state.complete or self._written[result.key] >= result.resources:
            return result
        return replace(result, state=CellState.PARTIAL, detail="a page was not written")
