"""Scans accounts, regions and resource types in parallel, and hands rows to one consuming thread as they arrive."""

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
from cloudops_nb.scanner.calls.rate_limit import RateLimits
from cloudops_nb.scanner.inventory.least_privilege import operations
from cloudops_nb.scanner.planning import cloudtrail_changes as changes
from cloudops_nb.scanner.planning.cloudtrail_changes import Changes, changes_since
from cloudops_nb.scanner.planning.incremental import increment
from cloudops_nb.scanner.planning.tasks import PlannedCall, ended_together, planned_calls, selection, tasks
from cloudops_nb.scanner.policies.operations import policy_operations
from cloudops_nb.scanner.running.local_run import ScanRun
from cloudops_nb.scanner.running.remote_run import ShippedRun
from cloudops_nb.scanner.running.remote_worker import Errand
from cloudops_nb.specs.answer_fields import answer_fields_by_call
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from datetime import datetime

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import CellKey, CellResult, LearnedRate
    from cloudops_nb.scanner.planning.tasks import Selection, Task
    from cloudops_nb.scanner.reading.task_reader import PageRead
    from cloudops_nb.scanner.running.local_run import ProgressCallback
    from cloudops_nb.specs.model import ResourceSpec


class Scanner:
    """Discovers resources; thread-safe, except that :meth:`remaining` speaks of the last scan started.

    Args:
        sessions: The ways into the accounts.
        threads: How many cells are read at the same time: the size of the pool that is made for each scan.
        specs: The resource types to scan, the bundled ones if not given.
        executor: What reads the cells instead of a pool of our own; it is not shut down. A ``ThreadPoolExecutor`` reads
            them in this process. Any other is taken for one of other processes, which make sessions of their own from
            the same configuration, see :mod:`cloudops_nb.scanner.running.remote_worker`.
        learned: What earlier scans learned of AWS's rate limits.
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
            sessions.expect(operations(spec, every_detail=True), answer_fields_by_call(spec))
        sessions.expect((each.service, each.operation) for each in policy_operations())
        sessions.expect([(changes.SERVICE, changes.OPERATION)])
        self._executor = executor
        self._limits = RateLimits(learned)
        self._last: ScanRun | ShippedRun | None = None
        #: The names of the accounts of the last scan by their ids.
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
    ) -> Generator[PageRead | CellResult, None, None]:
        """Return an iterator over rows and results; listing starts with its first item.

        A cell's pages come before its result. Every cell ends in an explicit state, whatever fails. Closing the
        iterator, or an interrupt, stops before the next call; then :meth:`unread` gives what was read but not taken,
        and :meth:`remaining` the cells that have no result.

        Args:
            accounts: Names or ids; all configured ones if not given.
            regions: Region names; those of each account if not given. Global types belong to every choice of regions,
                and ``global`` alone chooses only them.
            services: botocore's service names or resource types; all specs if not given.
            every_detail: Read also the details that cost a call each for what there may be thousands of.
            last: The latest results: then only cells are read that may have changed since, or did not end well. Each
                place's look into its record of changes is a cell too, and the last to end.
            progress: Called in the consuming thread after every item.
            scan_id: Goes into the user agent of every call; random if not given.

        Raises:
            ConfigurationError: Something asked for does not exist, found before any call; or an account asks for a
                code, which a worker in another process could not be given.
            CredentialsError: An account cannot be entered, and it is the only one or its id is unknown.
            AwsUnreachableError: The endpoint does not answer.
        """
        chosen = self._chosen(accounts, regions, services, every_detail=every_detail)
        word = f"scan/{scan_id or uuid.uuid4().hex[:12]}"
        limit_malloc_arenas()
        with infrequent_garbage_collection:
            todo: Sequence[Task] = tasks(chosen, self._sessions)
        self.account_names = {task.account.account_id: task.account.name for task in todo}
        looks: Sequence[CellResult] = ()
        if last is not None:
            part = increment(todo, last, partial(self._look, word), self._partition(todo))
            todo, looks = part.tasks, part.looks
        self._last = run = self._run(todo, word)
        items = run.items(progress, threads=self._threads, room=2 * self._threads)
        return _followed(items, looks) if looks else items

    def planned_calls(
        self,
        *,
        accounts: Iterable[str] | None = None,
        regions: Iterable[str] | None = None,
        services: Iterable[str] | None = None,
        every_detail: bool = False,
    ) -> tuple[PlannedCall, ...]:
        """Return every kind of call that :meth:`scan` would make with these arguments, without making one.

        Where only AWS knows an account's regions, the default ones stand in.

        Raises:
            ConfigurationError: Something asked for does not exist.
        """
        chosen = self._chosen(accounts, regions, services, every_detail=every_detail)
        return planned_calls(chosen, self._sessions)

    def learned(self) -> Sequence[LearnedRate]:
        """Return what this scanner's scans learned of AWS's rate limits, for the next scanner."""
        return self._limits.learned()

    def unread(self) -> list[PageRead | CellResult]:
        """Return what the last scan had read, but not yet handed over, when it was closed or interrupted."""
        return self._last.unread() if self._last else []

    def remaining(self) -> list[CellResult]:
        """Return the cells of the last scan that have no result: ``partial`` with their pages, or ``pending``."""
        return self._last.remaining() if self._last else []

    def _chosen(
        self,
        accounts: Iterable[str] | None,
        regions: Iterable[str] | None,
        services: Iterable[str] | None,
        *,
        every_detail: bool,
    ) -> Selection:
        return selection(
            self._specs,
            self._sessions.configured,
            accounts=accounts,
            regions=regions,
            services=services,
            every_detail=every_detail,
        )

    def _look(self, word: str, account_id: str, region: str, moment: datetime) -> Changes:
        calls = AwsCalls(self._sessions, account_id, self._limits, threading.Event(), word)
        return changes_since(calls, region, moment)

    def _partition(self, todo: Sequence[Task]) -> str:
        return self._sessions.partition(todo[0].account.account_id) if todo else COMMERCIAL

    def _run(self, todo: Sequence[Task], word: str) -> ScanRun | ShippedRun:
        if self._executor is None or isinstance(self._executor, ThreadPoolExecutor):
            pool = self._executor or ThreadPoolExecutor(self._threads, thread_name_prefix="cloudops-scan")
            todo = ended_together(todo, self._threads)
            return ScanRun(todo, self._sessions, self._limits, pool, owns_pool=self._executor is None, word=word)
        accounts = tuple({task.account.account_id: task.account for task in todo}.values())
        for account in accounts:
            if self._sessions.needs_mfa_code(account.account_id):
                what = f"account {account.name} cannot be scanned by other processes"
                raise ConfigurationError(what, "its profile asks for a code", "Scan it here, or give it a role.")
        errand = Errand(accounts, self._sessions.label, word, self._threads)
        return ShippedRun(todo, errand, self._executor, self._limits)


def _followed(
    items: Generator[PageRead | CellResult, None, None], looks: Iterable[CellResult]
) -> Generator[PageRead | CellResult, None, None]:
    yield from items
    yield from looks
