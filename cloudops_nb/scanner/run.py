"""One scan under way: workers that read tasks, a bounded queue, and the one thread that takes from it."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.scanner.calls import AwsCalls, ScanStoppedError
from cloudops_nb.scanner.progress import Progress
from cloudops_nb.scanner.reading import PageRead, TaskReader

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from cloudops_nb.scanner.rate_limit import RateLimits
    from cloudops_nb.scanner.sessions import AccountSessions
    from cloudops_nb.scanner.tasks import Task

ProgressCallback = Callable[[Progress], None]

#: How long a blocked thread waits before it looks whether the scan goes on, in seconds.
_TICK = 0.1


class _Finished:
    """What a worker says after a task's last result."""


class ScanRun:
    """Reads tasks on a pool and yields what they bring, in one thread.

    Safe to abandon at any moment: closing the generator, or an exception in it, stops each worker before its next call.

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
        self._tasks = todo
        self._sessions = sessions
        self._limits = limits
        self._pool = pool
        self._word = word
        self._stop = threading.Event()
        self._queue: queue.Queue[PageRead | CellResult | _Finished] = queue.Queue()
        self._keys = dict.fromkeys(key for task in todo for key in task.keys)
        self._ended: dict[CellKey, CellResult] = {}
        self._failed = 0
        self._calls = 0
        self._pages: Counter[CellKey] = Counter()
        self._rows: Counter[CellKey] = Counter()
        self._regions = Counter((task.account.account_id, task.region) for task in todo)
        self._lock = threading.Lock()

    def items(self, progress: ProgressCallback | None, *, room: int) -> Generator[PageRead | CellResult, None, None]:
        """Yield pages and results; at most ``room`` of them wait, then the workers do."""
        self._queue = queue.Queue(maxsize=room)
        started = time.monotonic()
        futures: list[Future[None]] = []
        try:
            futures += [self._pool.submit(self._work, task) for task in self._tasks]
            unfinished = len(futures)
            while unfinished:
                item = self._take(futures)
                if isinstance(item, _Finished):
                    unfinished -= 1
                    continue
                if item is None:
                    yield from self._lost()
                    return
                self._note(item)
                if progress:
                    progress(self._progress(item, time.monotonic() - started))
                yield item
        finally:
            self._end(futures)

    def unread(self) -> list[PageRead | CellResult]:
        """Return what workers had read when the scan was stopped and nobody has taken yet."""
        left: list[PageRead | CellResult] = []
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if not isinstance(item, _Finished):
                self._note(item)
                left.append(item)
        return left

    def remaining(self) -> list[CellResult]:
        """Return what can be said of the cells that have no result."""
        now = datetime.now(UTC)
        return [
            CellResult(
                key=key,
                state=CellState.PARTIAL if self._pages[key] else CellState.PENDING,
                started=now,
                duration=0.0,
                resources=self._rows[key],
                pages=self._pages[key],
                detail=f"interrupted after {self._pages[key]} pages" if self._pages[key] else "not read",
            )
            for key in self._keys
            if key not in self._ended
        ]

    def _work(self, task: Task) -> None:
        calls = AwsCalls(self._sessions, task.account.account_id, self._limits, self._stop, self._word)
        try:
            for item in TaskReader(task, self._sessions, calls, self._fan_out).read():
                self._put(item)
            self._release(task)
            self._put(_Finished())
        except ScanStoppedError:
            return

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

    def _take(self, futures: Sequence[Future[None]]) -> PageRead | CellResult | _Finished | None:
        """Return the next item, or ``None`` if no worker is left to bring one."""
        while True:
            over = all(future.done() for future in futures)
            try:
                return self._queue.get(timeout=_TICK)
            except queue.Empty:
                if over:
                    return None

    def _release(self, task: Task) -> None:
        place = (task.account.account_id, task.region)
        with self._lock:
            self._regions[place] -= 1
            done = not self._regions[place]
        if done:
            self._sessions.release(*place)

    def _note(self, item: PageRead | CellResult) -> None:
        if isinstance(item, CellResult):
            self._keys.setdefault(item.key)
            self._ended[item.key] = item
            self._failed += not item.state.complete
            self._calls += item.calls
        else:
            self._pages[item.key] += 1
            self._rows[item.key] += len(item.resources)

    def _lost(self) -> Generator[CellResult, None, None]:
        """Yield a result for every cell whose worker ended without one: the pool was shut down, or broke."""
        now = datetime.now(UTC)
        for left in self.remaining():
            result = CellResult(left.key, CellState.ERROR, now, 0.0, left.resources, detail="its worker ended early")
            self._note(result)
            yield result

    def _progress(self, item: PageRead | CellResult, elapsed: float) -> Progress:
        return Progress(
            done=len(self._ended),
            total=len(self._keys),
            failed=self._failed,
            resources=self._rows.total(),
            calls=self._calls,
            elapsed=elapsed,
            current=str(item.key),
        )

    def _end(self, futures: Sequence[Future[None]]) -> None:
        self._stop.set()
        for future in futures:
            future.cancel()
        if self._owns_pool:
            # A call under way may take as long as its timeout; nobody waits for an answer that is thrown away.
            self._pool.shutdown(wait=False, cancel_futures=True)
