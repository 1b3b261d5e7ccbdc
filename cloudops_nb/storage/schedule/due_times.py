"""When each regular task is due, kept encrypted beside the scan state, so that several kernels share one schedule."""

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

#: After this time a kernel that took a run and did not report back is taken for dead, in seconds.
LEASE_SECONDS: Final = 3600.0
#: A run that failed is tried again after this time, or after its own interval if that is shorter, in seconds.
RETRY_SECONDS: Final = 1800.0
_COLLECTION = "schedule"
_SELECT = "SELECT CAST(envelope AS BLOB) FROM schedule WHERE task = ?"
_REPLACE = "INSERT OR REPLACE INTO schedule VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task's next and last run, as seconds of the epoch, 0 for never; ``error`` is how the last one failed.

    ``note`` is what the last one could not do beside its task.
    While somebody runs it, ``holder`` names the run and ``lease`` is when that counts as dead.
    """

    due: float
    last: float = 0.0
    error: str = ""
    holder: str = ""
    lease: float = 0.0
    note: str = ""


class Schedule:
    """Gives each due run to exactly one of all threads and processes; a missed run is due until it was made, once.

    Times are wall times: after a sleep of the host what was missed is due. After a clock was put back, a task is due
    within one interval.

    Args:
        storage: The store that keeps it.
        clock: Returns the seconds of the epoch.
    """

    def __init__(self, storage: OpenStore, clock: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._clock = clock

    def state(self, task: str) -> TaskState | None:
        """Return a task's state, ``None`` if it was never scheduled."""
        database, envelope = self._opened()
        with database.reading() as connection:
            return _read(connection, envelope, task)

    def claim(self, task: str, every: float) -> str:
        """Take a run that is due; returns its token for :meth:`finish`, empty if there is nothing to do.

        Args:
            task: The task's name.
            every: The interval between runs in seconds; a task that is new is due after it.
        """
        if not self._claimable(self.state(task), every):  # without waiting for whoever writes
            return ""
        database, envelope = self._opened()
        with database.writing() as connection:
            state = _read(connection, envelope, task)
            if not self._claimable(state, every):
                return ""
            now = self._clock()
            if state is None or state.due > now + every:
                _write(connection, envelope, task, replace(state or TaskState(0.0), due=now + every))
                return ""
            token = secrets.token_hex(8)
            _write(connection, envelope, task, replace(state, holder=token, lease=now + LEASE_SECONDS))
            return token

    def finish(self, task: str, token: str, every: float, error: str = "", note: str = "") -> None:
        """Report how a run ended; does nothing if another one has been started in its place."""
        database, envelope = self._opened()
        with database.writing() as connection:
            state = _read(connection, envelope, task)
            if state is None or state.holder != token:
                return
            now = self._clock()
            due = now + (min(every, RETRY_SECONDS) if error else every)
            _write(connection, envelope, task, TaskState(due=due, last=now, error=error, note=note))

    def _opened(self) -> tuple[Database, Envelope]:
        """Return what is needed before a transaction begins: within one, the service's lock must not be waited for."""
        return self._storage.journal.database, self._storage.vault.envelope

    def _claimable(self, state: TaskState | None, every: float) -> bool:
        """Whether there is something to write: a new task, one whose time fits no more, or one that is due and free."""
        now = self._clock()
        if state is None or state.due > now + every:
            return True
        return state.due <= now and not now < state.lease <= now + LEASE_SECONDS


def _read(connection: sqlite3.Connection, envelope: Envelope, task: str) -> TaskState | None:
    row = connection.execute(_SELECT, (task,)).fetchone()
    if row is None:
        return None
    try:
        # A data key that was retired since still tells when the last backup was.
        return TaskState(**json.loads(envelope.open(row[0], collection=_COLLECTION, point_id=task, retired=True)))
    except DecryptionError:
        return None


def _write(connection: sqlite3.Connection, envelope: Envelope, task: str, state: TaskState) -> None:
    sealed = envelope.seal(json.dumps(asdict(state)).encode(), collection=_COLLECTION, point_id=task)
    connection.execute(_REPLACE, (task, sealed))
