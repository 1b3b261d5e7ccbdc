"""The tasks for workers in other processes, their results, and the code that runs in a worker.

A worker receives a task, which is a declaration, and the accounts' configuration: names, ids, profiles and roles, but
no credentials. It finds credentials by the standard AWS chain of its own host. It returns resources and results. The
executor's transport carries both.
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

#: Regions whose clients a worker keeps: tasks arrive grouped by account and region, so a few are enough.
_KEPT_REGIONS = 4


@dataclass(frozen=True, slots=True)
class RemoteScan:
    """The part that all remote tasks of a scan share.

    Attributes:
        accounts: The accounts to enter.
        label: The label of the sessions.
        word: The purpose in the user agent of every call.
        threads: The threads of a worker.
    """

    accounts: tuple[Account, ...]
    label: str
    word: str
    threads: int


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """One task for a worker. Tasks of one account and region belong on one worker, so that one rate limiter paces them.

    Attributes:
        scan: The part that all tasks of the scan share.
        task: The task.
        learned: The rates that earlier scans learned in the task's account and region.
    """

    scan: RemoteScan
    task: ScanTask
    learned: tuple[LearnedRate, ...] = ()

    @property
    def account_region(self) -> tuple[str, str]:
        """The account and region of the task's calls."""
        return self.task.account.account_id, self.task.region


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """The pages and results of a remote task in their order, and the rates learned in its account and region."""

    items: tuple[PageRead | CellResult, ...]
    learned: tuple[LearnedRate, ...]


class RemoteWorker:
    """A worker process's side of one scan: its own sessions, token buckets and threads; thread-safe."""

    def __init__(self, scan: RemoteScan) -> None:
        self._scan = scan
        self._sessions = AccountSessions(scan.accounts, threads=scan.threads, label=scan.label)
        self._limits = RateLimiter()
        self._helpers = ThreadPoolExecutor(scan.threads, thread_name_prefix="cloudops-details")
        self._stop = threading.Event()
        self._verdicts = ScanVerdicts(self._sessions, self._calls)
        self._lock = threading.Lock()
        self._regions: OrderedDict[tuple[str, str], None] = OrderedDict()

    def read(self, remote_task: RemoteTask) -> RemoteResult:
        """Read one task to its end.

        Raises:
            ScanStoppedError: The scan was stopped.
        """
        self._prepare_region(remote_task)
        account = remote_task.task.account
        calls = self._calls(account.account_id)
        items = tuple(
            TaskReader(
                remote_task.task, self._sessions, calls, self._fan_out, self._verdicts.of_account(account)
            ).read()
        )
        learned = tuple(rate for rate in self._limits.learned() if rate.place[:2] == remote_task.account_region)
        return RemoteResult(items, learned)

    def stop(self) -> None:
        """Start no further call, and close the connections."""
        self._stop.set()
        self._verdicts.close()
        self._helpers.shutdown(wait=False, cancel_futures=True)
        self._sessions.close()

    def _prepare_region(self, remote_task: RemoteTask) -> None:
        with self._lock:
            if remote_task.account_region not in self._regions:
                self._limits.adopt(remote_task.learned)
            self._regions[remote_task.account_region] = None
            # The least recently used regions are released first.
            self._regions.move_to_end(remote_task.account_region)
            left = [self._regions.popitem(last=False)[0] for _ in range(len(self._regions) - _KEPT_REGIONS)]
        for account_region in left:
            self._sessions.release(*account_region)

    def _calls(self, account_id: str) -> AwsCalls:
        return AwsCalls(self._sessions, account_id, self._limits, self._stop, self._scan.word)

    def _fan_out(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return list(self._helpers.map(function, items))


_workers: dict[RemoteScan, RemoteWorker] = {}
_workers_lock = threading.Lock()


def read_remote_task(remote_task: RemoteTask) -> RemoteResult:
    """Read a task in this process; the function that an executor calls."""
    with _workers_lock:
        if remote_task.scan not in _workers:
            _workers[remote_task.scan] = RemoteWorker(remote_task.scan)
        worker = _workers[remote_task.scan]
    return worker.read(remote_task)


def stop_remote_scan(scan: RemoteScan) -> None:
    """Stop a scan in this process, and drop its worker."""
    with _workers_lock:
        worker = _workers.pop(scan, None)
    if worker is not None:
        worker.stop()
