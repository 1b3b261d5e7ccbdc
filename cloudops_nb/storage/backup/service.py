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

_FOREIGN = "it is a snapshot of another store"


class BackupService:
    """Takes snapshots of a store, keeps them on the local disk and in S3, and restores the store from them.

    A snapshot holds one part of the store, its kind: the journal, the estate or the conversations. The store stays in
    use while a snapshot is taken. A restore is refused while another program has the store open. A part whose restore
    fails stays unchanged, unless its replacement was already committed: then the next opening of the store finishes the
    replacement. The failure of one part does not stop the backup or restore of the other parts: the report has a row
    for each part. Threads may share a service; its backups and restores run one at a time.

    Args:
        storage: The store.
        settings: The bucket, the intervals of regular backups, and how long snapshots are kept.
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
        self._impatient_s3 = SnapshotBucket(settings, self.local, fail_fast=True)
        self._places = SnapshotPlaces(self.local, self.s3)
        self._ownership = SnapshotOwnership(storage, settings)
        self._saver = SnapshotSaver(storage, settings, self._places, clock)
        self._lock = self._saver.lock

    def snapshot(self, *kinds: str) -> BackupReport:
        """Take a snapshot of each kind (every kind by default), upload it to S3 if configured, and remove expired ones.

        Raises:
            BackupError: A kind does not exist.
        """
        return self._saver.save(checked_kinds(kinds))

    def snapshots(self) -> BackupReport:
        """List the store's snapshots on the local disk and in S3, newest first.

        An S3 failure becomes a problem of the report. A new or empty store also lists the snapshots of other stores,
        because it may restore them.

        Raises:
            BackupError: The local disk cannot be listed.
        """
        # Cache the answer per store id: for the id of another store, may_restore() verifies the whole journal.
        inventory = take_inventory(self._places, cache(self._ownership.may_restore))
        return BackupReport(inventory.rows(), (inventory.problem,) if inventory.problem else ())

    def names(self) -> list[str]:
        """Return the names of the store's snapshots of the estate and the conversations, newest first.

        Raises:
            BackupError: The local disk or S3 cannot be listed.
        """
        inventory = take_inventory(self._places, self._ownership.owns)
        if inventory.problem:
            raise BackupError("cannot list all snapshots", inventory.problem)
        return [snapshot.name for snapshot in inventory.newest_first(list(COLLECTIONS))]

    def restore(
        self, source: str | Path = LATEST, *kinds: str, merge: bool = False, set_aside: bool = False
    ) -> BackupReport:
        """Verify all chosen snapshots, then replace the store's parts with them.

        If a snapshot does not verify, nothing is replaced. A kind without any snapshot does not stop the others.

        Args:
            source: ``latest`` for the newest snapshot of each kind, the name of a snapshot, or the path of a file.
            kinds: The kinds to restore; every kind by default. A named snapshot or file must be of one of these kinds.
            merge: If true, merge the snapshot into its collection instead of replacing the collection. Of two versions
                of a row, the newer one is kept.
            set_aside: If true, also replace a journal that does not verify or has diverged from the snapshot's journal;
                first copy it to a file.

        Raises:
            BackupError: The snapshot does not exist, or its kind is not among ``kinds``.
            StoreUnavailableError: Another program has the store open.
        """
        rows: list[RestoreRow] = []
        with self._lock, ExitStack() as opened:
            sources = find_sources(source, kinds, self._places, self._ownership, self._clock())
            ready = [(each, found) for each in sources if (found := self._verify(each, opened, rows)) is not None]
            if any(row.name for row in rows):
                rows += [_not_restored(each, found) for each, found in ready]
            elif ready:
                with self._storage.alone():
                    take_over = self._ownership.is_empty()
                    self._create_missing_store([found.archive for _, found in ready])
                    rows += [self._restore(each, found, merge, set_aside, take_over=take_over) for each, found in ready]
        failed = [f"{row.kind}: {row.note}" for row in rows if row.outcome == "failed"]
        return BackupReport(tuple(rows), tuple(failed))

    def start(self) -> None:
        """Run the scheduled tasks in a daemon thread until :meth:`stop`."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop the scheduled tasks; call this before the store is closed or gets new keys."""
        self._scheduler.stop()

    def status(self) -> ScheduleStatus:
        """Return each task's due time and last result."""
        tasks = task_statuses(self._schedule, self._tasks, ready=self._ownership.ready)
        return ScheduleStatus(running=self._scheduler.running, trouble=self._scheduler.trouble, tasks=tasks)

    def health(self) -> BackupHealth:
        """Report on the snapshots and the schedule, within a few seconds even if S3 does not answer.

        Raises:
            StorageError: The local disk or the schedule cannot be read.
        """
        timeout_problem = f"the snapshots in S3 cannot be listed: S3 does not answer within {LOOK_SECONDS:.0f} seconds."
        local, doubtful = list_local_snapshots(self.local, self._ownership.owns)
        on_timeout: tuple[dict[str, Snapshot], str] = ({}, timeout_problem)
        in_s3, problem = within(
            LOOK_SECONDS, lambda: list_s3_snapshots(self._impatient_s3, self._ownership.owns), on_timeout
        )
        inventory = SnapshotInventory(self._places, local, in_s3, doubtful, problem)
        return BackupHealth(
            s3_configured=self.s3.configured,
            s3_reachable=not inventory.problem if self.s3.configured else None,
            s3_problem=inventory.problem,
            newest=inventory.newest_times(self._clock()),
            schedule=self.status(),
        )

    def close(self) -> set[threading.Thread]:
        """Stop the scheduler's thread and close the connections; returns the thread if it is still running a task."""
        still_running = self._scheduler.stop()
        self.s3.close()
        self._impatient_s3.close()
        return still_running

    def _verify(self, source: RestoreSource, opened: ExitStack, rows: list[RestoreRow]) -> VerifiedSnapshot | None:
        """Return the verified snapshot of a kind; if no snapshot can be used, add a failed row and return ``None``."""
        try:
            return opened.enter_context(source.verified(self._master))
        except CloudOpsError as error:
            rows.append(RestoreRow(source.kind, source.name, "", "failed", None, str(error)))
            return None

    def _master(self, fingerprint: str) -> MasterKey:
        """Return the master key with a fingerprint; if that key is missing, return a new random key."""
        try:
            return find_master_key(self._settings, fingerprint)
        except (KeyMissingError, WrongKeyError):
            # Verification begins with the checksum, which needs no key, so a damaged snapshot is reported as damaged.
            # With the random key, an intact snapshot is then reported as made with another key.
            return MasterKey.generate()

    def _create_missing_store(self, archives: Sequence[Archive]) -> None:
        """Create the store if it is missing, with the first snapshot's master key, not the first key in the sources."""
        if not self._ownership.ready:
            first = archives[0].header.key_fingerprint
            headers = [archive.header for archive in archives if archive.header.key_fingerprint == first]
            generation = max(header.data_key_generation for header in headers)
            create_vault(self._settings, self._master(first), generation=generation)

    def _restore(
        self, source: RestoreSource, found: VerifiedSnapshot, merge: bool, set_aside: bool, *, take_over: bool
    ) -> RestoreRow:
        name, header = found.archive.name, found.archive.header
        foreign = not take_over and not self._ownership.owns(header.store_id)
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
        return Scheduler(self._schedule, self._tasks, lambda: self._ownership.ready)

    @cached_property
    def _tasks(self) -> dict[str, ScheduledTask]:
        return RegularTasks(self._storage, self._settings, self._ownership, self._saver, self._clock).tasks()


def _not_restored(source: RestoreSource, found: VerifiedSnapshot) -> RestoreRow:
    """Return the row of an intact snapshot that was not restored, because another chosen one did not verify."""
    note = f"not restored, because another snapshot cannot be used; to restore it alone, name the kind {source.kind}"
    return RestoreRow(source.kind, found.archive.name, found.place, "kept", None, note)
