"""The status of regular tasks: due times, last runs and failures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.storage.schedule.due_times import Schedule
    from cloudops_nb.storage.schedule.scheduler import ScheduledTask


class TaskStatus(TypedDict):
    """A regular task: its interval in hours, its due time, the end of its last run (both UTC) and that run's failure.

    ``error`` is empty unless the last run failed; ``note`` is empty unless it succeeded with a problem.
    """

    task: str
    every_hours: float
    due: datetime | None
    last: datetime | None
    error: str
    note: str


class ScheduleStatus(TypedDict):
    """Whether this process runs due tasks, the error of its last check for due tasks (or empty), and each task."""

    running: bool
    trouble: str
    tasks: list[TaskStatus]


def task_statuses(schedule: Schedule, tasks: Mapping[str, ScheduledTask], *, ready: bool) -> list[TaskStatus]:
    """Return the status of each task; if there is no store yet (not ``ready``), no task has a due time."""
    statuses = []
    for name, task in tasks.items():
        state = schedule.state(name) if ready else None
        due, last = (_utc_time(state.due), _utc_time(state.last)) if state else (None, None)
        error, note = (state.error, state.note) if state else ("", "")
        every = task.every / 3600
        statuses.append(TaskStatus(task=name, every_hours=every, due=due, last=last, error=error, note=note))
    return statuses


def _utc_time(epoch: float) -> datetime | None:
    return datetime.fromtimestamp(epoch, UTC) if epoch else None
