"""The due times of regular tasks, encrypted in the journal's database; all notebook kernels share one schedule."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import DecryptionError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from cloudops_nb.storage.encryption.envelope import Envelope
    from cloudops_nb.storage.files.database import Database
    from cloudops_nb.storage.opening.open_store import OpenStore

#: A run that has not reported its end this many seconds after its claim counts as dead.
LEASE_SECONDS: Final = 3600.0
#: A task is due again this many seconds after a failed run, or after its interval if that is shorter.
RETRY_SECONDS: Final = 1800.0
_COLLECTION = "schedule"
_SELECT = "SELECT CAST(envelope AS BLOB) FROM schedule WHERE task = ?"
_REPLACE = "INSERT OR REPLACE INTO schedule VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class TaskState:
    """When a task is due (``due``) and when it last ended (``last``), in seconds since the epoch; 0 means never.

    ``error`` is the failure of the last run. ``note`` reports a problem in a last run that succeeded. During a run,
    ``holder`` is the run's token, and ``lease`` is the time when the run begins to count as dead.
    """

    due: float
    last: float = 0.0
    error: str = ""
    holder: str = ""
    lease: float = 0.0
    note: str = ""


class Schedule:
    """Gives each due run to one thread of one process; several missed runs become one due run.

    Times are wall-clock times, so a run that the host slept through is due when the host wakes. After the clock was set
    back, a task is due within one interval.

    Args:
        storage: The store that holds the schedule.
        clock: Returns the seconds since the epoch.
    """

    def __init__(self, storage: OpenStore, clock: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._clock = clock

    def state(self, task: str) -> TaskState | None:
        """Return a task's state; ``None`` if it was never scheduled."""
        database, envelope = self._database_and_envelope()
        with database.reading() as connection:
            return _read_state(connection, envelope, task)

    def claim(self, task: str, every: float) -> str:
        """Claim a task's due run, and return its token for :meth:`finish`.

        The token is empty if no run is due, or if another thread or process has claimed it.

        Args:
            task: The task's name.
            every: The interval between runs in seconds; a new task is due after one interval.
        """
        # Read first: unlike a write transaction, that does not wait for another process's write.
        if not self._must_write(self.state(task), every):
            return ""
        database, envelope = self._database_and_envelope()
        with database.writing() as connection:
            state = _read_state(connection, envelope, task)
            if not self._must_write(state, every):
                return ""
            now = self._clock()
            if state is None or state.due > now + every:  # a new task, or the clock was set back
                _write_state(connection, envelope, task, replace(state or TaskState(0.0), due=now + every))
                return ""
            token = secrets.token_hex(8)
            _write_state(connection, envelope, task, replace(state, holder=token, lease=now + LEASE_SECONDS))
            return token

    def finish(self, task: str, token: str, every: float, error: str = "", note: str = "") -> None:
        """Record the end of a run, unless its lease had ended and another run has been claimed since."""
        database, envelope = self._database_and_envelope()
        with database.writing() as connection:
            state = _read_state(connection, envelope, task)
            if state is None or state.holder != token:
                return
            now = self._clock()
            due = now + (min(every, RETRY_SECONDS) if error else every)
            _write_state(connection, envelope, task, TaskState(due=due, last=now, error=error, note=note))

    def _database_and_envelope(self) -> tuple[Database, Envelope]:
        """Return both before a transaction begins: waiting for the store's lock inside a transaction could deadlock."""
        return self._storage.journal.database, self._storage.vault.envelope

    def _must_write(self, state: TaskState | None, every: float) -> bool:
        """Return whether a claim changes the state: the task is new, its due time is too late, or a run is due."""
        now = self._clock()
        if state is None or state.due > now + every:
            return True
        # A lease that ends later than a new lease would is from before the clock was set back, so it is ignored.
        claimed = now < state.lease <= now + LEASE_SECONDS
        return state.due <= now and not claimed


def _read_state(connection: sqlite3.Connection, envelope: Envelope, task: str) -> TaskState | None:
    row = connection.execute(_SELECT, (task,)).fetchone()
    if row is None:
        return None
    try:
        # A rotation of the data key does not re-encrypt the schedule, so its data key may be retired.
        return TaskState(**json.loads(envelope.open(row[0], collection=_COLLECTION, point_id=task, retired=True)))
    except DecryptionError:  # treat the task as new; its due time is then written again
        return None


def _write_state(connection: sqlite3.Connection, envelope: Envelope, task: str, state: TaskState) -> None:
    sealed = envelope.seal(json.dumps(asdict(state)).encode(), collection=_COLLECTION, point_id=task)
    connection.execute(_REPLACE, (task, sealed))
