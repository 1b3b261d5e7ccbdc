"""One scan under way in this process: worker threads, a bounded queue, and the one thread that takes from it."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.fast_botocore.process_tuning import infrequent_garbage_collection, long_thread_turns
from cloudops_nb.scanner.calls.aws_calls import AwsCalls, ScanStoppedError
from cloudops_nb.scanner.policies.verdicts import Verdicts
from cloudops_nb.scanner.reading.task_reader import PageRead, TaskReader
from cloudops_nb.scanner.running.outcomes import Outcomes
from cloudops_nb.scanner.running.progress import Progress

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import CellResult
    from cloudops_nb.scanner.calls.rate_limit import RateLimits
    from cloudops_nb.scanner.planning.tasks import Task

ProgressCallback = Callable[[Progress], None]

#: How long a blocked thread waits before it looks whether the scan goes on, in seconds.
_TICK = 0.1


class _Finished:
    """What a worker says after a task's last result."""


class ScanRun:
    """Reads tasks on a pool of threads and yields what they bring, in one thread.

    Safe to abandon at any moment: closing the generator, or an exception in it, stops each worker before its next call.
    A task is given to the pool when another has ended, so that details do not queue up behind listings that nobody has
    begun: the longest chains of calls would end last.

    Args:
        todo: The tasks.
        sessions: The ways into the accounts.
        limits: The buckets that pace the calls.
        pool: Where tasks are read; shut down at the end if ``owns_pool``.
        word: Goes into the user agent of every call.
    """

    def __init__(
        self,
        todo: Sequence[Task],
        sessions: AccountSessions,
        limits: RateLimits,
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
        self._queue: queue.Queue[PageRead | CellResult | _Finished] = queue.Queue()
        self._outcomes = Outcomes(todo)
        self._verdicts = Verdicts(sessions, self._calls)
        self._accounts = {task.account.account_id: task.account for task in todo}
        self._regions = Counter((task.account.account_id, task.region) for task in todo)
        self._lock = threading.Lock()
        self._waiting = deque(todo)
        self._futures: set[Future[None]] = set()

    def items(
        self, progress: ProgressCallback | None, *, threads: int, room: int
    ) -> Generator[PageRead | CellResult, None, None]:
        """Yield pages and results.

        Args:
            progress: Called in this thread after every item.
            threads: How many tasks are read at the same time.
            room: How many items wait for being taken before the workers do.
        """
        with infrequent_garbage_collection, long_thread_turns:
            yield from self._items(progress, threads, room)

    def _items(
        self, progress: ProgressCallback | None, threads: int, room: int
    ) -> Generator[PageRead | CellResult, None, None]:
        self._queue = queue.Queue(maxsize=room)
        started = time.monotonic()
        unfinished = len(self._waiting)
        try:
            self._verdicts.begin(self._accounts.values())
            for _ in range(threads):
                self._start_next()
            while unfinished:
                item = self._take()
                if isinstance(item, _Finished):
                    unfinished -= 1
                    continue
                if item is None:
                    yield from self._lost()
                    return
                self._outcomes.note(item)
                if progress:
                    progress(self._outcomes.progress(item, time.monotonic() - started))
                yield item
            self._stop.set()
            # Where no row needed the policies, their reading may not be over.
            self._verdicts.close(wait=True)
        finally:
            self._end()

    def unread(self) -> list[PageRead | CellResult]:
        """Return what workers had read when the scan was stopped and nobody has taken yet."""
        left: list[PageRead | CellResult] = []
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if not isinstance(item, _Finished):
                self._outcomes.note(item)
                left.append(item)
        return left

    def remaining(self) -> list[CellResult]:
        """Return what can be said of the cells that have no result."""
        return self._outcomes.remaining()

    def _start_next(self) -> None:
        with self._lock:
            task = self._waiting.popleft() if self._waiting and not self._stop.is_set() else None
        if task is not None:
            future = self._pool.submit(self._work, task)
            self._futures.add(future)
            future.add_done_callback(self._futures.discard)

    def _work(self, task: Task) -> None:
        calls = self._calls(task.account.account_id)
        verdicts = self._verdicts.of(task.account)
        try:
            for item in TaskReader(task, self._sessions, calls, self._fan_out, verdicts).read():
                self._put(item)
            self._release(task)
            self._put(_Finished())
        except ScanStoppedError:
            return
        finally:
            self._start_next()

    def _calls(self, account_id: str) -> AwsCalls:
        return AwsCalls(self._sessions, account_id, self._limits, self._stop, self._word)

    def _fan_out(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        """Map in parallel on the same pool, and never wait for a thread: what nobody has begun yet is done here."""
        try:
            futures = [self._pool.submit(function, item) for item in items]
        except RuntimeError:
            if self._stop.is_set():
                raise ScanStoppedError from None
            raise
        return [
            function(item) if future.cancel() else future.result() for item, future in zip(items, futures, strict=True)
        ]

    def _put(self, item: PageRead | CellResult | _Finished) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_TICK)
            except queue.Full:
                continue
            return
        raise ScanStoppedError

    def _take(self) -> PageRead | CellResult | _Finished | None:
        """Return the next item, or ``None`` if no worker is left to bring one."""
        while True:
            try:
                return self._queue.get(timeout=_TICK)
            except queue.Empty:
                if not self._futures and self._queue.empty():
                    return None

    def _release(self, task: Task) -> None:
        place = (task.account.account_id, task.region)
        with self._lock:
            self._regions[place] -= 1
            done = not self._regions[place]
        if done:
            self._sessions.release(*place)

    def _lost(self) -> Generator[CellResult, None, None]:
        """Yield a result for every cell whose worker ended without one: the pool was shut down, or broke."""
        for result in self._outcomes.lost([left.key for left in self.remaining()], "its worker ended early"):
            self._outcomes.note(result)
            yield result

    def _end(self) -> None:
        self._stop.set()
        self._verdicts.close()
        for future in self._futures.copy():
            future.cancel()
        if self._owns_pool:
            # A call under way may take as long as its timeout; nobody waits for an answer that is thrown away.
            self._pool.shutdown(wait=False, cancel_futures=True)
