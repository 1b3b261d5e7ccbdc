"""Runs scans into the store: rows while they arrive, cells as they end, and the record of both."""

from __future__ import annotations

import time
import uuid
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from cloudops_nb.errors import AlreadyRecordedError
from cloudops_nb.frames import hits_frame, rows_frame
from cloudops_nb.model import CellKey, CellResult, CellState, ResourceFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.model import Resource
    from cloudops_nb.scanner.progress import Progress
    from cloudops_nb.scanner.reading import PageRead
    from cloudops_nb.scanner.report import ScanReport
    from cloudops_nb.scanner.scan import Scanner
    from cloudops_nb.scanner.sessions import AccountSessions
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.service import StorageService

STARTED, ENDED = "scan_started", "scan_ended"
PLANNED_COLUMNS = ("account", "region", "service", "operation", "times", "parameters")


@dataclass
class _Run:
    """One scan under way: its id, when it began, the results so far, and what was begun, or begun and not finished."""

    id: str
    started: datetime
    clock: float
    results: dict[CellKey, CellResult] = field(default_factory=dict)
    touched: set[CellKey] = field(default_factory=set)
    broken: set[CellKey] = field(default_factory=set)


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

    def scan(self, *, progress: Callable[[Progress], None] | None = None, **scope: Iterable[str] | None) -> ScanReport:
        """Scan and return the report; an interrupt keeps what was read, marks the rest and is raised again.

        Args:
            progress: Called on this thread after every page and cell.
            scope: ``accounts``, ``regions`` and ``services``, as the scanner takes them.
        """
        run = _Run(uuid.uuid4().hex, datetime.now(UTC), time.monotonic())
        scanner = self._scanner()
        previous = {result.key: result.resources for result in self._storage.scan_state.cells()}
        items = scanner.scan(**scope, progress=progress, scan_id=run.id)
        with self._held(run.id):
            self._storage.journal.append(STARTED, run.id, {name: list(value or ()) for name, value in scope.items()})
            status = "interrupted"
            try:
                with closing(items):
                    for item in items:
                        self._keep(item, run)
                status = "completed"
            finally:
                for item in scanner.unread():
                    self._keep(item, run)
                for left in scanner.remaining():
                    self._leave(left, run)
                self._storage.flush()
                self._end(run.id, _summary(run, status))
        self._lock_path(run.id).unlink(missing_ok=True)
        return self._report(run, previous)

    def planned_calls(self, **scope: Iterable[str] | None) -> pd.DataFrame:
        """Return the calls that a scan of this scope would make, one row a kind of call."""
        calls = self._scanner().planned_calls(**scope)
        rows = [{name: getattr(call, name) for name in PLANNED_COLUMNS} for call in calls]
        return rows_frame(rows, PLANNED_COLUMNS)

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

    def _scanner(self) -> Scanner:
        from cloudops_nb.scanner.scan import Scanner

        return Scanner(self._sessions(), threads=self._settings.scan_threads)

    def _keep(self, item: PageRead | CellResult, run: _Run) -> None:
        if isinstance(item, CellResult):
            # A page that was not written to its end must not let its cell remove what it did not stamp.
            whole = item.key not in run.broken
            result = item if whole else replace(item, state=CellState.PARTIAL, detail="a page was not written")
            run.results[item.key] = self._storage.estate.finish_cell(result, scan_id=run.id)
            return
        broken_before = item.key in run.broken
        run.broken.add(item.key)
        if item.key not in run.touched:
            run.touched.add(item.key)
            running = CellResult(item.key, CellState.RUNNING, datetime.now(UTC), 0.0)
            self._storage.scan_state.put(running, run.id)
        self._storage.estate.upsert(item.resources, scan_id=run.id)
        if not broken_before:
            run.broken.discard(item.key)

    def _leave(self, left: CellResult, run: _Run) -> None:
        """Keep the rows of a cell that was not read to its end; one that was not begun stays as it was."""
        run.results[left.key] = left
        if left.key in run.touched:
            self._storage.estate.finish_cell(left, scan_id=run.id)

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

    def _report(self, run: _Run, previous: dict[CellKey, int]) -> ScanReport:
        from cloudops_nb.scanner.report import ScanReport

        found = [hit for hit in self._storage.estate.resources() if hit.resource.cell in run.results]
        return ScanReport(
            run.id,
            run.started,
            time.monotonic() - run.clock,
            sorted(run.results.values(), key=lambda result: str(result.key)),
            {hit.resource.account_id: hit.resource.account_name for hit in found},
            previous,
            hits_frame(found, scored=False),
        )


def _summary(run: _Run, status: str) -> dict[str, Any]:
    results = list(run.results.values())
    return {
        "status": status,
        "cells": len(results),
        "complete": sum(result.state.complete for result in results),
        "resources": sum(result.resources for result in results),
        "seconds": round(time.monotonic() - run.clock, 3),
    }
