"""What is to be done regularly: backups of each kind, and the end of old conversations."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.snapshot import JOURNAL
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.schedule.scheduler import Task

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.saving.snapshot_saver import SnapshotSaver
    from cloudops_nb.storage.backup.snapshot import Snapshot
    from cloudops_nb.storage.backup.snapshot_ownership import SnapshotOwnership
    from cloudops_nb.storage.opening.open_store import StorageService

CHAT_RETENTION: Final = "chat_retention"
_HOUR, _DAY = 3600.0, 86_400.0
#: How far clocks may differ.
_NOW = timedelta(minutes=1)


class RegularTasks:
    """The tasks of a store's schedule.

    Args:
        storage: The store.
        settings: How often.
        own: Tells the store's own snapshots.
        saving: Takes them.
        clock: Returns the current time in UTC.
    """

    def __init__(
        self,
        storage: StorageService,
        settings: Settings,
        own: SnapshotOwnership,
        saving: SnapshotSaver,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._own = own
        self._saving = saving
        self._clock = clock

    def tasks(self) -> dict[str, Task]:
        """Return what there is to do; intervals of 0 mean never, and the journal goes with the more frequent one."""
        estate, chat = self._settings.backup_estate_hours * _HOUR, self._settings.backup_chat_hours * _HOUR
        journal = min((hours for hours in (estate, chat) if hours), default=0.0)
        backups = {JOURNAL: journal, AWS_ESTATE.name: estate, CHAT_HISTORY.name: chat}
        tasks = {kind: Task(every, self._backup(kind, every)) for kind, every in backups.items() if every}
        if self._settings.chat_retention_days:
            tasks[CHAT_RETENTION] = Task(_DAY, self._expire_chats)
        return tasks

    def _backup(self, kind: str, every: float) -> Callable[[], str]:
        """Return what backs up a kind, or after a failed upload uploads what is there, and raises what went wrong."""

        def run() -> str:
            problems: list[str] = []
            warnings: tuple[str, ...] = ()
            with self._saving.lock:
                fresh = self._not_uploaded(kind, every)
                if fresh is None or self._saving.upload(fresh, None, problems) is None:
                    report = self._saving.save([kind])
                    problems, warnings = list(report.problems), report.warnings
            if problems:
                raise BackupError(f"the regular backup of {kind} is not complete", " ".join(problems))
            return " ".join(warnings)

        return run

    def _not_uploaded(self, kind: str, every: float) -> Snapshot | None:
        """Return the newest snapshot here if it is younger than one interval and missing in S3."""
        local, s3 = self._saving.places
        if not s3.configured:
            return None
        ages = {snapshot: self._clock() - snapshot.created for snapshot in local.snapshots(kind)}
        recent = [snapshot for snapshot, age in ages.items() if -_NOW <= age < timedelta(seconds=every)]
        fresh = [snapshot for snapshot in recent if self._is_own(snapshot)]
        newest = max(fresh, key=lambda snapshot: snapshot.created, default=None)
        if newest is None or newest.name in {snapshot.name for snapshot in s3.snapshots(kind)}:
            return None
        return newest

    def _is_own(self, snapshot: Snapshot) -> bool:
        header = self._saving.places.local.header(snapshot)
        return header is not None and header.store_id == self._own.store_id() != ""

    def _expire_chats(self) -> str:
        self._storage.chat.expire(self._clock() - timedelta(days=self._settings.chat_retention_days))
        return ""
