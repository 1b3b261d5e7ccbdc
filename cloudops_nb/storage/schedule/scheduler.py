"""The thread that runs due tasks."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import CloudOpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.storage.schedule.due_times import Schedule

#: The interval between the thread's looks at the schedule, in seconds.
POLL_SECONDS: Final = 30.0
#: How long :meth:`Scheduler.stop` waits for a current run, in seconds.
STOP_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """A task that runs ``every`` so many seconds; ``run`` returns a note about a problem, usually empty."""

    every: float
    run: Callable[[], str]


class Scheduler:
    """Runs due tasks in a daemon thread between :meth:`start` and :meth:`stop`; prints nothing.

    A missed run is made at the next look. The schedule records a failed run, so every kernel sees the failure.

    Args:
        schedule: Gives out the due runs.
        tasks: The tasks by name.
        ready: Returns whether there is a store; without one nothing runs and nothing is created.
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
        #: The failure of the thread's last look at the schedule; empty if it succeeded.
        self.trouble = ""

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it is alive or there are no tasks."""
        with self._lock:
            if self.running or not self._tasks:
                return
            # A new event: a thread that was stopped during a long run keeps its own, and ends after the run.
            self._stopped = threading.Event()
            self._thread = threading.Thread(target=self._run, args=[self._stopped], name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> set[threading.Thread]:
        """Start no further run, wait a little for the current one, and return the threads that are still running."""
        with self._lock:
            self._stopped.set()
            thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return set()
        thread.join(STOP_SECONDS)
        return {thread} if thread.is_alive() else set()

    def run_due(self, stopped: threading.Event | None = None) -> list[str]:
        """Run every due task that no other thread runs, until ``stopped`` is set; returns the tasks' names."""
        made: list[str] = []
        if not self._ready():
            return made
        for name, task in self._tasks.items():
            if stopped is not None and stopped.is_set():
                break
            if token := self._schedule.claim(name, task.every):
                self._schedule.finish(name, token, task.every, *_run_task(name, task))
                made.append(name)
        return made

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            try:
                self.run_due(stopped)
                self.trouble = ""
            except Exception as error:  # noqa: BLE001 - recorded; a thread has no caller to raise to
                self.trouble = error_line(error)
                _log.debug("the schedule cannot be read: %s", type(error).__name__)
            stopped.wait(POLL_SECONDS)


def _run_task(name: str, task: ScheduledTask) -> tuple[str, str]:
    """Run a task; returns its failure, empty if it succeeded, and its note."""
    try:
        return "", task.run()
    except Exception as error:  # noqa: BLE001 - recorded in the schedule; a thread has no caller to raise to
        _log.debug("%s failed: %s", name, type(error).__name__)
        return error_line(error), ""


def error_line(error: Exception) -> str:
    """Return an error in one line; of foreign exceptions only the type, because their text may quote private data."""
    return str(error) if isinstance(error, CloudOpsError) else type(error).__name__
