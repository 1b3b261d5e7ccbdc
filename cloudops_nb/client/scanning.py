"""Runs scans, writes what they read to the store, and records each scan's start and end in the journal.

A scan reads in cells: a cell is one resource type in one account and region, with a state such as ``ok``,
``running`` or ``partial``.
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.client.frames import hits_frame, rows_frame
from cloudops_nb.client.scan_executor import opened_executor
from cloudops_nb.client.scan_writer import ScanWriter
from cloudops_nb.client.unscanned_cells import advice as unscanned_advice
from cloudops_nb.client.unscanned_cells import unscanned
from cloudops_nb.errors import AlreadyRecordedError, ConfigurationError
from cloudops_nb.model import CellResult, CellState
from cloudops_nb.storage.journal.scan_anchor import SCAN_ENDED, TURN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    import pandas as pd

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.model import CellKey
    from cloudops_nb.scanner.report import ScanReport
    from cloudops_nb.scanner.running.scan_progress import Progress
    from cloudops_nb.scanner.scan import Scanner
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.facade import StorageService

STARTED, ENDED = "scan_started", SCAN_ENDED
MODES = FULL, INCREMENTAL = "full", "incremental"
PLANNED_COLUMNS = ("account", "region", "service", "operation", "times", "parameters")


@dataclass(frozen=True)
class _ScanRun:
    """One scan: its id, and its start, both in UTC and on the monotonic clock, which measures the duration."""

    id: str
    started: datetime
    monotonic_start: float

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.monotonic_start


class ScanRunner:
    """Scans AWS accounts and keeps the resources in a store.

    Several processes may scan at the same time. If they read the same cell, the store keeps the result that was written
    last. Resources are in the store as soon as their page is written, before the scan ends. If a process dies while it
    reads a cell, :meth:`recover` marks the cell ``partial``, and the cell keeps its old and new rows.

    Args:
        storage: The store.
        sessions: Returns the AWS sessions; called only when a scan needs them.
        settings: The settings in force.
    """

    def __init__(self, storage: StorageService, sessions: Callable[[], AccountSessions], settings: Settings) -> None:
        self._storage = storage
        self._sessions = sessions
        self._settings = settings
        self._running_scans: set[str] = set()

    @property
    def scanning(self) -> bool:
        """Whether this process is scanning."""
        return bool(self._running_scans)

    def scan(
        self,
        *,
        mode: str = FULL,
        every_detail: bool = False,
        progress: Callable[[Progress], None] | None = None,
        executor: Executor | str | None = None,
        **scope: Iterable[str] | None,
    ) -> ScanReport:
        """Scan, and return the report.

        After an interrupt, the store keeps what was read, and the interrupt is raised again.

        Args:
            mode: ``full``, or ``incremental`` to scan only what may have changed since the last scan.
            every_detail: Whether to also read details that take one API call per resource.
            progress: Called in the calling thread after each page and each cell; counts what was read, which may not
                be written yet.
            executor: Reads instead of this process's own threads: an executor, which the scan does not shut down, or
                ``dask:ADDRESS`` for a Dask cluster.
            scope: ``accounts``, ``regions`` and ``services``, as for ``Scanner.scan``.

        Raises:
            ConfigurationError: The mode, the executor or a part of the scope is unknown.
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
        run = _ScanRun(uuid.uuid4().hex, datetime.now(UTC), time.monotonic())
        last_results = {result.key: result for result in self._storage.scan_state.cells()}
        previous = {key: result.resources for key, result in last_results.items()}
        last = last_results if mode == INCREMENTAL else None
        from cloudops_nb.scanner.running.row_budget import RowBudget

        budget = RowBudget()
        items = scanner.scan(
            **scope, every_detail=every_detail, last=last, progress=progress, scan_id=run.id, budget=budget
        )
        writer = ScanWriter(self._storage, run.id, budget)
        with self._marked_running(run.id), self._storage.scan_locks.holding(run.id):
            # Recorded before the first page is read, so that recover() finds this scan if the process dies.
            parameters = {"mode": mode, **{name: list(value or ()) for name, value in scope.items()}}
            self._storage.journal.append(STARTED, run.id, parameters)
            status = "interrupted"
            try:
                with writer, closing(items):
                    for item in items:
                        writer.put(item)
                status = "completed"
            finally:
                # Also after an interrupt: keep what was read, and give every unfinished cell a result.
                writer.finish(scanner.unread(), scanner.remaining())
                self._storage.estate.end_scan(run.id)
                self._storage.scan_state.put_rates(scanner.learned())
                left_out: Sequence[CellResult] = ()
                if status == "completed" and self._covers_everything(mode, scope):
                    self._storage.estate.integrity.trust_scan(run.id)
                    left_out = unscanned(last_results, writer.results, every_account=not scanner.refused)
                    self._storage.scan_state.put_all(left_out)
                self._storage.flush()
                self._record_end(run.id, _end_record(run, list(writer.results.values()), status))
        return self._report(run, writer.results, scanner, previous, left_out)

    def planned_calls(self, *, every_detail: bool = False, **scope: Iterable[str] | None) -> pd.DataFrame:
        """Return the calls that a full scan of this scope would make, one row per kind of call, account and region.

        ``.attrs["summary"]`` says how many there are at least, and which limit takes the longest.
        """
        from cloudops_nb.scanner.planning.plan_summary import plan_summary

        calls = self._scanner().planned_calls(**scope, every_detail=every_detail)
        rows = [{name: getattr(call, name) for name in PLANNED_COLUMNS} for call in calls]
        frame = rows_frame(rows, PLANNED_COLUMNS)
        frame.attrs["summary"] = plan_summary(calls)
        return frame

    def resource_types(self, *, cloud_control: bool = False, account: str = "") -> pd.DataFrame:
        """Return the types that are declared; with ``cloud_control``, also further types that Cloud Control can read.

        Raises:
            ConfigurationError: One of the user's own type declarations is invalid, or the account is unknown.
            AwsError: The account cannot be accessed, or AWS refuses to list the types.
        """
        from cloudops_nb.scanner.inventory.resource_types import TYPE_COLUMNS, cloud_control_types, declared_types
        from cloudops_nb.specs.files import specs_of

        specs = specs_of(self._settings.data_path)
        rows = declared_types(specs)
        if cloud_control:
            rows += cloud_control_types(self._sessions(), specs, account)
        return rows_frame(rows, TYPE_COLUMNS)

    def refresh(self, plan: Plan) -> None:
        """Read a plan's targets again, and nothing else, so that the store shows the result of the plan.

        A target that AWS no longer lists is removed from the store, if the whole list of its type could be read.

        Raises:
            CloudOpsError: The account cannot be accessed, or the store cannot be written.
        """
        targets = [target for target in plan.target_states if target.resource_type]
        # A plan that only reads leaves the rows right.
        if not targets or plan.effect == "read":
            return
        identifiers: dict[str, set[str]] = defaultdict(set)
        for target in targets:
            identifiers[target.resource_type].add(target.identifier)
        items = list(self._scanner().read(plan.account_id, plan.region, identifiers))
        found = [resource for item in items if not isinstance(item, CellResult) for resource in item.resources]
        if found:
            self._storage.estate.apply_delta(found)
        unread = {item.key.resource_type for item in items if isinstance(item, CellResult) and not item.state.complete}
        known = {resource.canonical_key for resource in found}
        gone = [each.arn for each in targets if each.arn not in known and each.resource_type not in unread]
        if gone:
            self._storage.estate.delete(*gone)
        self._storage.flush()

    def recover(self) -> None:
        """Mark the cells of dead processes ``partial``, and their scans failed; do nothing while any scan runs."""
        records = self._storage.journal.records(kind=(STARTED, ENDED))
        ended = {record.subject for record in records if record.kind == ENDED}
        still_open = [record.subject for record in records if record.subject not in ended]
        if not still_open or any(map(self._storage.scan_locks.alive, still_open)):
            # A cell's result does not name its scan, so the scan of a running cell may be one that still runs.
            return
        for result in self._storage.scan_state.cells():
            if result.state is CellState.RUNNING:
                abandoned = replace(result, state=CellState.PARTIAL, detail="the process that read it ended")
                self._storage.scan_state.put(abandoned)
        for scan_id in still_open:
            self._record_end(scan_id, {"status": "failed", "reason": "the process ended"})

    def scan_unattended(self, mode: str, progress: Callable[[Progress], None]) -> ScanReport:
        """Scan the settings' regions and services in every account that needs no MFA code.

        Raises:
            ConfigurationError: Every account needs an MFA code.
        """
        regions, services = self._settings.regions or None, self._settings.services or None
        accounts = self.unattended_accounts()
        return self.scan(accounts=accounts, regions=regions, services=services, mode=mode, progress=progress)

    def unattended_accounts(self) -> list[str] | None:
        """Return the names of the accounts that need no MFA code; ``None``, which means all, if no account needs one.

        Raises:
            ConfigurationError: Every account needs an MFA code.
        """
        sessions = self._sessions()
        names = [account.name for account in sessions.unattended_accounts()]
        if len(names) == len(sessions.configured):
            return None
        if not names:
            why, fix = "every profile needs an MFA code", "Add an account whose profile needs no MFA code."
            raise ConfigurationError("cannot run regular scans", why, fix)
        return names

    def _scanner(self, executor: Executor | None = None) -> Scanner:
        from cloudops_nb.scanner.scan import Scanner
        from cloudops_nb.specs.files import specs_of

        specs = specs_of(self._settings.data_path)
        rates, threads = self._storage.scan_state.rates(), self._settings.scan_threads
        return Scanner(self._sessions(), threads=threads, specs=specs, executor=executor, learned=rates)

    def _covers_everything(self, mode: str, scope: Mapping[str, Iterable[str] | None]) -> bool:
        """Return whether a scan reads every cell of the configured accounts, regions and services."""
        configured = {"regions": self._settings.regions, "services": self._settings.services}
        return mode == FULL and all(not each or tuple(each) == configured.get(name) for name, each in scope.items())

    def _record_end(self, scan_id: str, body: dict[str, Any]) -> None:
        """Record the end of a scan and the turn of the scan state, unless another process has already recorded it."""
        with suppress(AlreadyRecordedError):
            body = {**body, TURN: self._storage.scan_state.turn()}
            self._storage.journal.append(ENDED, scan_id, body, once=f"{ENDED}:{scan_id}")

    @contextmanager
    def _marked_running(self, scan_id: str) -> Iterator[None]:
        """Note inside the block that this process runs the scan."""
        self._running_scans.add(scan_id)
        try:
            yield
        finally:
            self._running_scans.discard(scan_id)

    def _report(
        self,
        run: _ScanRun,
        results: Mapping[CellKey, CellResult],
        scanner: Scanner,
        previous: Mapping[CellKey, int],
        left_out: Sequence[CellResult],
    ) -> ScanReport:
        from cloudops_nb.scanner.report import ScanReport
        from cloudops_nb.understanding.environment import UNKNOWN, environment_class

        unlabelled = (
            each.name
            for each in scanner.accounts.values()
            if environment_class(label=each.environment, account_name=each.name) == UNKNOWN
        )
        return ScanReport(
            run.id,
            run.started,
            run.seconds(),
            sorted(results.values(), key=lambda result: str(result.key)),
            {account_id: account.name for account_id, account in scanner.accounts.items()},
            previous,
            sorted(unlabelled),
            lambda: self._resources_frame(results.keys()),
            scanner.refused,
            unscanned_advice(left_out),
        )

    def _resources_frame(self, cells: Collection[CellKey]) -> pd.DataFrame:
        return hits_frame((hit for hit in self._storage.estate.resources() if hit.resource.cell in cells), scored=False)


def _end_record(run: _ScanRun, results: Sequence[CellResult], status: str) -> dict[str, Any]:
    return {
        "status": status,
        "cells": len(results),
        "complete": sum(result.state.complete for result in results),
        "resources": sum(result.resources for result in results),
        "seconds": round(run.seconds(), 3),
    }
