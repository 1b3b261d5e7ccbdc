"""Regular scans: a full scan every few hours, and an incremental scan every few minutes.

A scan reads in cells: a cell is one resource type in one account and region.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.schedule.due_times import Schedule
from cloudops_nb.storage.schedule.schedule_status import ScheduleStatus, task_statuses
from cloudops_nb.storage.schedule.scheduler import ScheduledTask, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.scanner.report import ScanReport
    from cloudops_nb.scanner.running.scan_progress import Progress
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.facade import StorageService

FULL_SCAN, INCREMENTAL_SCAN = "full_scan", "incremental_scan"
_HOUR, _MINUTE = 3600.0, 60.0
_CELLS_SHOWN: Final = 3


class ScanSchedule:
    """Runs due scans in a daemon thread, between :meth:`start` and :meth:`stop`; prints nothing and never prompts.

    An interrupt of the notebook does not stop a scan in the thread. A person may start a scan at the same time. If both
    scans read the same cell, the store keeps the result that was written last.

    Of several notebook kernels that use one store, only one runs each due scan. The store keeps the due times as
    wall-clock times: after a restart or a sleep of the host, a missed scan runs once, and its interval starts again.

    Args:
        storage: The store that keeps the due times.
        settings: The settings with the intervals; an interval of 0 means never.
        scan: Runs a scan in a mode (``full`` or ``incremental``) without asking for an MFA code, and calls its
            second argument after each page and each cell.
        ready: Returns whether the store exists; without a store no scan runs and no file is created.
    """

    def __init__(
        self,
        storage: StorageService,
        settings: Settings,
        scan: Callable[[str, Callable[[Progress], None]], ScanReport],
        ready: Callable[[], bool],
    ) -> None:
        self._schedule = Schedule(storage)
        self._scan = scan
        self._ready = ready
        self._closed = threading.Event()
        # If both are due, the full scan runs first: the incremental scan after it has almost nothing to read.
        intervals = {
            FULL_SCAN: settings.full_scan_hours * _HOUR,
            INCREMENTAL_SCAN: settings.incremental_scan_minutes * _MINUTE,
        }
        self._tasks = {
            name: ScheduledTask(seconds, self._scan_task(name)) for name, seconds in intervals.items() if seconds
        }
        self._scheduler = Scheduler(self._schedule, self._tasks, ready, name="cloudops-scan-schedule")

    def start(self) -> None:
        """Run due scans until :meth:`stop`; in a new store, each scan is first due after one interval."""
        self._closed.clear()
        self._scheduler.start()

    def stop(self) -> None:
        """Start no further scan in this process; a running scan continues to its end."""
        self._scheduler.stop()

    def close(self) -> set[threading.Thread]:
        """Stop, and abort a running scan at its next page.

        The pages that were written are kept. The aborted run counts as failed, so it is due again after half an hour,
        or after its interval if the interval is shorter.

        Returns:
            The thread, if its scan is still running after a short wait; else an empty set.
        """
        self._closed.set()
        return self._scheduler.stop()

    def status(self) -> ScheduleStatus:
        """Return when each scan is due and how the last one ended."""
        tasks = task_statuses(self._schedule, self._tasks, ready=self._ready())
        return ScheduleStatus(running=self._scheduler.running, trouble=self._scheduler.trouble, tasks=tasks)

    def _scan_task(self, name: str) -> Callable[[], str]:
        mode = name.removesuffix("_scan")
        return lambda: _incomplete_cells(self._scan(mode, self._stop_if_closed))

    def _stop_if_closed(self, _: Progress) -> None:
        if self._closed.is_set():
            raise StoreUnavailableError("the scan was stopped", "the notebook that ran it closed the store")


def _incomplete_cells(report: ScanReport) -> str:
    """Return a note that names the cells that a scan did not complete; empty if the scan completed every cell."""
    failed = report.failures
    not_entered = [f"account {each.name} was not entered: {each.reason}" for each in report.refused]
    if not failed:
        return " ".join(not_entered)
    shown = ", ".join(f"{result.key} {result.state.value}" for result in failed[:_CELLS_SHOWN])
    more = f" and {len(failed) - _CELLS_SHOWN} more" if len(failed) > _CELLS_SHOWN else ""
    return " ".join([f"{len(failed)} of {len(report.results)} cells are not complete: {shown}{more}", *not_entered])
