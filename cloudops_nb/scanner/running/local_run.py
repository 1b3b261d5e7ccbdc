"""A running scan in this process: worker threads, a queue, and one thread that takes from the queue."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.fast_botocore.process_tuning import infrequent_garbage_collection, long_thread_turns
from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.call_errors import ScanStoppedError
from cloudops_nb.scanner.policies.verdicts import ScanVerdicts
from cloudops_nb.scanner.reading.task_reader import PageRead, TaskReader
from cloudops_nb.scanner.running.row_budget import RowBudget
from cloudops_nb.scanner.running.scan_progress import CellTracker, Progress

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import CellResult
    from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
    from cloudops_nb.scanner.task import ScanTask

ProgressCallback = Callable[[Progress], None]

#: Seconds after which a blocked thread checks whether the scan was stopped.
_TICK = 0.1


class _Finished:
    """Marks the end of a task in the queue."""


class LocalRun:
    """Reads tasks on a pool of threads, and yields their pages and results in one thread.

    The generator can be abandoned at any moment: closing it, or an exception in it, stops each worker before its next
    call. A task is submitted only when another has ended. Otherwise details would queue behind listings that have not
    started, and the longest chains of calls would end last.

    Args:
        todo: The tasks.
        sessions: The sessions of the configured accounts.
        limits: The token buckets that pace the calls.
        pool: The pool that reads the tasks; shut down at the end if ``owns_pool``.
        owns_pool: Whether the pool belongs to this run.
        word: The purpose in the user agent of every call.
    """

    def __init__(
        self,
        todo: Sequence[ScanTask],
        sessions: AccountSessions,
        limits: RateLimiter,
        pool: Executor,
        *,
        owns_pool: bool,
        word: str,
    ) -> None:
        self._owns_pool = owns_pool
        self._sessions = sessions
        self._limits = limits
        self._pool = pool
        self._word = word
        self._stop = threading.Event()
        self._queue: queue.SimpleQueue[PageRead | CellResult | _Finished] = queue.SimpleQueue()
        self._budget = RowBudget()
        self._tracker = CellTracker(todo)
        self._verdicts = ScanVerdicts(sessions, self._calls)
        self._accounts = {task.account.account_id: task.account for task in todo}
        self._regions = Counter((task.account.account_id, task.region) for task in todo)
        self._lock = threading.Lock()
        self._waiting = deque(todo)
        self._futures: set[Future[None]] = set()

    def items(
        self, progress: ProgressCallback | None, *, threads: int, budget: RowBudget
    ) -> Generator[PageRead | CellResult, None, None]:
        """Yield pages and results.

        Args:
            progress: Called in this thread after every item.
            threads: The number of tasks that are read at the same time.
            budget: Where workers take room for each item; the consumer gives it back.
        """
        # A scan makes many objects that stay, and its threads mostly wait, so rare collection and long turns save time.
        with infrequent_garbage_collection, long_thread_turns:
            yield from self._items(progress, threads, budget)

    def _items(
        self, progress: ProgressCallback | None, threads: int, budget: RowBudget
    ) -> Generator[PageRead | CellResult, None, None]:
        self._budget = budget
        started = time.monotonic()
        unfinished = len(self._waiting)
        try:
            self._verdicts.start_reading(self._accounts.values())
            # Each ended task submits the next one, so this many are always being read.
            for _ in range(threads):
                self._submit_next()
            while unfinished:
                item = self._take()
                if isinstance(item, _Finished):
                    unfinished -= 1
                    continue
                if item is None:
                    yield from self._lost_cells()
                    return
                self._tracker.note(item)
                if progress:
                    progress(self._tracker.progress(item, time.monotonic() - started))
                yield item
            self._stop.set()
            # If no resource needed the policies, they may still be read at this point.
            self._verdicts.close(wait=True)
        finally:
            self._end()

    def unread(self) -> list[PageRead | CellResult]:
        """Return the items that workers had read, but that were not yielded, when the scan was stopped."""
        left: list[PageRead | CellResult] = []
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if not isinstance(item, _Finished):
                self._tracker.note(item)
                left.append(item)
        return left

    def remaining(self) -> list[CellResult]:
        """Return the preliminary results of cells that have not ended."""
        return self._tracker.remaining()

    def _submit_next(self) -> None:
        with self._lock:
            task = self._waiting.popleft() if self._waiting and not self._stop.is_set() else None
        if task is not None:
            future = self._pool.submit(self._read_task, task)
            self._futures.add(future)
            future.add_done_callback(self._futures.discard)

    def _read_task(self, task: ScanTask) -> None:
        calls = self._calls(task.account.account_id)
        verdicts = self._verdicts.of_account(task.account)
        try:
            for item in TaskReader(task, self._sessions, calls, self._fan_out, verdicts).read():
                self._put(item)
            self._release(task)
            self._queue.put(_Finished())
        except ScanStoppedError:
            return
        finally:
            self._submit_next()

    def _calls(self, account_id: str) -> AwsCalls:
        return AwsCalls(self._sessions, account_id, self._limits, self._stop, self._word)

    def _fan_out(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        """Map in parallel on the same pool; items that no thread has started are mapped here, to avoid a deadlock."""
        try:
            futures = [self._pool.submit(function, item) for item in items]
        except RuntimeError:
            if self._stop.is_set():
                raise ScanStoppedError from None
            raise
        return [
            function(item) if future.cancel() else future.result() for item, future in zip(items, futures, strict=True)
        ]

    def _put(self, item: PageRead | CellResult) -> None:
        if not self._budget.take(item, self._stop):
            raise ScanStoppedError
        self._queue.put(item)

    def _take(self) -> PageRead | CellResult | _Finished | None:
        """Return the next item, or ``None`` if no worker is left to yield one."""
        while True:
            try:
                return self._queue.get(timeout=_TICK)
            except queue.Empty:
                # A worker may have put its last item after the timeout, so the queue is checked after the workers.
                if not self._futures and self._queue.empty():
                    return None

    def _release(self, task: ScanTask) -> None:
        place = (task.account.account_id, task.region)
        with self._lock:
            self._regions[place] -= 1
            done = not self._regions[place]
        if done:
            self._sessions.release(*place)

    def _lost_cells(self) -> Generator[CellResult, None, None]:
        """Yield a result for each cell whose worker ended without one, because the pool was shut down or broke."""
        for result in self._tracker.lost([left.key for left in self.remaining()], "its worker ended early"):
            self._tracker.note(result)
            yield result

    def _end(self) -> None:
        self._stop.set()
        self._verdicts.close()
        for future in self._futures.copy():
            future.cancel()
        if self._owns_pool:
            # A call in flight may take as long as its timeout, and its answer would be dropped.
            self._pool.shutdown(wait=False, cancel_futures=True)
