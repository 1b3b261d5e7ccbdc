"""Runs regular tasks in a thread when they are due."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import CloudOpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.storage.schedule.due_times import Schedule

#: The time between the thread's checks for due tasks, in seconds.
POLL_SECONDS: Final = 30.0
#: How long :meth:`Scheduler.stop` waits for a run in progress, in seconds.
STOP_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """A regular task.

    Attributes:
        every: The interval between runs, in seconds.
        run: Runs the task once; returns a note about a problem, usually empty.
    """

    every: float
    run: Callable[[], str]


class Scheduler:
    """Runs due tasks in a daemon thread between :meth:`start` and :meth:`stop`; prints nothing.

    If no notebook kernel was running when a task was due, the task runs at the next check. A failed run is recorded in
    the schedule, so every kernel sees the failure.

    Args:
        schedule: The due times; each due run is claimed there before it starts.
        tasks: The tasks by name.
        ready: Returns true if the store exists. If not, no task runs, and no store is created.
        name: The thread's name.
    """

    def __init__(
        self,
        schedule: Schedule,
        tasks: Mapping[str, ScheduledTask],
        ready: Callable[[], bool],
        name: str = "cloudops-backup",
    ) -> None:
        self._name = name
        self._schedule = schedule
        self._tasks = tasks
        self._ready = ready
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        #: The error of the thread's last check for due tasks; empty if the check succeeded.
        self.trouble = ""

    @property
    def running(self) -> bool:
        """True if the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it is alive or there are no tasks."""
        with self._lock:
            if self.running or not self._tasks:
                return
            # Create a new event: a thread that was stopped during a long run keeps the old event, and ends after the
            # run.
            self._stopped = threading.Event()
            self._thread = threading.Thread(target=self._run, args=[self._stopped], name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> set[threading.Thread]:
        """Start no further run, and wait up to :data:`STOP_SECONDS` for the current run.

        Returns:
            A set with the thread if it is still alive, otherwise an empty set.
        """
        with self._lock:
            self._stopped.set()
            thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():  # a task may stop its own scheduler
            return set()
        thread.join(STOP_SECONDS)
        return {thread} if thread.is_alive() else set()

    def run_due(self, stopped: threading.Event | None = None) -> list[str]:
        """Run each due task that is not running elsewhere, until ``stopped`` is set; returns the tasks' names."""
        run_names: list[str] = []
        if not self._ready():
            return run_names
        for name, task in self._tasks.items():
            if stopped is not None and stopped.is_set():
                break
            if token := self._schedule.claim(name, task.every):
                self._schedule.finish(name, token, task.every, *_run_task(name, task))
                run_names.append(name)
        return run_names

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            try:
                self.run_due(stopped)
                self.trouble = ""
            except Exception as error:  # noqa: BLE001 - recorded; a thread has no caller to raise to
                self.trouble = error_line(error)
                _log.debug("a check for due tasks failed: %s", type(error).__name__)
            stopped.wait(POLL_SECONDS)


def _run_task(name: str, task: ScheduledTask) -> tuple[str, str]:
    """Run a task; returns its failure and its note, each empty if there is none."""
    try:
        return "", task.run()
    except Exception as error:  # noqa: BLE001 - recorded in the schedule; a thread has no caller to raise to
        _log.debug("%s failed: %s", name, type(error).__name__)
        return error_line(error), ""


def error_line(error: Exception) -> str:
    """Return an error in one line.

    The line names only the type of another package's exception, because the text may hold private data.
    """
    return str(error) if isinstance(error, CloudOpsError) else type(error).__name__
