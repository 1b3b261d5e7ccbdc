"""The thread that makes due runs."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import CloudOpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.storage.schedule.due_times import Schedule

#: How long the thread sleeps at most before it looks at the clock again, in seconds.
POLL_SECONDS: Final = 30.0
#: How long :meth:`Scheduler.stop` waits for a run that is going on, in seconds.
STOP_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """Something to do ``every`` so many seconds; ``run`` returns what it could not do beside it, mostly nothing."""

    every: float
    run: Callable[[], str]


class Scheduler:
    """Makes the runs that are due, in a daemon thread between :meth:`start` and :meth:`stop`; prints nothing.

    A run that is missed is made at the next look. How a run failed stands in the schedule, where every kernel sees it.

    Args:
        schedule: Gives out the runs.
        tasks: What there is to do, by name.
        ready: Says whether there is a store at all; nothing is done, or made, before.
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
        #: Why the thread's last look at the schedule failed; empty if it did not.
        self.trouble = ""

    @property
    def running(self) -> bool:
        """Whether the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; does nothing if it runs, or if there is nothing to do."""
        with self._lock:
            if self.running or not self._tasks:
                return
            self._stopped = threading.Event()  # one that was stopped in a long run keeps its own, and ends after it
            self._thread = threading.Thread(target=self._run, args=[self._stopped], name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> set[threading.Thread]:
        """Let no further run begin, wait a little for the one that is going on, and return who goes on all the same."""
        with self._lock:
            self._stopped.set()
            thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return set()
        thread.join(STOP_SECONDS)
        return {thread} if thread.is_alive() else set()

    def run_due(self, stopped: threading.Event | None = None) -> list[str]:
        """Make every run that is due and that nobody else makes, until ``stopped`` is set; returns the tasks' names."""
        made: list[str] = []
        if not self._ready():
            return made
        for name, task in self._tasks.items():
            if stopped is not None and stopped.is_set():
                break
            if token := self._schedule.claim(name, task.every):
                self._schedule.finish(name, token, task.every, *_made(name, task))
                made.append(name)
        return made

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            try:
                self.run_due(stopped)
                self.trouble = ""
            except Exception as error:  # noqa: BLE001 - recorded; a thread has nobody to raise to
                self.trouble = _line(error)
                _log.debug("the schedule cannot be read: %s", type(error).__name__)
            stopped.wait(POLL_SECONDS)


def _made(name: str, task: ScheduledTask) -> tuple[str, str]:
    """Run a task; returns how it failed, empty if it did not, and what is worth knowing."""
    try:
        return "", task.run()
    except Exception as error:  # noqa: BLE001 - recorded in the schedule; a thread has nobody to raise to
        _log.debug("%s failed: %s", name, type(error).__name__)
        return _line(error), ""


def _line(error: Exception) -> str:
    # Whoever else raises may quote what nobody should read in a list.
    return str(error) if isinstance(error, CloudOpsError) else type(error).__name__
