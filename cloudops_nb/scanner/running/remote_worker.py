"""What is sent to a worker in another process, what it does, and what it sends back.

To a worker go a task, which is a declaration, and the accounts' configuration: names, ids, profiles and roles, and no
credentials. It finds those by the standard AWS chain of the place it runs in. Back come resources and results. Both go
the way that the pool sends everything.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
from cloudops_nb.scanner.policies.verdicts import ScanVerdicts
from cloudops_nb.scanner.reading.task_reader import PageRead, TaskReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.model import Account, CellResult, LearnedRate
    from cloudops_nb.scanner.task import ScanTask

#: Places whose clients a worker keeps: cells come place by place, so it needs few.
_PLACES = 4


@dataclass(frozen=True, slots=True)
class RemoteScan:
    """What all orders of a scan have in common: the accounts, our sessions' label, the scan's word, and threads."""

    accounts: tuple[Account, ...]
    label: str
    word: str
    threads: int


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """One task, with what was learned of its place; orders of one place had better go to one worker, which paces them.

    Attributes:
        scan: What it has in common with the scan's other orders.
        task: The task.
        learned: The rates that earlier scans learned in the task's place.
    """

    scan: RemoteScan
    task: ScanTask
    learned: tuple[LearnedRate, ...] = ()

    @property
    def place(self) -> tuple[str, str]:
        """The account and region of the task's calls."""
        return self.task.account.account_id, self.task.region


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """What came of an remote_task: pages and results in their remote_task, and the rates learned in its place."""

    items: tuple[PageRead | CellResult, ...]
    learned: tuple[LearnedRate, ...]


class RemoteWorker:
    """A worker process's side of one scan: its own sessions, buckets and threads; thread-safe."""

    def __init__(self, scan: RemoteScan) -> None:
        self._scan = scan
        self._sessions = AccountSessions(scan.accounts, threads=scan.threads, label=scan.label)
        self._limits = RateLimiter()
        self._helpers = ThreadPoolExecutor(scan.threads, thread_name_prefix="cloudops-details")
        self._stop = threading.Event()
        self._verdicts = ScanVerdicts(self._sessions, self._calls)
        self._lock = threading.Lock()
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()

    def read(self, remote_task: RemoteTask) -> RemoteResult:
        """Read one task to its end.

        Raises:
            ScanStoppedError: The scan was stopped.
        """
        self._note_region(remote_task)
        account = remote_task.task.account
        calls = self._calls(account.account_id)
        items = tuple(
            TaskReader(
                remote_task.task, self._sessions, calls, self._fan_out, self._verdicts.of_account(account)
            ).read()
        )
        learned = tuple(rate for rate in self._limits.learned() if rate.place[:2] == remote_task.place)
        return RemoteResult(items, learned)

    def stop(self) -> None:
        """Let no further call begin, and close the connections."""
        self._stop.set()
        self._verdicts.close()
        self._helpers.shutdown(wait=False, cancel_futures=True)
        self._sessions.close()

    def _note_region(self, remote_task: RemoteTask) -> None:
        with self._lock:
            if remote_task.place not in self._places:
                self._limits.adopt(remote_task.learned)
            self._places[remote_task.place] = None
            self._places.move_to_end(remote_task.place)
            left = [self._places.popitem(last=False)[0] for _ in range(len(self._places) - _PLACES)]
        for place in left:
            self._sessions.release(*place)

    def _calls(self, account_id: str) -> AwsCalls:
        return AwsCalls(self._sessions, account_id, self._limits, self._stop, self._scan.word)

    def _fan_out(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return list(self._helpers.map(function, items))


_workers: dict[RemoteScan, RemoteWorker] = {}
_workers_lock = threading.Lock()


def read_remote_task(remote_task: RemoteTask) -> RemoteResult:
    """Read an remote_task's task in this process; what a pool calls."""
    with _workers_lock:
        if remote_task.scan not in _workers:
            _workers[remote_task.scan] = RemoteWorker(remote_task.scan)
        worker = _workers[remote_task.scan]
    return worker.read(remote_task)


def stop_remote_scan(scan: RemoteScan) -> None:
    """Stop what this process does for a scan, and forget it."""
    with _workers_lock:
        worker = _workers.pop(scan, None)
    if worker is not None:
        worker.stop()
