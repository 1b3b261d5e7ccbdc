"""A running scan whose tasks run in worker processes.

A task is one list call with all its pages; it fills one or more cells. A cell is one resource type in one account and
region.
"""

from __future__ import annotations

import queue
import time
from collections import defaultdict, deque
from concurrent.futures import CancelledError, Executor, Future
from typing import TYPE_CHECKING

from cloudops_nb.scanner.running.dask_cluster import DaskCluster
from cloudops_nb.scanner.running.remote_worker import RemoteTask, read_remote_task
from cloudops_nb.scanner.running.row_budget import RowBudget
from cloudops_nb.scanner.running.scan_progress import CellTracker

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from cloudops_nb.model import CellResult, LearnedRate
    from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
    from cloudops_nb.scanner.reading.task_reader import PageRead
    from cloudops_nb.scanner.running.local_run import ProgressCallback
    from cloudops_nb.scanner.running.remote_worker import RemoteResult, ScanParameters
    from cloudops_nb.scanner.task import ScanTask

#: While no result arrives, the seconds between two checks whether the cluster still has workers.
_TICK = 0.1
#: Seconds that a cluster may be without workers, for example while all of them restart.
_MAX_SECONDS_WITHOUT_WORKERS = 60.0
#: The number of submitted tasks that wait for a worker, as a multiple of one worker's threads.
_TASKS_WAITING = 2


class RemoteRun:
    """Submits tasks to an executor with worker processes, and yields their pages and results in one thread.

    A task's pages and results arrive together, when the task ends. If a worker dies, the cells of its tasks end with
    the state ``error``, unless the executor runs the tasks again on a different worker. Closing the generator cancels
    the tasks that no worker has started, and drops the results of running tasks. On a Dask cluster, it also stops
    running tasks before their next call.

    Args:
        tasks: The tasks.
        scan: The parameters that all tasks share.
        pool: The executor that runs the tasks. The run does not shut it down.
        limits: Provides the rates of earlier scans, and receives the rates that workers learn.
    """

    def __init__(self, tasks: Sequence[ScanTask], scan: ScanParameters, pool: Executor, limits: RateLimiter) -> None:
        self._waiting = deque(tasks)
        self._scan = scan
        self._pool = pool
        self._limits = limits
        self._learned: dict[tuple[str, str], list[LearnedRate]] = defaultdict(list)
        for rate in limits.earlier_rates():
            self._learned[rate.place[:2]].append(rate)
        self._tracker = CellTracker(tasks)
        self._under_way: dict[Future[RemoteResult], ScanTask] = {}
        self._done: queue.SimpleQueue[Future[RemoteResult]] = queue.SimpleQueue()
        self._arrived: deque[PageRead | CellResult] = deque()
        self._without_workers_since: float | None = None
        self._budget = RowBudget()

    def items(
        self, progress: ProgressCallback | None, *, threads: int, budget: RowBudget
    ) -> Generator[PageRead | CellResult, None, None]:
        """Yield pages and results.

        Args:
            progress: Called in this thread for every item, before the item is yielded.
            threads: The number of tasks that one worker is expected to run at the same time.
            budget: Limits the rows that are read but not yet written to the store. When a task has ended, this thread
                waits while the budget is full, adds the rows of the task to it, and then submits the next task. The
                consumer must return these rows to the budget.
        """
        self._budget = budget
        workers = self._pool.workers if isinstance(self._pool, DaskCluster) else 1
        started = time.monotonic()
        try:
            # Submit more tasks than the workers can run at the same time. A worker that ends a task can then start the
            # next one without waiting for this process.
            for _ in range(threads * (max(workers, 1) + _TASKS_WAITING)):
                self._submit_next()
            while self._arrived or self._take():
                if not self._arrived:
                    continue
                item = self._arrived.popleft()
                self._tracker.note(item)
                if progress:
                    progress(self._tracker.progress(item, time.monotonic() - started))
                yield item
        finally:
            self._end()

    def unread(self) -> list[PageRead | CellResult]:
        """Return and forget the items that had arrived but were not yielded when the scan was stopped."""
        while not self._done.empty():
            future = self._done.get()
            if not future.cancelled() and future.exception() is None:
                self._arrived.extend(future.result().items)
        unread, self._arrived = list(self._arrived), deque()
        for item in unread:
            self._tracker.note(item)
        return unread

    def remaining(self) -> list[CellResult]:
        """Return a preliminary result for each cell that has not ended."""
        return self._tracker.remaining()

    def _submit_next(self) -> None:
        if not self._waiting:
            return
        task = self._waiting.popleft()
        remote_task = RemoteTask(self._scan, task, tuple(self._learned.get((task.account.account_id, task.region), ())))
        try:
            future = self._pool.submit(read_remote_task, remote_task)
        except RuntimeError as error:  # the executor was shut down or is broken, so the task fails as if it had run
            future = Future()
            future.set_exception(error)
        self._under_way[future] = task
        future.add_done_callback(self._done.put)

    def _take(self) -> bool:
        """Wait briefly for a task to end, and keep its items; return whether further items may arrive."""
        if not self._under_way:
            return False
        try:
            future = self._done.get(timeout=_TICK)
        except queue.Empty:
            self._give_up_without_workers()
            return True
        self._without_workers_since = None
        task = self._under_way.pop(future)
        items = list(self._items(future, task))
        self._budget.take(*items)
        self._arrived.extend(items)
        # Submit the next task before these items are consumed, so that the workers stay busy.
        self._submit_next()
        return True

    def _items(self, future: Future[RemoteResult], task: ScanTask) -> Iterable[PageRead | CellResult]:
        try:
            result = future.result()
        except (Exception, CancelledError) as error:  # noqa: BLE001 - recorded in the results of the task's cells
            message = f": {error}" if str(error) else ""
            return self._tracker.lost(task.keys, f"its worker failed: {type(error).__name__}{message}")
        self._limits.adopt(result.learned)
        return result.items

    def _give_up_without_workers(self) -> None:
        """If the cluster has had no workers for too long, end every cell that has no result."""
        if not isinstance(self._pool, DaskCluster) or self._pool.workers:
            self._without_workers_since = None
        elif self._without_workers_since is None:
            self._without_workers_since = time.monotonic()
        elif time.monotonic() - self._without_workers_since > _MAX_SECONDS_WITHOUT_WORKERS:
            tasks = [*self._under_way.values(), *self._waiting]
            self._end()
            keys = [key for task in tasks for key in task.keys]
            self._arrived.extend(self._tracker.lost(keys, "the cluster has no workers"))

    def _end(self) -> None:
        for future in self._under_way:
            future.cancel()
        self._under_way.clear()
        self._waiting.clear()
        # Workers of other executors cannot be reached, so they finish the tasks that they have started.
        if isinstance(self._pool, DaskCluster):
            self._pool.stop(self._scan)
