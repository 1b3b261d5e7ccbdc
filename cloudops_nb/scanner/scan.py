"""Scans accounts, regions and resource types in parallel, and yields resources in one thread as they arrive."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from cloudops_nb.aws.fast_botocore.process_tuning import infrequent_garbage_collection, limit_malloc_arenas
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
from cloudops_nb.scanner.running.local_run import LocalRun
from cloudops_nb.scanner.running.remote_run import RemoteRun
from cloudops_nb.scanner.running.remote_worker import RemoteScan
from cloudops_nb.scanner.running.row_budget import RowBudget, giving_back
from cloudops_nb.specs.answer_fields import answer_fields_by_call
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from datetime import datetime

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import CellKey, CellResult, LearnedRate
    from cloudops_nb.scanner.reading.task_reader import PageRead
    from cloudops_nb.scanner.running.local_run import ProgressCallback
    from cloudops_nb.scanner.task import PlannedCall, ScanTask, Selection
    from cloudops_nb.specs.model import ResourceSpec


class Scanner:
    """Discovers resources; thread-safe, except that :meth:`unread` and :meth:`remaining` concern the last scan started.

    Args:
        sessions: The sessions of the configured accounts.
        threads: The number of cells that are read at the same time; the size of each scan's own thread pool.
        specs: The resource types to scan; the bundled ones by default.
        executor: Reads the cells instead of an own pool; it is not shut down. A ``ThreadPoolExecutor`` reads them in
            this process. Any other executor must run other processes, which open sessions of their own from the same
            configuration, see :mod:`cloudops_nb.scanner.running.remote_worker`.
        learned: The rate limits that earlier scans learned.
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
        for spec in self._specs:
            sessions.expect(scan_operations(spec, every_detail=True), answer_fields_by_call(spec))
        sessions.expect((each.service, each.operation) for each in policy_operations())
        sessions.expect([(changes.SERVICE, changes.OPERATION)])
        self._executor = executor
        self._limits = RateLimiter(learned)
        self._last: LocalRun | RemoteRun | None = None
        #: The account names of the last scan by id.
        self.account_names: Mapping[str, str] = {}

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
        """Return an iterator over pages and results; listing starts with its first item.

        A cell's pages come before its result. Every cell ends in an explicit state, whatever fails. Closing the
        iterator, or an interrupt, stops the scan before the next call. After that, :meth:`unread` returns the items
        that were read but not yielded, and :meth:`remaining` the cells that have no result.

        Args:
            accounts: Names or ids; all configured accounts by default.
            regions: Region names; each account's regions by default. Every selection of regions includes global types,
                and ``global`` alone selects only them.
            services: botocore's service names or resource types; all specs by default.
            every_detail: Whether to read expensive details too, which cost one call per resource for perhaps thousands.
            last: The latest results. If given, the scan reads only cells that may have changed since or that did not
                end well. Each lookup in CloudTrail's record is a cell too; these cells end last.
            progress: Called in the consuming thread after every item.
            scan_id: Part of the user agent of every call; random by default.
            budget: Limits the rows in flight; the caller gives back the room of each item. By default the next item's
                request gives it back.

        Raises:
            ConfigurationError: The selection names something that does not exist, found before any call; or an account
                needs an MFA code, which a worker in another process cannot be given.
            CredentialsError: An account cannot be entered, and it is the only one or its id is unknown.
            AwsUnreachableError: The endpoint does not answer.
        """
        chosen = self._selection(accounts, regions, services, every_detail=every_detail)
        word = f"scan/{scan_id or uuid.uuid4().hex[:12]}"
        # Each thread would otherwise keep memory of its own in the C library, which adds up over many threads.
        limit_malloc_arenas()
        with infrequent_garbage_collection:
            todo: Sequence[ScanTask] = scan_tasks(chosen, self._sessions)
        self.account_names = {task.account.account_id: task.account.name for task in todo}
        lookups: Sequence[CellResult] = ()
        if last is not None:
            part = incremental_tasks(todo, last, partial(self._look_up_changes, word), self._partition(todo))
            todo, lookups = part.tasks, part.lookups
        self._last = run = self._run(todo, word)
        room = budget or RowBudget()
        items = run.items(progress, threads=self._threads, budget=room)
        if budget is None:
            items = giving_back(items, room)
        return _items_then_lookups(items, lookups) if lookups else items

    def planned_calls(
        self,
        *,
        accounts: Iterable[str] | None = None,
        regions: Iterable[str] | None = None,
        services: Iterable[str] | None = None,
        every_detail: bool = False,
    ) -> tuple[PlannedCall, ...]:
        """Return every kind of call that :meth:`scan` would make with these arguments, without making one.

        Default regions replace those that only AWS knows.

        Raises:
            ConfigurationError: The selection names something that does not exist.
        """
        chosen = self._selection(accounts, regions, services, every_detail=every_detail)
        return planned_calls(chosen, self._sessions)

    def learned(self) -> Sequence[LearnedRate]:
        """Return the rate limits that this scanner's scans learned, for the next scanner."""
        return self._limits.learned()

    def unread(self) -> list[PageRead | CellResult]:
        """Return the items that the last scan had read, but not yielded, when it was closed or interrupted."""
        return self._last.unread() if self._last else []

    def remaining(self) -> list[CellResult]:
        """Return preliminary results of the last scan's cells that have not ended: ``partial`` or ``pending``."""
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

    def _look_up_changes(self, word: str, account_id: str, region: str, moment: datetime) -> RecordedChanges:
        calls = AwsCalls(self._sessions, account_id, self._limits, threading.Event(), word)
        return changes_since(calls, region, moment)

    def _partition(self, todo: Sequence[ScanTask]) -> str:
        return self._sessions.partition(todo[0].account.account_id) if todo else COMMERCIAL

    def _run(self, todo: Sequence[ScanTask], word: str) -> LocalRun | RemoteRun:
        if self._executor is None or isinstance(self._executor, ThreadPoolExecutor):
            pool = self._executor or ThreadPoolExecutor(self._threads, thread_name_prefix="cloudops-scan")
            todo = short_tasks_last(todo, self._threads)
            return LocalRun(todo, self._sessions, self._limits, pool, owns_pool=self._executor is None, word=word)
        accounts = tuple({task.account.account_id: task.account for task in todo}.values())
        # A worker has no terminal where a person could enter a code.
        for account in accounts:
            if self._sessions.needs_mfa_code(account.account_id):
                what = f"cannot scan account {account.name} in other processes"
                raise ConfigurationError(
                    what, "its profile asks for an MFA code", "Scan it in this process, or give it a role."
                )
        scan = RemoteScan(accounts, self._sessions.label, word, self._threads)
        return RemoteRun(todo, scan, self._executor, self._limits)


def _items_then_lookups(
    items: Generator[PageRead | CellResult, None, None], lookups: Iterable[CellResult]
) -> Generator[PageRead | CellResult, None, None]:
    yield from items
    yield from lookups
