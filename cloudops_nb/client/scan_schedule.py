"""Regular scans: everything every few hours, and what changed in between every few minutes."""

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
    from cloudops_nb.scanner.running.progress import Progress
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.facade import StorageService

FULL, INCREMENTAL = "full_scan", "incremental_scan"
_HOUR, _MINUTE = 3600.0, 60.0
_SHOWN: Final = 3


class ScanSchedule:
    """Makes due scans in a daemon thread, between :meth:`start` and :meth:`stop`; prints nothing and asks nobody.

    An interrupt of the notebook does not reach it. A scan that somebody starts beside it is harmless: of each cell the
    last reading counts.

    Of all kernels on a store, one makes each due scan. When they are due is kept in the store, as wall times: after a
    restart or a sleep of the host what was missed is made once, and then the interval begins anew.

    Args:
        storage: The store that keeps the due times.
        settings: The intervals; 0 means never.
        scan: Scans in a mode, without anybody who could type a code; calls back whenever something was read.
        ready: Says whether there is a store at all; nothing is scanned, or made, before.
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
        # The full one first: after it, the other has next to nothing to do.
        every = {FULL: settings.full_scan_hours * _HOUR, INCREMENTAL: settings.incremental_scan_minutes * _MINUTE}
        self._tasks = {name: ScheduledTask(seconds, self._task(name)) for name, seconds in every.items() if seconds}
        self._scheduler = Scheduler(self._schedule, self._tasks, ready, name="cloudops-scan-schedule")

    @property
    def running(self) -> bool:
        """Whether this process makes the due scans."""
        return self._scheduler.running

    def start(self) -> None:
        """Make due scans from now on, until :meth:`stop`; a first one is due after one interval."""
        self._closed.clear()
        self._scheduler.start()

    def stop(self) -> None:
        """Begin no further scan in this process; one that is under way goes on to its end."""
        self._scheduler.stop()

    def close(self) -> set[threading.Thread]:
        """Stop, and let a scan that is under way end at the next page: what it read is kept, and the rest is due again.

        Returns:
            The thread, if its scan goes on all the same.
        """
        self._closed.set()
        return self._scheduler.stop()

    def run_due(self) -> list[str]:
        """Make in this thread what is due and nobody else makes; returns the tasks' names."""
        return self._scheduler.run_due()

    def status(self) -> ScheduleStatus:
        """Return when each scan is due and how it went last."""
        tasks = task_statuses(self._schedule, self._tasks, ready=self._ready())
        return ScheduleStatus(running=self._scheduler.running, trouble=self._scheduler.trouble, tasks=tasks)

    def _task(self, name: str) -> Callable[[], str]:
        mode = name.removesuffix("_scan")
        return lambda: _shortfall(self._scan(mode, self._go_on))

    def _go_on(self, _: Progress) -> None:
        if self._closed.is_set():
            raise StoreUnavailableError("the scan was ended", "its notebook let go of the store")


def _shortfall(report: ScanReport) -> str:
    """Say which cells a scan could not complete, empty if there are none."""
    failed = report.failures
    if not failed:
        return ""
    shown = ", ".join(f"{result.key} {result.state.value}" for result in failed[:_SHOWN])
    more = f" and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    return f"{len(failed)} of {len(report.results)} cells are not complete: {shown}{more}"
