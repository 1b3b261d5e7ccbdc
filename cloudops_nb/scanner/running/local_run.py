"""A running scan in this process: worker threads put pages and results into a queue, and one thread takes them out.

A task is one list call with all its pages; it fills one or more cells. A cell is one resource type in one account and
region.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.call_errors import ScanStoppedError
from cloudops_nb.scanner.policies.verdicts import ScanVerdicts
from cloudops_nb.scanner.reading.task_reader import PageRead, TaskReader
from cloudops_nb.scanner.running.garbage_collection import infrequent_garbage_collection
from cloudops_nb.scanner.running.row_budget import RowBudget
from cloudops_nb.scanner.running.scan_progress import CellTracker, Progress

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import CellResult
    from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
    from cloudops_nb.scanner.task import ScanTask

ProgressCallback = Callable[[Progress], None]

#: While the queue is empty, the seconds between two checks whether any worker is left.
_TICK = 0.1


class _Finished:
    """Marks the end of a task in the queue."""


class LocalRun:
    """Runs tasks on a pool of threads, and yields their pages and results in one thread.

    The consumer may close the generator at any time. If the generator is closed or raises an exception, each worker
    stops before its next call.

    A new task is submitted only when an earlier one has ended. If all tasks were submitted at the start, the detail
    calls of running tasks would queue in the pool behind all other tasks, and the tasks with the most calls would end
    last.

    Args:
        tasks: The tasks.
        sessions: The sessions of the configured accounts.
        limits: The token buckets that pace the calls.
        pool: The pool that runs the tasks.
        owns_pool: Whether the pool belongs to this run, which then shuts it down at the end.
        user_agent_purpose: A text such as ``scan/0a1b2c`` that every call carries in its user agent, so that CloudTrail
            shows which scan made it.
    """

    def __init__(
        self,
        tasks: Sequence[ScanTask],
        sessions: AccountSessions,
        limits: RateLimiter,
        pool: Executor,
        *,
        owns_pool: bool,
        user_agent_purpose: str,
    ) -> None:
        self._owns_pool = owns_pool
        self._sessions = sessions
        self._limits = limits
        self._pool = pool
        self._user_agent_purpose = user_agent_purpose
        self._stop = threading.Event()
        self._queue: queue.SimpleQueue[PageRead | CellResult | _Finished] = queue.SimpleQueue()
        self._budget = RowBudget()
        self._tracker = CellTracker(tasks)
        self._verdicts = ScanVerdicts(sessions, self._calls)
        self._accounts = {task.account.account_id: task.account for task in tasks}
        #: The number of unfinished tasks by account and region. At zero, the clients of that pair are released.
        self._unfinished = Counter((task.account.account_id, task.region) for task in tasks)
        self._lock = threading.Lock()
        self._waiting = deque(tasks)
        self._futures: set[Future[None]] = set()

    def items(
        self, progress: ProgressCallback | None, *, threads: int, budget: RowBudget
    ) -> Generator[PageRead | CellResult, None, None]:
        """Yield pages and results.

        Args:
            progress: Called in this thread for every item that a worker read, before the item is yielded.
            threads: The number of tasks that run at the same time.
            budget: Limits the rows that are read but not yet written to the store. Workers add the rows of each item to
                the budget, and wait while it is full. The consumer must return these rows to the budget.
        """
        # Python collects garbage less often during a scan, because a scan keeps most objects that it creates.
        with infrequent_garbage_collection:
            yield from self._items(progress, threads, budget)

    def _items(
        self, progress: ProgressCallback | None, threads: int, budget: RowBudget
    ) -> Generator[PageRead | CellResult, None, None]:
        self._budget = budget
        started = time.monotonic()
        unfinished = len(self._waiting)
        try:
            self._verdicts.start_reading(self._accounts.values())
            # Each task submits the next one when it ends, so the number of running tasks stays the same.
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
            # Threads may still be reading IAM policies that no resource needed.
            self._verdicts.close(wait=True)
        finally:
            self._end()

    def unread(self) -> list[PageRead | CellResult]:
        """Return and forget the items that workers had read but that were not yielded when the scan was stopped."""
        unread: list[PageRead | CellResult] = []
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if not isinstance(item, _Finished):
                self._tracker.note(item)
                unread.append(item)
        return unread

    def remaining(self) -> list[CellResult]:
        """Return a preliminary result for each cell that has not ended."""
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
            self._release_clients(task)
            self._queue.put(_Finished())
        except ScanStoppedError:
            return
        finally:
            self._submit_next()

    def _calls(self, account_id: str) -> AwsCalls:
        return AwsCalls(self._sessions, account_id, self._limits, self._stop, self._user_agent_purpose)

    def _fan_out(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        """Map a function over items in the pool's threads; this thread processes the items that no other has started.

        If this thread only waited, all threads of the pool could end up waiting for each other.
        """
        try:
            futures = [self._pool.submit(function, item) for item in items]
        except RuntimeError:  # the pool was shut down, by this run or by its owner
            if self._stop.is_set():
                raise ScanStoppedError from None
            raise
        return [
            function(item) if future.cancel() else future.result() for item, future in zip(items, futures, strict=True)
        ]

    def _put(self, item: PageRead | CellResult) -> None:
        if not self._budget.take(item, stop=self._stop):
            raise ScanStoppedError
        self._queue.put(item)

    def _take(self) -> PageRead | CellResult | _Finished | None:
        """Return the next item, or ``None`` if no worker is left that could put one."""
        while True:
            try:
                return self._queue.get(timeout=_TICK)
            except queue.Empty:
                # The last worker may have put an item after the timeout and then ended. So check first whether workers
                # are left, and only then whether the queue is empty.
                if not self._futures and self._queue.empty():
                    return None

    def _release_clients(self, task: ScanTask) -> None:
        """Release the clients of the task's account and region if this was the last task in that region."""
        account_region = (task.account.account_id, task.region)
        with self._lock:
            self._unfinished[account_region] -= 1
            is_last = not self._unfinished[account_region]
        if is_last:
            self._sessions.release(*account_region)

    def _lost_cells(self) -> Generator[CellResult, None, None]:
        """Yield a result for each cell that has none, because the workers ended early when the pool was shut down."""
        for result in self._tracker.lost([each.key for each in self.remaining()], "its worker ended early"):
            self._tracker.note(result)
            yield result

    def _end(self) -> None:
        self._stop.set()
        self._verdicts.close()
        for future in self._futures.copy():
            future.cancel()
        if self._owns_pool:
            # Do not wait for calls in flight: a call may take as long as its timeout, and its response is not used.
            self._pool.shutdown(wait=False, cancel_futures=True)
