"""The tasks of a store's schedule: a backup of each kind, and the deletion of old conversations."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.snapshot import JOURNAL
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.schedule.scheduler import ScheduledTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.saving.snapshot_saver import SnapshotSaver
    from cloudops_nb.storage.backup.snapshot import Snapshot
    from cloudops_nb.storage.backup.snapshot_ownership import SnapshotOwnership
    from cloudops_nb.storage.opening.open_store import OpenStore

CHAT_RETENTION: Final = "chat_retention"
_HOUR, _DAY = 3600.0, 86_400.0
#: The difference between the clocks of two hosts that is tolerated: a snapshot may be dated this far in the future.
_CLOCK_TOLERANCE = timedelta(minutes=1)


class RegularTasks:
    """Builds the tasks of a store's schedule.

    Args:
        storage: The store.
        settings: The intervals of the backups, and how long conversations are kept.
        ownership: Distinguishes the store's own snapshots from those of other stores.
        saver: Takes and uploads the snapshots.
        clock: Returns the current time in UTC.
    """

    def __init__(
        self,
        storage: OpenStore,
        settings: Settings,
        ownership: SnapshotOwnership,
        saver: SnapshotSaver,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._ownership = ownership
        self._saver = saver
        self._clock = clock

    def tasks(self) -> dict[str, ScheduledTask]:
        """Return the tasks by name.

        An interval of 0 disables the backups of the estate or of the conversations. The journal is backed up at the
        shorter of these two intervals, where 0 does not count.
        """
        estate, chat = self._settings.backup_estate_hours * _HOUR, self._settings.backup_chat_hours * _HOUR
        journal = min((seconds for seconds in (estate, chat) if seconds), default=0.0)
        backups = {JOURNAL: journal, AWS_ESTATE.name: estate, CHAT_HISTORY.name: chat}
        tasks = {
            kind: ScheduledTask(seconds, self._backup_task(kind, seconds))
            for kind, seconds in backups.items()
            if seconds
        }
        if self._settings.chat_retention_days:
            tasks[CHAT_RETENTION] = ScheduledTask(_DAY, self._expire_chats)
        return tasks

    def _backup_task(self, kind: str, interval: float) -> Callable[[], str]:
        """Return a task that takes and uploads a snapshot, or only uploads the newest one if that is missing in S3.

        The task returns the warnings. If there are problems, it raises a BackupError with them.
        """

        def run() -> str:
            problems: list[str] = []
            warnings: tuple[str, ...] = ()
            with self._saver.lock:
                pending = self._pending_upload(kind, interval)
                if pending is None or self._saver.upload(pending, None, problems) is None:
                    report = self._saver.save([kind])
                    problems, warnings = list(report.problems), report.warnings
            if problems:
                raise BackupError(f"the regular backup of {kind} is incomplete", " ".join(problems))
            return " ".join(warnings)

        return run

    def _pending_upload(self, kind: str, interval: float) -> Snapshot | None:
        """Return the store's newest local snapshot of a kind, if it is younger than one interval and missing in S3."""
        local, s3 = self._saver.places
        if not s3.configured:
            return None
        ages = {snapshot: self._clock() - snapshot.created for snapshot in local.snapshots(kind)}
        recent = [snapshot for snapshot, age in ages.items() if -_CLOCK_TOLERANCE <= age < timedelta(seconds=interval)]
        own = [snapshot for snapshot in recent if self._is_own(snapshot)]
        newest = max(own, key=lambda snapshot: snapshot.created, default=None)
        if newest is None or newest.name in {snapshot.name for snapshot in s3.snapshots(kind)}:
            return None
        return newest

    def _is_own(self, snapshot: Snapshot) -> bool:
        header = self._saver.places.local.header(snapshot)
        return header is not None and header.store_id == self._ownership.store_id() != ""

    def _expire_chats(self) -> str:
        self._storage.chat.expire(self._clock() - timedelta(days=self._settings.chat_retention_days))
        return ""
