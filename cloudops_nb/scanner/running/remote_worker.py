"""The tasks for workers in other processes, the results of these tasks, and the code that runs in a worker.

A task is one list call with all its pages. A worker receives the task and the configuration of the accounts: names,
ids, profiles and roles, but no credentials. The worker gets credentials from its own host, through the standard AWS
credential chain. Tasks and results travel over the executor's own transport.
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

#: The number of account-region pairs for which a worker keeps clients. Tasks arrive grouped by these pairs, so a small
#: number is enough.
_KEPT_ACCOUNT_REGIONS = 4


@dataclass(frozen=True, slots=True)
class ScanParameters:
    """The parameters that all remote tasks of a scan share; they also identify the scan in a worker.

    Attributes:
        accounts: The accounts that the scan reads.
        label: Identifies the scan's sessions in CloudTrail, as the role session name and as a part of the user agent.
        user_agent_purpose: A text such as ``scan/0a1b2c`` that every call carries in its user agent, so that CloudTrail
            shows which scan made it.
        thread_count: The number of threads with which each worker reads details of listed items.
        preferred_regions: The regions to call first for an account whose own configuration names no region.
    """

    accounts: tuple[Account, ...]
    label: str
    user_agent_purpose: str
    thread_count: int
    preferred_regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """One task for a worker.

    Send all tasks of one account and region to the same worker, so that one rate limiter paces all their calls.

    Attributes:
        scan: The parameters that all tasks of the scan share.
        task: The list call, and the cells (account, region, resource type) that it fills.
        learned: The call rates that earlier scans learned in the task's account and region.
    """

    scan: ScanParameters
    task: ScanTask
    learned: tuple[LearnedRate, ...] = ()

    @property
    def account_region(self) -> tuple[str, str]:
        """The account and region of the task's calls."""
        return self.task.account.account_id, self.task.region


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """All that a task yielded, in the same order, and the call rates learned in the task's account and region."""

    items: tuple[PageRead | CellResult, ...]
    learned: tuple[LearnedRate, ...]


class WorkerScan:
    """The state of one scan in a worker process: sessions, token buckets and threads; thread-safe."""

    def __init__(self, scan: ScanParameters) -> None:
        self._scan = scan
        self._sessions = AccountSessions(
            scan.accounts, threads=scan.thread_count, label=scan.label, regions=scan.preferred_regions
        )
        self._limits = RateLimiter()
        self._detail_pool = ThreadPoolExecutor(scan.thread_count, thread_name_prefix="cloudops-details")
        self._stop = threading.Event()
        self._verdicts = ScanVerdicts(self._sessions, self._calls)
        self._lock = threading.Lock()
        # The account-region pairs with clients, the least recently used first.
        self._account_regions: OrderedDict[tuple[str, str], None] = OrderedDict()

    def read(self, remote_task: RemoteTask) -> RemoteResult:
        """Run one task to its end, and return all that the task yielded.

        Raises:
            ScanStoppedError: The scan was stopped.
        """
        self._prepare_account_region(remote_task)
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
        """Prevent further calls, and close the connections."""
        self._stop.set()
        self._verdicts.close()
        self._detail_pool.shutdown(wait=False, cancel_futures=True)
        self._sessions.close()

    def _prepare_account_region(self, remote_task: RemoteTask) -> None:
        with self._lock:
            if remote_task.account_region not in self._account_regions:
                self._limits.adopt(remote_task.learned)
            self._account_regions[remote_task.account_region] = None
            self._account_regions.move_to_end(remote_task.account_region)
            surplus = len(self._account_regions) - _KEPT_ACCOUNT_REGIONS
            to_release = [self._account_regions.popitem(last=False)[0] for _ in range(surplus)]
        for account_region in to_release:
            self._sessions.release(*account_region)

    def _calls(self, account_id: str) -> AwsCalls:
        return AwsCalls(self._sessions, account_id, self._limits, self._stop, self._scan.user_agent_purpose)

    def _fan_out(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return list(self._detail_pool.map(function, items))


#: The state of each scan for which this worker process has run a task; :func:`stop_remote_scan` drops it.
_scans: dict[ScanParameters, WorkerScan] = {}
_scans_lock = threading.Lock()


def read_remote_task(remote_task: RemoteTask) -> RemoteResult:
    """Run a task in this process; this is the function that an executor runs in a worker."""
    with _scans_lock:
        if remote_task.scan not in _scans:
            _scans[remote_task.scan] = WorkerScan(remote_task.scan)
        worker_scan = _scans[remote_task.scan]
    return worker_scan.read(remote_task)


def stop_remote_scan(scan: ScanParameters) -> None:
    """Stop a scan in this process, and drop its state."""
    with _scans_lock:
        worker_scan = _scans.pop(scan, None)
    if worker_scan is not None:
        worker_scan.stop()
