"""The due times of regular tasks, encrypted in the journal's database, so that all kernels share one schedule."""

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

#: After this time a claimed run that did not report its end counts as dead, in seconds.
LEASE_SECONDS: Final = 3600.0
#: The time until a failed run is repeated, in seconds; its interval, if that is shorter.
RETRY_SECONDS: Final = 1800.0
_COLLECTION = "schedule"
_SELECT = "SELECT CAST(envelope AS BLOB) FROM schedule WHERE task = ?"
_REPLACE = "INSERT OR REPLACE INTO schedule VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task's next and last run in seconds since the epoch, 0 for never.

    ``error`` is the failure of the last run, and ``note`` reports a problem next to a run that succeeded. During a run
    ``holder`` is its token, and ``lease`` is the time from which it counts as dead.
    """

    due: float
    last: float = 0.0
    error: str = ""
    holder: str = ""
    lease: float = 0.0
    note: str = ""


class Schedule:
    """Gives each due run to exactly one thread of one process; missed runs become one due run.

    Times are wall times, so runs that the host slept through are due when it wakes. After the clock was set back, a
    task is due within one interval.

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
        """Claim a due run; returns its token for :meth:`finish`, empty if no run is due or free.

        Args:
            task: The task's name.
            every: The interval between runs in seconds; a new task is due after one interval.
        """
        if not self._claimable(self.state(task), every):  # a read does not wait for another process's write
            return ""
        database, envelope = self._database_and_envelope()
        with database.writing() as connection:
            state = _read_state(connection, envelope, task)
            if not self._claimable(state, every):
                return ""
            now = self._clock()
            if state is None or state.due > now + every:
                _write_state(connection, envelope, task, replace(state or TaskState(0.0), due=now + every))
                return ""
            token = secrets.token_hex(8)
            _write_state(connection, envelope, task, replace(state, holder=token, lease=now + LEASE_SECONDS))
            return token

    def finish(self, task: str, token: str, every: float, error: str = "", note: str = "") -> None:
        """Record the end of a run, unless another run has replaced it after its lease ended."""
        database, envelope = self._database_and_envelope()
        with database.writing() as connection:
            state = _read_state(connection, envelope, task)
            if state is None or state.holder != token:
                return
            now = self._clock()
            due = now + (min(every, RETRY_SECONDS) if error else every)
            _write_state(connection, envelope, task, TaskState(due=due, last=now, error=error, note=note))

    def _database_and_envelope(self) -> tuple[Database, Envelope]:
        """Return both before a transaction begins: waiting for the store's lock inside one could deadlock."""
        return self._storage.journal.database, self._storage.vault.envelope

    def _claimable(self, state: TaskState | None, every: float) -> bool:
        """Whether a claim has something to write: the task is new, its time is out of range, or it is due and free."""
        now = self._clock()
        if state is None or state.due > now + every:
            return True
        return state.due <= now and not now < state.lease <= now + LEASE_SECONDS


def _read_state(connection: sqlite3.Connection, envelope: Envelope, task: str) -> TaskState | None:
    row = connection.execute(_SELECT, (task,)).fetchone()
    if row is None:
        return None
    try:
        # Accept a retired data key: the time of the last backup is still valid.
        return TaskState(**json.loads(envelope.open(row[0], collection=_COLLECTION, point_id=task, retired=True)))
    except DecryptionError:
        return None


def _write_state(connection: sqlite3.Connection, envelope: Envelope, task: str, state: TaskState) -> None:
    sealed = envelope.seal(json.dumps(asdict(state)).encode(), collection=_COLLECTION, point_id=task)
    connection.execute(_REPLACE, (task, sealed))
