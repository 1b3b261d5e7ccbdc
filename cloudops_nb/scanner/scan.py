"""Scans accounts, regions and resource types in parallel, and hands rows to one consuming thread as they arrive."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cloudops_nb.scanner.rate_limit import RateLimits
from cloudops_nb.scanner.run import ScanRun
from cloudops_nb.scanner.spec_files import bundled_specs
from cloudops_nb.scanner.tasks import PlannedCall, planned_calls, selection, tasks

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from concurrent.futures import Executor

    from cloudops_nb.model import CellResult
    from cloudops_nb.scanner.reading import PageRead
    from cloudops_nb.scanner.run import ProgressCallback
    from cloudops_nb.scanner.sessions import AccountSessions
    from cloudops_nb.scanner.spec import ResourceSpec


class Scanner:
    """Discovers resources; thread-safe, except that :meth:`remaining` speaks of the last scan started.

    Args:
        sessions: The ways into the accounts.
        threads: Size of the pool made for each scan; ignored when ``executor`` is given.
        specs: The resource types to scan, the bundled ones if not given.
        executor: A pool of threads to use instead; it is not shut down.
    """

    def __init__(
        self,
        sessions: AccountSessions,
        *,
        threads: int = 64,
        specs: Sequence[ResourceSpec] | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._sessions = sessions
        self._threads = threads
        self._specs = bundled_specs() if specs is None else tuple(specs)
        self._executor = executor
        self._limits = RateLimits()
        self._last: ScanRun | None = None

    def scan(
        self,
        *,
        accounts: Iterable[str] | None = None,
        regions: Iterable[str] | None = None,
        services: Iterable[str] | None = None,
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
            progress: Called in the consuming thread after every item.
            scan_id: Goes into the user agent of every call; random if not given.

        Raises:
            ConfigurationError: Something asked for does not exist; found before any call.
            CredentialsError: An account cannot be entered, and it is the only one or its id is unknown.
            AwsUnreachableError: The endpoint does not answer.
        """
        chosen = selection(
            self._specs, self._sessions.configured, accounts=accounts, regions=regions, services=services
        )
        todo = tasks(chosen, self._sessions)
        pool = self._executor or ThreadPoolExecutor(self._threads, thread_name_prefix="cloudops-scan")
        word = f"scan/{scan_id or uuid.uuid4().hex[:12]}"
        run = ScanRun(todo, self._sessions, self._limits, pool, owns_pool=self._executor is None, word=word)
        self._last = run
        return run.items(progress, room=2 * self._threads)

    def planned_calls(
        self,
        *,
        accounts: Iterable[str] | None = None,
        regions: Iterable[str] | None = None,
        services: Iterable[str] | None = None,
    ) -> tuple[PlannedCall, ...]:
        """Return every kind of call that :meth:`scan` would make with these arguments, without making one.

        Where only AWS knows an account's regions, the default ones stand in.

        Raises:
            ConfigurationError: Something asked for does not exist.
        """
        chosen = selection(
            self._specs, self._sessions.configured, accounts=accounts, regions=regions, services=services
        )
        return planned_calls(chosen, self._sessions)

    def unread(self) -> list[PageRead | CellResult]:
        """Return what the last scan had read, but not yet handed over, when it was closed or interrupted."""
        return self._last.unread() if self._last else []

    def remaining(self) -> list[CellResult]:
        """Return the cells of the last scan that have no result: ``partial`` with their pages, or ``pending``."""
        return self._last.remaining() if self._last else []
