"""Runs scans into the store: rows while they arrive, cells as they end, and the record of both."""

from __future__ import annotations

import time
import uuid
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from cloudops_nb.client.frames import hits_frame, rows_frame
from cloudops_nb.client.scan_executor import opened_executor
from cloudops_nb.client.scan_writer import ScanWriter
from cloudops_nb.errors import AlreadyRecordedError, ConfigurationError
from cloudops_nb.model import CellState, ResourceFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    import pandas as pd

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.model import CellKey, CellResult, Resource, SearchHit
    from cloudops_nb.scanner.report import ScanReport
    from cloudops_nb.scanner.running.progress import Progress
    from cloudops_nb.scanner.scan import Scanner
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.facade import StorageService

STARTED, ENDED = "scan_started", "scan_ended"
MODES = FULL, INCREMENTAL = "full", "incremental"
PLANNED_COLUMNS = ("account", "region", "service", "operation", "times", "parameters")


@dataclass(frozen=True)
class _Run:
    """One scan: its id, when it began, and by which reading of the monotonic clock."""

    id: str
    started: datetime
    clock: float


class Inventory:
    """Scans one estate into one store; several processes may scan at once, the last reading of a cell wins.

    Rows are kept from the moment their page was written. A cell that was being read when the process died is told as
    ``partial`` from the next opening on, with its rows, old and new, in place.

    Args:
        storage: The store.
        sessions: Opens the AWS sessions, on first use.
        settings: The settings in force.
    """

    def __init__(self, storage: StorageService, sessions: Callable[[], AccountSessions], settings: Settings) -> None:
        self._storage = storage
        self._sessions = sessions
        self._settings = settings
        self._locks = settings.data_path / "locks"
        self._under_way: set[str] = set()

    @property
    def scanning(self) -> bool:
        """Whether a scan of this process is under way."""
        return bool(self._under_way)

    def scan(
        self,
        *,
        mode: str = FULL,
        every_detail: bool = False,
        progress: Callable[[Progress], None] | None = None,
        executor: Executor | str | None = None,
        **scope: Iterable[str] | None,
    ) -> ScanReport:
        """Scan and return the report; an interrupt keeps what was read, marks the rest and is raised again.

        Args:
            mode: ``full``, or ``incremental`` for what may have changed since.
            every_detail: Whether to read what costs a call a resource too.
            progress: Called on this thread after every page and cell that was read; they are written behind it.
            executor: What reads the cells, as the scanner takes it; it is not shut down. Or ``dask:ADDRESS``.
            scope: ``accounts``, ``regions`` and ``services``, as the scanner takes them.

        Raises:
            ConfigurationError: The mode or the executor is unknown, or the scope names something that is.
        """
        if mode not in MODES:
            raise ConfigurationError(f"unknown scan mode {mode}", "", f"Use {' or '.join(MODES)}.")
        with opened_executor(executor) as opened:
            return self._scan(self._scanner(opened), mode, every_detail, progress, scope)

    def _scan(
        self,
        scanner: Scanner,
        mode: str,
        every_detail: bool,
        progress: Callable[[Progress], None] | None,
        scope: Mapping[str, Iterable[str] | None],
    ) -> ScanReport:
        run = _Run(uuid.uuid4().hex, datetime.now(UTC), time.monotonic())
        last = {result.key: result for result in self._storage.scan_state.cells()}
        previous = {key: result.resources for key, result in last.items()}
        since = last if mode == INCREMENTAL else None
        items = scanner.scan(**scope, every_detail=every_detail, last=since, progress=progress, scan_id=run.id)
        writer = ScanWriter(self._storage, run.id)
        with self._held(run.id):
            asked = {"mode": mode, **{name: list(value or ()) for name, value in scope.items()}}
            self._storage.journal.append(STARTED, run.id, asked)
            status = "interrupted"
            try:
                with writer, closing(items):
                    for item in items:
                        writer.put(item)
                status = "completed"
            finally:
                writer.finish(scanner.unread(), scanner.remaining())
                self._storage.scan_state.put_rates(scanner.learned())
                self._storage.flush()
                self._end(run.id, _summary(run, list(writer.results.values()), status))
        self._lock_path(run.id).unlink(missing_ok=True)
        return self._report(run, writer.results, scanner.account_names, previous)

    def planned_calls(self, *, every_detail: bool = False, **scope: Iterable[str] | None) -> pd.DataFrame:
        """Return the calls that a full scan of this scope would make, one row a kind of call."""
        calls = self._scanner().planned_calls(**scope, every_detail=every_detail)
        rows = [{name: getattr(call, name) for name in PLANNED_COLUMNS} for call in calls]
        return rows_frame(rows, PLANNED_COLUMNS)

    def resource_types(self, *, cloud_control: bool = False, account: str = "") -> pd.DataFrame:
        """Return the types that can be scanned; with ``cloud_control``, also those that an account is told about.

        Raises:
            ConfigurationError: A declaration of the user's own is not valid, or the account is unknown.
            AwsError: The account cannot be entered, or AWS does not tell its types.
        """
        from cloudops_nb.scanner.inventory.resource_types import COLUMNS, cloud_control_types, declared_types
        from cloudops_nb.specs.files import specs_of

        specs = specs_of(self._settings.data_path)
        rows = declared_types(specs)
        if cloud_control:
            rows += cloud_control_types(self._sessions(), specs, account)
        return rows_frame(rows, COLUMNS)

    def refresh(self, plan: Plan) -> None:
        """Read again what a plan acted on, so that the store shows what came of it."""
        types = sorted({target.resource_type for target in plan.target_states})
        self.scan(accounts=[plan.account_id], regions=[plan.region], services=types)

    def recover(self) -> None:
        """Tell the truth about scans whose process died: their open cells are ``partial``."""
        records = self._storage.journal.records(kind=(STARTED, ENDED))
        ended = {record.subject for record in records if record.kind == ENDED}
        still_open = [record.subject for record in records if record.subject not in ended]
        if not still_open or not all(map(self._dead, still_open)):
            return  # cells of a scan that lives look the same; whoever opens after it ended tells about the dead one
        for result in self._storage.scan_state.cells():
            if result.state is CellState.RUNNING:
                left = replace(result, state=CellState.PARTIAL, detail="the process that read it ended")
                self._storage.scan_state.put(left)
        for scan_id in still_open:
            self._end(scan_id, {"status": "failed", "reason": "the process ended"})
            self._lock_path(scan_id).unlink(missing_ok=True)

    def dependents(self, targets: Sequence[Resource]) -> dict[str, list[str]]:
        """Return, by each target's canonical key, what in the store says that it depends on it."""
        identifiers = {target.identifier: target.canonical_key for target in targets}
        found: dict[str, list[str]] = {target.canonical_key: [] for target in targets}
        first = targets[0]
        for hit in self._storage.estate.resources(ResourceFilter(account=first.account_id, region=first.region)):
            for relation in hit.resource.relations:
                if key := identifiers.get(relation.identifier):
                    label = hit.resource.name or hit.resource.identifier
                    found[key].append(f"{hit.resource.resource_type} {label} ({relation.kind.replace('_', ' ')})")
        return found

    def depending(self, hits: Iterable[SearchHit], text: str) -> Iterator[SearchHit]:
        """Return those of some resources that name another one, given by its id, name or ARN, in a relation.

        Raises:
            ConfigurationError: There is no such resource in the store.
        """
        named = self._storage.estate.lookup(text)
        if not named:
            raise ConfigurationError(f"there is no resource {text}", "", "Give its id, name or ARN; or scan first.")
        wanted = {(each.account_id, each.resource_type, each.identifier) for each in named}
        return (
            hit
            for hit in hits
            if any(
                (hit.resource.account_id, to.resource_type, to.identifier) in wanted for to in hit.resource.relations
            )
        )

    def unattended_accounts(self) -> list[str] | None:
        """Return the accounts that can be scanned without anybody who types a code; ``None`` if those are all.

        Raises:
            ConfigurationError: There are none.
        """
        sessions = self._sessions()
        names = [account.name for account in sessions.unattended()]
        if len(names) == len(sessions.configured):
            return None
        if not names:
            raise ConfigurationError("no account can be scanned regularly", "their profiles ask for a code")
        return names

    def _scanner(self, executor: Executor | None = None) -> Scanner:
        from cloudops_nb.scanner.scan import Scanner
        from cloudops_nb.specs.files import specs_of

        specs = specs_of(self._settings.data_path)
        learned, threads = self._storage.scan_state.rates(), self._settings.scan_threads
        return Scanner(self._sessions(), threads=threads, specs=specs, executor=executor, learned=learned)

    def _end(self, scan_id: str, body: dict[str, Any]) -> None:
        """Record the end of a scan; a scan ends once, whoever is first to say so."""
        with suppress(AlreadyRecordedError):
            self._storage.journal.append(ENDED, scan_id, body, once=f"{ENDED}:{scan_id}")

    @contextmanager
    def _held(self, scan_id: str) -> Iterator[None]:
        """Tell this process and all others that a scan is under way."""
        with self._lock(scan_id):
            self._under_way.add(scan_id)
            try:
                yield
            finally:
                self._under_way.discard(scan_id)

    def _lock(self, scan_id: str) -> FileLock:
        self._locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self._lock_path(scan_id), mode=0o600)

    def _lock_path(self, scan_id: str) -> Path:
        return self._locks / f"scan-{scan_id}.lock"

    def _dead(self, scan_id: str) -> bool:
        try:
            with self._lock(scan_id).acquire(blocking=False):
                return True
        except Timeout:
            return False

    def _report(
        self,
        run: _Run,
        results: Mapping[CellKey, CellResult],
        account_names: Mapping[str, str],
        previous: Mapping[CellKey, int],
    ) -> ScanReport:
        from cloudops_nb.scanner.report import ScanReport

        return ScanReport(
            run.id,
            run.started,
            time.monotonic() - run.clock,
            sorted(results.values(), key=lambda result: str(result.key)),
            account_names,
            previous,
            lambda: self._frame(results.keys()),
        )

    def _frame(self, cells: Collection[CellKey]) -> pd.DataFrame:
        return hits_frame((hit for hit in self._storage.estate.resources() if hit.resource.cell in cells), scored=False)


def _summary(run: _Run, results: Sequence[CellResult], status: str) -> dict[str, Any]:
    return {
        "status": status,
        "cells": len(results),
        "complete": sum(result.state.complete for result in results),
        "resources": sum(result.resources for result in results),
        "seconds": round(time.monotonic() - run.clock, 3),
    }
