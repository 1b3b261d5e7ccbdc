"""The status of regular tasks: due times, last runs and failures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.storage.schedule.due_times import Schedule
    from cloudops_nb.storage.schedule.scheduler import ScheduledTask


class TaskStatus(TypedDict):
    """The status of a regular task; times are in UTC.

    Attributes:
        task: The task's name.
        every_hours: The interval between runs, in hours.
        due: The time when the next run is due; ``None`` if the task was never scheduled.
        last: The time when the last run ended; ``None`` if no run has ended.
        error: The failure of the last run, or empty.
        note: A problem that the last run reported although it succeeded, or empty.
    """

    task: str
    every_hours: float
    due: datetime | None
    last: datetime | None
    error: str
    note: str


class ScheduleStatus(TypedDict):
    """The status of the schedule in this process.

    Attributes:
        running: True if this process runs due tasks.
        trouble: The error of this process's last check for due tasks, or empty.
        tasks: The status of each task.
    """

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
