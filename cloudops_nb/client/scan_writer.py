"""Writes what a scan reads while it goes on reading: in a thread of its own, many small pages in one turn."""

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
    from cloudops_nb.storage.facade import StorageService

#: Resources and items that are written in one turn, about: enough to share the trips to the store, and few enough that
#: an interrupt, which waits for the turn under way, does not wait for long.
_TURN = 512
#: Resources that wait to be written before whoever brings more has to wait, about: tens of megabytes.
_ROOM = 4096


class ScanWriter:
    """Keeps the pages and results of one scan in their order; used by one thread.

    A block of it ends when everything that was put in is written, or raises what went wrong; it then writes nothing
    more in the background. An interrupt while it ends drops the pages that wait. A cell of which fewer resources were
    written than were read, wherever they got lost, becomes ``partial``: it must not remove what it did not stamp.

    Args:
        storage: The store.
        scan_id: Stamps every row.

    Attributes:
        results: The cells' results, as they were kept.
    """

    def __init__(self, storage: StorageService, scan_id: str) -> None:
        self.results: dict[CellKey, CellResult] = {}
        self._storage = storage
        self._scan_id = scan_id
        self._begun: set[CellKey] = set()
        self._written: Counter[CellKey] = Counter()
        self._waiting: deque[PageRead | CellResult] = deque()
        self._resources = 0
        self._changed = threading.Condition()
        self._closed = self._dropping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="cloudops-scan-writer", daemon=True)

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
        except BaseException:  # somebody who interrupts this wait too wants an end now
            self._dropping = True
            self._thread.join()
            raise
        if error is None and self._failure is not None:
            raise self._failure

    def put(self, item: PageRead | CellResult) -> None:
        """Hand over a page or a result; waits while much is still to be written.

        Raises:
            BaseException: What made an earlier write fail; the item waits for :meth:`finish`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._resources < _ROOM or self._failure is not None)
            self._waiting.append(item)
            self._resources += _size(item)
            self._changed.notify_all()
            if self._failure is not None:
                raise self._failure

    def finish(self, unread: Iterable[PageRead | CellResult], remaining: Iterable[CellResult]) -> None:
        """Write, in this thread, what is left of a scan that came to its end or was cut short.

        Args:
            unread: What the scan had read and nobody had taken.
            remaining: What can be said of the cells that have no result. Those that were not begun stay as they were.
        """
        self._waiting.extend(unread)
        while self._waiting:
            self._write(self._turn())
        left = {result.key: result for result in remaining}
        self.results.update(left)
        begun = [result for key, result in left.items() if key in self._begun]
        if begun:
            self._storage.estate.finish_cells(begun, scan_id=self._scan_id)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                turn = self._turn()
                self._changed.notify_all()
            if not turn:
                return
            try:
                self._write(turn)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that brings the items
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return

    def _turn(self) -> Sequence[PageRead | CellResult]:
        """Take what is written next; every cell's pages come before its result, here as there."""
        turn: list[PageRead | CellResult] = []
        size = 0
        while self._waiting and size < _TURN:
            turn.append(self._waiting.popleft())
            size += _size(turn[-1])
        self._resources -= size
        return turn

    def _write(self, turn: Sequence[PageRead | CellResult]) -> None:
        pages = [item for item in turn if not isinstance(item, CellResult)]
        if pages:
            self._write_pages(pages)
        results = [self._whole(item) for item in turn if isinstance(item, CellResult)]
        if results:
            kept = self._storage.estate.finish_cells(results, scan_id=self._scan_id)
            self.results.update((result.key, result) for result in kept)

    def _write_pages(self, pages: Sequence[PageRead]) -> None:
        if self._dropping:
            return
        new = {page.key for page in pages} - self._begun
        self._begun |= new
        if new:
            now = datetime.now(UTC)
            running = [CellResult(key, CellState.RUNNING, now, 0.0) for key in new]
            self._storage.scan_state.put_all(running, self._scan_id)
        self._storage.estate.upsert([each for page in pages for each in page.resources], scan_id=self._scan_id)
        for page in pages:
            self._written[page.key] += len(page.resources)

    def _whole(self, result: CellResult) -> CellResult:
        if not result.state.complete or self._written[result.key] >= result.resources:
            return result
        return replace(result, state=CellState.PARTIAL, detail="a page was not written")


def _size(item: PageRead | CellResult) -> int:
    return 1 if isinstance(item, CellResult) else len(item.resources)
