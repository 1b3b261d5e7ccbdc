"""``BackupService``: takes snapshots on request and on schedule, lists them, and restores from them."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING

from cloudops_nb.errors import BackupError, CloudOpsError, KeyMissingError, WrongKeyError
from cloudops_nb.storage.backup.backup_report import BackupHealth, BackupReport, RestoreRow
from cloudops_nb.storage.backup.places.snapshot_bucket import SnapshotBucket
from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
from cloudops_nb.storage.backup.places.snapshot_inventory import (
    SnapshotInventory,
    SnapshotPlaces,
    list_local_snapshots,
    list_s3_snapshots,
    take_inventory,
)
from cloudops_nb.storage.backup.restoring.collection_restore import restore_collection
from cloudops_nb.storage.backup.restoring.journal_restore import restore_journal
from cloudops_nb.storage.backup.restoring.restore_sources import LATEST, find_sources
from cloudops_nb.storage.backup.saving.regular_tasks import RegularTasks
from cloudops_nb.storage.backup.saving.snapshot_saver import SnapshotSaver
from cloudops_nb.storage.backup.snapshot import JOURNAL, checked_kinds
from cloudops_nb.storage.backup.snapshot_ownership import SnapshotOwnership
from cloudops_nb.storage.deadline import LOOK_SECONDS, within
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.keys.key_lookup import find_master_key
from cloudops_nb.storage.keys.master_key import MasterKey
from cloudops_nb.storage.opening.vault_opening import create_vault
from cloudops_nb.storage.schedule.due_times import Schedule
from cloudops_nb.storage.schedule.schedule_status import ScheduleStatus, task_statuses
from cloudops_nb.storage.schedule.scheduler import Scheduler

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.archive import Archive
    from cloudops_nb.storage.backup.restoring.collection_restore import RestoreResult
    from cloudops_nb.storage.backup.restoring.restore_sources import RestoreSource, VerifiedSnapshot
    from cloudops_nb.storage.backup.snapshot import Snapshot
    from cloudops_nb.storage.opening.open_store import OpenStore
    from cloudops_nb.storage.schedule.scheduler import ScheduledTask

_FOREIGN = "it is a snapshot of another store with the same key"


class BackupService:
    """Takes snapshots of a store's parts, keeps them on the local disk and in S3, and restores from them.

    The store stays in use while a snapshot is taken. A restore needs the store alone, and leaves it unchanged if it
    fails. The failure of one part does not stop the backup or restore of the others: the report has a row for each.
    Threads may share a service; its operations run one at a time.

    Args:
        storage: The store.
        settings: The bucket, the intervals, and how long snapshots are kept.
        clock: Returns the current time in UTC.
    """

    def __init__(
        self, storage: OpenStore, settings: Settings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._clock = clock
        self.local = SnapshotFolder(settings.data_path)
        self.s3 = SnapshotBucket(settings, self.local)
        self._looks = SnapshotBucket(settings, self.local, looks_only=True)
        self._places = SnapshotPlaces(self.local, self.s3)
        self._own = SnapshotOwnership(storage, settings)
        self._saving = SnapshotSaver(storage, settings, self._places, clock)
        self._lock = self._saving.lock

    def snapshot(self, *kinds: str) -> BackupReport:
        """Take and upload a snapshot of each kind, every kind by default, and remove the kind's expired snapshots.

        Raises:
            BackupError: A kind does not exist.
        """
        return self._saving.save(checked_kinds(kinds))

    def snapshots(self) -> BackupReport:
        """List the store's snapshots in both places, newest first; an S3 failure becomes a problem of the report.

        A new or empty store lists the snapshots of other stores too, because it may restore them.

        Raises:
            BackupError: The local disk cannot be listed.
        """
        # Cached, because for snapshots of other stores each answer verifies the journal.
        inventory = take_inventory(self._places, cache(self._own.may_restore))
        return BackupReport(inventory.rows(), (inventory.problem,) if inventory.problem else ())

    def names(self) -> list[str]:
        """Return the names of the store's snapshots of the estate and the conversations, newest first.

        Raises:
            BackupError: A place cannot be listed.
        """
        inventory = take_inventory(self._places, self._own.owns)
        if inventory.problem:
            raise BackupError("cannot list all snapshots", inventory.problem)
        return [snapshot.name for snapshot in inventory.newest_first(list(COLLECTIONS))]

    def restore(
        self, source: str | Path = LATEST, *kinds: str, merge: bool = False, set_aside: bool = False
    ) -> BackupReport:
        """Verify snapshots, then replace the store's parts with them.

        Args:
            source: ``latest`` for the newest of each kind, the name of a snapshot, or the path of a file.
            kinds: For ``latest``, the kinds to restore; every kind by default.
            merge: Whether to keep what the store has; of two versions the newer one stays.
            set_aside: Whether to replace a journal that the snapshot does not continue, after copying it.

        Raises:
            BackupError: The snapshot does not exist.
            StoreUnavailableError: Another program has the store open.
        """
        rows: list[RestoreRow] = []
        with self._lock, ExitStack() as opened:
            sources = find_sources(source, kinds, self._places, self._own, self._clock())
            ready = [(one, found) for one in sources if (found := self._verify(one, opened, rows)) is not None]
            if ready:
                with self._storage.alone():
                    empty = self._own.is_empty()
                    self._create_missing_store([found.archive for _, found in ready])
                    rows += [self._restore(one, found, merge, set_aside, take_over=empty) for one, found in ready]
        failed = [f"{row.kind}: {row.note}" for row in rows if row.outcome == "failed"]
        return BackupReport(tuple(rows), tuple(failed))

    def start(self) -> None:
        """Run the scheduled tasks in a daemon thread until :meth:`stop`."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop the scheduled tasks; call it before the store is closed or changes its keys."""
        self._scheduler.stop()

    def status(self) -> ScheduleStatus:
        """Return each task's due time and last result."""
        tasks = task_statuses(self._schedule, self._tasks, ready=self._own.ready)
        return ScheduleStatus(running=self._scheduler.running, trouble=self._scheduler.trouble, tasks=tasks)

    def health(self) -> BackupHealth:
        """Look at both places and the schedule; returns within a few seconds even if S3 does not answer.

        Raises:
            StorageError: The local disk or the schedule cannot be read.
        """
        late = f"the snapshots in S3 cannot be listed: S3 does not answer within {LOOK_SECONDS:.0f} seconds."
        local, doubtful = list_local_snapshots(self.local, self._own.owns)
        unseen: tuple[dict[str, Snapshot], str] = ({}, late)
        there, problem = within(LOOK_SECONDS, lambda: list_s3_snapshots(self._looks, self._own.owns), unseen)
        inventory = SnapshotInventory(self._places, local, there, doubtful, problem)
        return BackupHealth(
            s3_configured=self.s3.configured,
            s3_reachable=not inventory.problem if self.s3.configured else None,
            s3_problem=inventory.problem,
            newest=inventory.newest_times(self._clock()),
            schedule=self.status(),
        )

    def close(self) -> set[threading.Thread]:
        """Stop the thread and close the connections; returns the thread if it is still running a task."""
        left = self._scheduler.stop()
        self.s3.close()
        self._looks.close()
        return left

    def _verify(self, source: RestoreSource, opened: ExitStack, rows: list[RestoreRow]) -> VerifiedSnapshot | None:
        """Verify a source before anything is replaced; a failure becomes a row."""
        try:
            return opened.enter_context(source.verified(self._master))
        except CloudOpsError as error:
            rows.append(RestoreRow(source.kind, source.name, "", "failed", None, str(error)))
            return None

    def _master(self, fingerprint: str) -> MasterKey:
        """Return a snapshot's master key, the store's or a kept one; a useless new key if it is missing."""
        try:
            return find_master_key(self._settings, fingerprint)
        except (KeyMissingError, WrongKeyError):
            # The checksum is verified first and needs no key, so that damage is reported as such. Then the useless key
            # leads to the error that the snapshot has another key.
            return MasterKey.generate()

    def _create_missing_store(self, archives: Sequence[Archive]) -> None:
        """Create the store if it is missing, with the snapshots' key, not with the first key that is found."""
        if not self._own.ready:
            first = archives[0].header.key_fingerprint
            headers = [archive.header for archive in archives if archive.header.key_fingerprint == first]
            generation = max(header.data_key_generation for header in headers)
            create_vault(self._settings, self._master(first), generation=generation)

    def _restore(
        self, source: RestoreSource, found: VerifiedSnapshot, merge: bool, set_aside: bool, *, take_over: bool
    ) -> RestoreRow:
        name, header = found.archive.name, found.archive.header
        foreign = not take_over and not self._own.owns(header.store_id)
        try:
            done = self._replace(found.archive, merge, set_aside, header.store_id if take_over else "")
        except CloudOpsError as error:
            return RestoreRow(source.kind, name, found.place, "failed", None, str(error))
        notes = (done.note, _FOREIGN if foreign else "", found.note, source.note)
        note = "; ".join(part for part in notes if part)
        return RestoreRow(source.kind, name, found.place, done.outcome, done.rows, note)

    def _replace(self, archive: Archive, merge: bool, set_aside: bool, store_id: str) -> RestoreResult:
        master = self._master(archive.header.key_fingerprint)
        if archive.header.kind == JOURNAL:
            now = self._clock()
            return restore_journal(self._storage, archive, master, set_aside=set_aside, now=now, store_id=store_id)
        return restore_collection(self._storage, archive, master, merge=merge, store_id=store_id)

    @cached_property
    def _schedule(self) -> Schedule:
        return Schedule(self._storage, lambda: self._clock().timestamp())

    @cached_property
    def _scheduler(self) -> Scheduler:
        return Scheduler(self._schedule, self._tasks, lambda: self._own.ready)

    @cached_property
    def _tasks(self) -> dict[str, ScheduledTask]:
        return RegularTasks(self._storage, self._settings, self._own, self._saving, self._clock).tasks()
