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
    """The state of a regular task; times are in seconds since the epoch.

    Attributes:
        due: The time when the next run is due.
        last: The time when the last run ended; 0 if no run has ended.
        error: The failure of the last run, or empty.
        holder: During a run, the run's token.
        lease: During a run, the time when the run begins to count as dead.
        note: A problem that the last run reported although it succeeded, or empty.
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
        """Claim a task's due run, and return the run's token, which :meth:`finish` needs.

        The token is empty if no run is due, or if another thread or process has claimed the run.

        Args:
            task: The task's name.
            every: The interval between runs in seconds; a new task is due after one interval.
        """
        # Read first: a read does not wait for another process's write, as a write transaction does.
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
        """Record the end of a run, unless the run's lease has ended and another run has been claimed since then."""
        database, envelope = self._database_and_envelope()
        with database.writing() as connection:
            state = _read_state(connection, envelope, task)
            if state is None or state.holder != token:
                return
            now = self._clock()
            due = now + (min(every, RETRY_SECONDS) if error else every)
            _write_state(connection, envelope, task, TaskState(due=due, last=now, error=error, note=note))

    def _database_and_envelope(self) -> tuple[Database, Envelope]:
        """Return both. Call this before a transaction: waiting for the store's lock inside one could deadlock."""
        return self._storage.journal.database, self._storage.vault.envelope

    def _must_write(self, state: TaskState | None, every: float) -> bool:
        """Return whether a claim changes the state.

        It does if the task is new, if its due time is more than one interval away, or if it is due and not claimed.
        """
        now = self._clock()
        if state is None or state.due > now + every:
            return True
        # Ignore a lease that ends later than a lease that begins now: it is from before the clock was set back.
        claimed = now < state.lease <= now + LEASE_SECONDS
        return state.due <= now and not claimed


def _read_state(connection: sqlite3.Connection, envelope: Envelope, task: str) -> TaskState | None:
    row = connection.execute(_SELECT, (task,)).fetchone()
    if row is None:
        return None
    try:
        # Accept a retired data key: when the data key changes, the schedule is not re-encrypted.
        return TaskState(**json.loads(envelope.open(row[0], collection=_COLLECTION, point_id=task, retired=True)))
    except DecryptionError:  # treat the task as new; claim() then writes its state again
        return None


def _write_state(connection: sqlite3.Connection, envelope: Envelope, task: str, state: TaskState) -> None:
    sealed = envelope.seal(json.dumps(asdict(state)).encode(), collection=_COLLECTION, point_id=task)
    connection.execute(_REPLACE, (task, sealed))
