"""How regular tasks stand: what is due, what was done, and what failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.storage.schedule.due_times import Schedule
    from cloudops_nb.storage.schedule.scheduler import ScheduledTask


class TaskStatus(TypedDict):
    """A regular task: its interval in hours, when it is due and was made last (UTC), and how that failed, if it did.

    ``note`` says what else is not as it should be, though the task was done.
    """

    task: str
    every_hours: float
    due: datetime | None
    last: datetime | None
    error: str
    note: str


class ScheduleStatus(TypedDict):
    """Whether this process makes the due runs, why it cannot, and each task."""

    running: bool
    trouble: str
    tasks: list[TaskStatus]


def task_statuses(schedule: Schedule, tasks: Mapping[str, ScheduledTask], *, ready: bool) -> list[TaskStatus]:
    """Return the state of each task; where there is no store yet, nothing is due."""
    statuses = []
    for name, task in tasks.items():
        state = schedule.state(name) if ready else None
        due, last = (_moment(state.due), _moment(state.last)) if state else (None, None)
        error, note = (state.error, state.note) if state else ("", "")
        every = task.every / 3600
        statuses.append(TaskStatus(task=name, every_hours=every, due=due, last=last, error=error, note=note))
    return statuses


def _moment(epoch: float) -> datetime | None:
    return datetime.fromtimestamp(epoch, UTC) if epoch else None
