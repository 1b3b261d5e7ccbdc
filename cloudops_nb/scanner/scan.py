"""Scans accounts, regions and resource types in parallel, and yields resources in one thread as they arrive.

A cell is one resource type in one account and region. A task is one list call with all its pages; it fills one or more
cells. A spec is the declaration of a resource type.
"""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cloudops_nb.aws.regions import COMMERCIAL
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
from cloudops_nb.scanner.inventory.least_privilege import scan_operations
from cloudops_nb.scanner.planning import cloudtrail_changes as changes
from cloudops_nb.scanner.planning.cloudtrail_changes import RecordedChanges, changes_since
from cloudops_nb.scanner.planning.incremental_scan import incremental_tasks
from cloudops_nb.scanner.planning.scan_tasks import checked_selection, planned_calls, scan_tasks, short_tasks_last
from cloudops_nb.scanner.policies.policy_calls import policy_operations
from cloudops_nb.scanner.running.garbage_collection import infrequent_garbage_collection
from cloudops_nb.scanner.running.local_run import LocalRun
from cloudops_nb.scanner.running.remote_run import RemoteRun
from cloudops_nb.scanner.running.remote_worker import ScanParameters
from cloudops_nb.scanner.running.row_budget import RowBudget, giving_back
from cloudops_nb.specs.answer_fields import answer_fields_by_call
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from concurrent.futures import Executor
    from datetime import datetime

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import Account, CellKey, CellResult, LearnedRate, RefusedAccount
    from cloudops_nb.scanner.reading.task_reader import PageRead
    from cloudops_nb.scanner.running.local_run import ProgressCallback
    from cloudops_nb.scanner.task import PlannedCall, ScanTask, Selection
    from cloudops_nb.specs.model import ResourceSpec


class Scanner:
    """Discovers resources.

    Thread-safe, but :attr:`accounts`, :attr:`refused`, :meth:`unread` and :meth:`remaining` are about the scan that
    started last.

    Args:
        sessions: The sessions of the configured accounts.
        threads: The number of tasks that one process reads at the same time.
        specs: The declarations of the resource types to scan; the bundled ones by default.
        executor: Runs the tasks. The scan does not shut it down. By default, each scan creates its own thread pool. A
            ``ThreadPoolExecutor`` runs the tasks in this process. Any other executor must run them in other processes,
            which open their own sessions from the same configuration, see
            :mod:`cloudops_nb.scanner.running.remote_worker`.
        learned: The call rates that earlier scans learned.
    """

    def __init__(
        self,
        sessions: AccountSessions,
        *,
        threads: int = 64,
        specs: Sequence[ResourceSpec] | None = None,
        executor: Executor | None = None,
        learned: Iterable[LearnedRate] = (),
    ) -> None:
        self._sessions = sessions
        self._threads = threads
        self._specs = bundled_specs() if specs is None else tuple(specs)
        # Announce all operations: a client loads only those parts of botocore's models that announced operations need.
        for spec in self._specs:
            sessions.expect(scan_operations(spec, every_detail=True), answer_fields_by_call(spec))
        sessions.expect((each.service, each.operation) for each in policy_operations())
        sessions.expect([(changes.SERVICE, changes.OPERATION)])
        self._executor = executor
        self._limits = RateLimiter(learned)
        self._last: LocalRun | RemoteRun | None = None
        #: The last scan's accounts, by account id.
        self.accounts: Mapping[str, Account] = {}
        #: The last scan's accounts that could not be entered, and whose ids are unknown, so that they have no cells.
        self.refused: Sequence[RefusedAccount] = ()

    def scan(
        self,
        *,
        accounts: Iterable[str] | None = None,
        regions: Iterable[str] | None = None,
        services: Iterable[str] | None = None,
        every_detail: bool = False,
        last: Mapping[CellKey, CellResult] | None = None,
        progress: ProgressCallback | None = None,
        scan_id: str = "",
        budget: RowBudget | None = None,
    ) -> Generator[PageRead | CellResult, None, None]:
        """Enter the accounts, plan the scan, and return an iterator over its pages and results.

        To enter an account is to get its caller identity from AWS and to compare its id with the configured one. The
        tasks start when the first item is requested. A cell's pages come before its result. Every cell ends in an
        explicit state, even after a failure.

        Closing the iterator, or an interrupt, stops the scan: no further call starts in this process or on a Dask
        cluster. The workers of other executors finish the tasks that they have started. Afterwards :meth:`unread`
        returns the items that were read but not yielded, and :meth:`remaining` returns a preliminary result for each
        cell that has no result.

        Args:
            accounts: Names or ids; all configured accounts by default.
            regions: Region names; by default each account's enabled regions. Global types are always included;
                ``global`` alone selects only global types.
            services: botocore's service names, resource types, or CloudFormation types such as ``AWS::SQS::Queue``; all
                specs by default.
            every_detail: Whether to also read the expensive details, which take one call per resource.
            last: The latest result of each cell. If given, the scan reads a cell only if this result is not complete,
                or if the cell's resources may have changed since. CloudTrail lookups find these changes. Each lookup
                has a cell of its own, and the results of lookups come after all other items.
            progress: Called in the thread that uses the iterator, for every page and result of a task, before the page
                or result is yielded.
            scan_id: The id that every call carries in its user agent, as in ``scan/0a1b2c``, so that CloudTrail shows
                which scan made the call; random by default.
            budget: Limits the rows that are read but not yet written. The caller must return the rows of each item to
                the budget. Without a budget, the scan limits the rows itself, and the rows of an item count until the
                next item is requested.

        Raises:
            ConfigurationError: The selection names something that does not exist, the configuration of every selected
                account is wrong, or workers in other processes would need an MFA code.
            CredentialsError: AWS refused entry to every selected account.
            AwsUnreachableError: The endpoint did not respond for any selected account.
        """
        selection = self._selection(accounts, regions, services, every_detail=every_detail)
        user_agent_purpose = f"scan/{scan_id or uuid.uuid4().hex[:12]}"
        with infrequent_garbage_collection:
            tasks: Sequence[ScanTask] = scan_tasks(selection, self._sessions)
        self.accounts = {task.account.account_id: task.account for task in tasks}
        self.refused = self._sessions.refused(selection.accounts)
        lookups: Sequence[CellResult] = ()
        if last is not None:
            incremental = incremental_tasks(
                tasks, last, partial(self._look_up_changes, user_agent_purpose), self._partition(tasks)
            )
            tasks, lookups = incremental.tasks, incremental.lookups
        self._last = run = self._run(tasks, user_agent_purpose)
        row_budget = budget or RowBudget()
        items = run.items(progress, threads=self._threads, budget=row_budget)
        if budget is None:
            items = giving_back(items, row_budget)
        return _items_then_lookups(items, lookups) if lookups else items

    def read(
        self, account: str, region: str, identifiers: Mapping[str, AbstractSet[str]]
    ) -> Iterator[PageRead | CellResult]:
        """Read some resources of an account and region, and return an iterator over pages and results.

        A resource without a page does not exist any more if its cell's result is complete.

        Args:
            account: The account's name or id.
            region: The region; global types are read whatever it is.
            identifiers: The identifiers of the resources by resource type.

        Raises:
            CloudOpsError: As :meth:`scan` raises.
        """
        selection = self._selection([account], [region], identifiers, every_detail=False)
        tasks = [
            replace(task, identifiers=frozenset(identifiers[task.spec.resource_type]))
            for task in scan_tasks(selection, self._sessions)
            if task.spec.resource_type in identifiers
        ]
        budget = RowBudget()
        run = self._run(tasks, f"read/{uuid.uuid4().hex[:12]}")
        return giving_back(run.items(None, threads=len(tasks), budget=budget), budget)

    def planned_calls(
        self,
        *,
        accounts: Iterable[str] | None = None,
        regions: Iterable[str] | None = None,
        services: Iterable[str] | None = None,
        every_detail: bool = False,
    ) -> tuple[PlannedCall, ...]:
        """Return the kinds of call that a full :meth:`scan` with these arguments would make; makes no call.

        Without ``regions``, every configured account gets the regions that the partition ``aws`` enables by default,
        because only AWS knows the account's own regions. Of an organization, only the configured account is included,
        because only AWS knows the other accounts.

        Raises:
            ConfigurationError: The selection names something that does not exist.
        """
        selection = self._selection(accounts, regions, services, every_detail=every_detail)
        return planned_calls(selection, self._sessions)

    def learned(self) -> Sequence[LearnedRate]:
        """Return the call rates that this scanner's scans learned; pass them to the next scanner."""
        return self._limits.learned()

    def unread(self) -> list[PageRead | CellResult]:
        """Return and forget the items that the last scan had read but not yielded when it was closed or interrupted."""
        return self._last.unread() if self._last else []

    def remaining(self) -> list[CellResult]:
        """Return a preliminary result, ``partial`` or ``pending``, for each unfinished cell of the last scan."""
        return self._last.remaining() if self._last else []

    def _selection(
        self,
        accounts: Iterable[str] | None,
        regions: Iterable[str] | None,
        services: Iterable[str] | None,
        *,
        every_detail: bool,
    ) -> Selection:
        return checked_selection(
            self._specs,
            self._sessions.configured,
            accounts=accounts,
            regions=regions,
            services=services,
            every_detail=every_detail,
        )

    def _look_up_changes(
        self, user_agent_purpose: str, account_id: str, region: str, since: datetime
    ) -> RecordedChanges:
        # Nothing sets the stop event: after an interrupt, no further lookup starts, and a running lookup ends soon.
        calls = AwsCalls(self._sessions, account_id, self._limits, threading.Event(), user_agent_purpose)
        return changes_since(calls, region, since)

    def _partition(self, tasks: Sequence[ScanTask]) -> str:
        return self._sessions.partition(tasks[0].account.account_id) if tasks else COMMERCIAL

    def _run(self, tasks: Sequence[ScanTask], user_agent_purpose: str) -> LocalRun | RemoteRun:
        if self._executor is None or isinstance(self._executor, ThreadPoolExecutor):
            pool = self._executor or ThreadPoolExecutor(self._threads, thread_name_prefix="cloudops-scan")
            tasks = short_tasks_last(tasks, self._threads)
            return LocalRun(
                tasks,
                self._sessions,
                self._limits,
                pool,
                owns_pool=self._executor is None,
                user_agent_purpose=user_agent_purpose,
            )
        accounts = tuple({task.account.account_id: task.account for task in tasks}.values())
        # A worker has no terminal where a person could enter a code.
        for account in accounts:
            if self._sessions.needs_mfa_code(account.account_id):
                what = f"cannot scan account {account.name} in other processes"
                fix = "Scan the account without an executor, or configure a role or profile that needs no MFA code."
                raise ConfigurationError(what, "its profile or role asks for an MFA code", fix)
        sessions = self._sessions
        scan = ScanParameters(accounts, sessions.label, user_agent_purpose, self._threads, sessions.preferred_regions)
        return RemoteRun(tasks, scan, self._executor, self._limits)


def _items_then_lookups(
    items: Generator[PageRead | CellResult, None, None], lookups: Iterable[CellResult]
) -> Generator[PageRead | CellResult, None, None]:
    yield from items
    yield from lookups
