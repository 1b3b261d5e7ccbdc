"""One scan under way whose cells are read in other processes."""

from __future__ import annotations

import queue
import time
from collections import defaultdict, deque
from concurrent.futures import CancelledError, Executor, Future
from typing import TYPE_CHECKING

from cloudops_nb.scanner.running.dask_cluster import DaskCluster
from cloudops_nb.scanner.running.remote_worker import RemoteTask, read_remote_task
from cloudops_nb.scanner.running.scan_progress import CellTracker

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from cloudops_nb.model import CellResult, LearnedRate
    from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
    from cloudops_nb.scanner.reading.task_reader import PageRead
    from cloudops_nb.scanner.running.local_run import ProgressCallback
    from cloudops_nb.scanner.running.remote_worker import RemoteResult, RemoteScan
    from cloudops_nb.scanner.task import ScanTask

#: How long the consuming thread waits before it looks whether anybody still works, in seconds.
_TICK = 0.1
#: How long a cluster may be without any worker, as while all of them start anew, in seconds.
_PATIENCE = 60.0


class RemoteRun:
    """Gives tasks to an executor of other processes and yields what they bring, in one thread.

    A task's pages and results come together, when it ends. A worker that is lost ends its cells as ``error``, unless
    the executor begins them anew elsewhere. Closing the generator cancels what no worker has begun, and drops what the
    others are still reading.

    Args:
        todo: The tasks.
        scan: What the workers need beside the task.
        pool: Where tasks are read; it is not shut down.
        limits: Where the rates that workers learned are taken note of.
    """

    def __init__(self, todo: Sequence[ScanTask], scan: RemoteScan, pool: Executor, limits: RateLimiter) -> None:
        self._waiting = deque(todo)
        self._scan = scan
        self._pool = pool
        self._limits = limits
        self._learned: dict[tuple[str, str], list[LearnedRate]] = defaultdict(list)
        for rate in limits.earlier_rates():
            self._learned[rate.place[:2]].append(rate)
        self._tracker = CellTracker(todo)
        self._under_way: dict[Future[RemoteResult], ScanTask] = {}
        self._done: queue.SimpleQueue[Future[RemoteResult]] = queue.SimpleQueue()
        self._left: deque[PageRead | CellResult] = deque()
        self._without_workers_since: float | None = None

    def items(
        self, progress: ProgressCallback | None, *, threads: int, room: int
    ) -> Generator[PageRead | CellResult, None, None]:
        """Yield pages and results; ``threads`` tasks a worker are under way at a time, and ``room`` more wait."""
        workers = self._pool.workers if isinstance(self._pool, DaskCluster) else 1
        started = time.monotonic()
        try:
            for _ in range(threads * max(workers, 1) + room):
                self._submit_next()
            while self._left or self._take():
                if not self._left:
                    continue
                item = self._left.popleft()
                self._tracker.note(item)
                if progress:
                    progress(self._tracker.progress(item, time.monotonic() - started))
                yield item
        finally:
            self._end()

    def unread(self) -> list[PageRead | CellResult]:
        """Return what had arrived when the scan was stopped and nobody has taken yet."""
        while not self._done.empty():
            future = self._done.get()
            if not future.cancelled() and future.exception() is None:
                self._left.extend(future.result().items)
        left, self._left = list(self._left), deque()
        for item in left:
            self._tracker.note(item)
        return left

    def remaining(self) -> list[CellResult]:
        """Return what can be said of the cells that have no result."""
        return self._tracker.remaining()

    def _submit_next(self) -> None:
        if not self._waiting:
            return
        task = self._waiting.popleft()
        remote_task = RemoteTask(self._scan, task, tuple(self._learned.get((task.account.account_id, task.region), ())))
        try:
            future = self._pool.submit(read_remote_task, remote_task)
        except RuntimeError as error:  # it was shut down, or is broken
            future = Future()
            future.set_exception(error)
        self._under_way[future] = task
        future.add_done_callback(self._done.put)

    def _take(self) -> bool:
        """Take what has arrived; return whether there may be more."""
        if not self._under_way:
            return False
        try:
            future = self._done.get(timeout=_TICK)
        except queue.Empty:
            self._give_up_without_workers()
            return True
        self._without_workers_since = None
        task = self._under_way.pop(future)
        self._submit_next()
        self._left.extend(self._items(future, task))
        return True

    def _items(self, future: Future[RemoteResult], task: ScanTask) -> Iterable[PageRead | CellResult]:
        try:
            result = future.result()
        except (Exception, CancelledError) as error:  # noqa: BLE001 - recorded as the end of the task's cells
            said = f": {error}" if str(error) else ""
            return self._tracker.lost(task.keys, f"its worker was lost: {type(error).__name__}{said}")
        self._limits.adopt(result.learned)
        return result.items

    def _give_up_without_workers(self) -> None:
        """End every cell that waits for a worker of a cluster that has had none for long."""
        if not isinstance(self._pool, DaskCluster) or self._pool.workers:
            self._without_workers_since = None
        elif self._without_workers_since is None:
            self._without_workers_since = time.monotonic()
        elif time.monotonic() - self._without_workers_since > _PATIENCE:
            tasks = [*self._under_way.values(), *self._waiting]
            self._end()
            keys = [key for task in tasks for key in task.keys]
            self._left.extend(self._tracker.lost(keys, "the cluster has no workers"))

    def _end(self) -> None:
        for future in self._under_way:
            future.cancel()
        self._under_way.clear()
        self._waiting.clear()
        if isinstance(self._pool, DaskCluster):
            self._pool.stop(self._scan)
