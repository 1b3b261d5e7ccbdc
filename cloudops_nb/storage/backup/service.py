"""``BackupService``: snapshots now and regularly, in two places, and back again."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from cloudops_nb.errors import BackupError, CloudOpsError
from cloudops_nb.storage.backup.journal_restoring import restore_journal
from cloudops_nb.storage.backup.listing import Places, take_inventory
from cloudops_nb.storage.backup.local import LocalPlace
from cloudops_nb.storage.backup.report import Report, RestoreRow, SnapshotRow
from cloudops_nb.storage.backup.restoring import restore_collection
from cloudops_nb.storage.backup.retention import prune
from cloudops_nb.storage.backup.s3 import S3Place
from cloudops_nb.storage.backup.schedule import Schedule
from cloudops_nb.storage.backup.scheduler import Scheduler, Task
from cloudops_nb.storage.backup.snapshot import JOURNAL, checked_kinds
from cloudops_nb.storage.backup.sources import LATEST, find_sources
from cloudops_nb.storage.backup.status import BackupHealth, ScheduleStatus, newest_snapshots, task_statuses
from cloudops_nb.storage.backup.taking import take
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY, COLLECTIONS
from cloudops_nb.storage.keys.loading import find_master_key
from cloudops_nb.storage.store_file import StoreFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.archive import Archive
    from cloudops_nb.storage.backup.restoring import Restored
    from cloudops_nb.storage.backup.snapshot import Snapshot
    from cloudops_nb.storage.backup.sources import Source
    from cloudops_nb.storage.keys.master_key import MasterKey
    from cloudops_nb.storage.service import StorageService

CHAT_RETENTION = "chat_retention"
_HOUR, _DAY = 3600.0, 86_400.0


class BackupService:
    """Takes snapshots of a store's parts, keeps them on this disk and in S3, and restores from them.

    Snapshots are taken while everybody goes on working; a restore needs the store alone, and leaves it as it was unless
    it succeeds. A part that fails does not keep the others from being saved or restored: the report says which did.
    Threads may share it; it does one thing at a time.

    Args:
        storage: The store.
        settings: The bucket, how often, and how long snapshots are kept.
        clock: Returns the current time in UTC.
    """

    def __init__(
        self, storage: StorageService, settings: Settings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._clock = clock
        self._lock = threading.RLock()
        self.local = LocalPlace(settings.data_path)
        self.s3 = S3Place(settings, self.local)
        self._places = Places(self.local, self.s3)

    def snapshot(self, *kinds: str) -> Report:
        """Take a snapshot of each kind, every one if none is named, upload it, and remove what is too old.

        Raises:
            BackupError: There is no such kind.
        """
        wanted = checked_kinds(kinds)
        problems: list[str] = []
        with self._lock:
            rows = [self._snapshot(kind, problems) for kind in wanted]
            self._tidy(problems, s3=self.s3.configured and all(row.s3 for row in rows if row.local))
        return Report(tuple(rows), tuple(problems))

    def snapshots(self) -> Report:
        """List the snapshots of both places, newest first; S3 that does not answer is a problem of the report.

        Raises:
            BackupError: The local place cannot be listed.
        """
        inventory = take_inventory(self._places)
        return Report(inventory.rows(), (inventory.problem,) if inventory.problem else ())

    def names(self) -> list[str]:
        """Return the name of every snapshot of the estate and the conversations, newest first."""
        return [row.name for row in self.snapshots().rows if row.kind in COLLECTIONS]

    def restore(self, source: str | Path = LATEST, *kinds: str, merge: bool = False, set_aside: bool = False) -> Report:
        """Verify snapshots, then put them in the place of what the store has.

        Args:
            source: ``latest`` for the newest of each kind, the name of a snapshot, or the path of a file.
            kinds: For ``latest``, what to restore; everything if none is named.
            merge: Whether what the store has stays; where both have it, the newer.
            set_aside: Whether a journal that the snapshot does not continue is copied aside and replaced.

        Raises:
            BackupError: There is no such snapshot.
            StoreUnavailableError: Another program has the store open.
        """
        rows: list[RestoreRow] = []
        with self._lock, ExitStack() as opened:
            sources = find_sources(source, kinds, self._places)
            ready = [(one, found) for one in sources if (found := self._verified(one, opened, rows)) is not None]
            if ready:
                with self._storage.alone():
                    rows += [self._restored(one, *found, merge=merge, set_aside=set_aside) for one, found in ready]
        failed = [f"{row.kind}: {row.note}" for row in rows if row.outcome == "failed"]
        return Report(tuple(rows), tuple(failed))

    def start(self) -> None:
        """Make due snapshots and the chat's retention from now on, in a daemon thread, until :meth:`stop`."""
        self._scheduler.start()

    def stop(self) -> None:
        """End what :meth:`start` began; before the store is closed or changes its keys."""
        self._scheduler.stop()

    def run_due(self) -> list[str]:
        """Make in this thread what is due and nobody else makes; returns the tasks' names."""
        return self._scheduler.run_due()

    def status(self) -> ScheduleStatus:
        """Return when each task is due and how it went last."""
        tasks = task_statuses(self._schedule, self._tasks, ready=self._ready())
        return ScheduleStatus(running=self._scheduler.running, trouble=self._scheduler.trouble, tasks=tasks)

    def health(self) -> BackupHealth:
        """Look at both places and the schedule.

        Raises:
            StorageError: The local place or the schedule cannot be read.
        """
        inventory = take_inventory(self._places)
        return BackupHealth(
            s3_configured=self.s3.configured,
            s3_reachable=not inventory.problem if self.s3.configured else None,
            s3_problem=inventory.problem,
            newest=newest_snapshots(inventory),
            schedule=self.status(),
        )

    def close(self) -> set[threading.Thread]:
        """Stop the thread and close the connections; returns the thread if a run of it goes on."""
        left = self._scheduler.stop()
        self.s3.close()
        return left

    def _snapshot(self, kind: str, problems: list[str]) -> SnapshotRow:
        try:
            snapshot, rows = take(self._storage, kind, self.local, self._clock())
        except CloudOpsError as error:
            problems.append(str(error))
            return SnapshotRow(kind, "", None, None, None, local=False, s3=False, note=error.why)
        return self._uploaded(snapshot, rows, problems)

    def _uploaded(self, snapshot: Snapshot, rows: int | None, problems: list[str]) -> SnapshotRow:
        uploaded, note = False, ""
        if self.s3.configured:
            try:
                note = self.s3.upload(snapshot, self.local.path(snapshot))
                uploaded = True
            except BackupError as error:
                problems.append(str(error))
                note = error.why
        return SnapshotRow(
            snapshot.kind, snapshot.name, snapshot.created, snapshot.bytes, rows, local=True, s3=uploaded, note=note
        )

    def _tidy(self, problems: list[str], *, s3: bool) -> None:
        try:
            self.local.clean()
            prune(self.local, self._settings.backup_retention_days, self._clock())
            if s3:  # a place that just failed is not asked again
                prune(self.s3, self._settings.s3_retention_days, self._clock())
                self.s3.abort_abandoned()
        except BackupError as error:
            problems.append(str(error))

    def _verified(self, source: Source, opened: ExitStack, rows: list[RestoreRow]) -> tuple[Archive, str] | None:
        """Verify a source, before anything is replaced; one that fails becomes a row."""
        try:
            return opened.enter_context(source.verified(self._master))
        except CloudOpsError as error:
            rows.append(RestoreRow(source.kind, source.name, "", "failed", None, str(error)))
            return None

    def _master(self, fingerprint: str) -> MasterKey:
        """Return the store's key; where there is no store, the snapshot's, so that none is made for another key."""
        return self._storage.vault.master if self._ready() else find_master_key(self._settings, fingerprint)

    def _restored(self, source: Source, archive: Archive, place: str, *, merge: bool, set_aside: bool) -> RestoreRow:
        try:
            done = self._replaced(archive, merge=merge, set_aside=set_aside)
        except CloudOpsError as error:
            return RestoreRow(source.kind, source.name, place, "failed", None, str(error))
        note = "; ".join(part for part in (done.note, source.note) if part)
        return RestoreRow(source.kind, source.name, place, done.outcome, done.rows, note)

    def _replaced(self, archive: Archive, *, merge: bool, set_aside: bool) -> Restored:
        if archive.header.kind == JOURNAL:
            return restore_journal(self._storage, archive, set_aside=set_aside, now=self._clock())
        return restore_collection(self._storage, archive, merge=merge)

    @cached_property
    def _schedule(self) -> Schedule:
        return Schedule(self._storage, lambda: self._clock().timestamp())

    @cached_property
    def _scheduler(self) -> Scheduler:
        return Scheduler(self._schedule, self._tasks, self._ready)

    @cached_property
    def _tasks(self) -> dict[str, Task]:
        """What there is to do regularly; intervals of 0 mean never, and the journal goes with the more frequent one."""
        estate, chat = self._settings.backup_estate_hours * _HOUR, self._settings.backup_chat_hours * _HOUR
        journal = min((hours for hours in (estate, chat) if hours), default=0.0)
        backups = {JOURNAL: journal, AWS_ESTATE.name: estate, CHAT_HISTORY.name: chat}
        tasks = {kind: Task(every, self._regular(kind, every)) for kind, every in backups.items() if every}
        if self._settings.chat_retention_days:
            tasks[CHAT_RETENTION] = Task(_DAY, self._expire_chats)
        return tasks

    def _regular(self, kind: str, every: float) -> Callable[[], None]:
        """Return what backs up a kind, or after a failed upload uploads what is there, and raises what went wrong."""

        def run() -> None:
            with self._lock:
                problems: list[str] = []
                fresh = self._not_uploaded(kind, every)
                if fresh is None:
                    problems += self.snapshot(kind).problems
                else:
                    self._uploaded(fresh, None, problems)
            if problems:
                raise BackupError(f"the regular backup of {kind} is not complete", " ".join(problems))

        return run

    def _not_uploaded(self, kind: str, every: float) -> Snapshot | None:
        """Return the newest local snapshot if it is younger than one interval and missing in S3."""
        newest = max(self.local.snapshots(kind), key=lambda snapshot: snapshot.created, default=None)
        recent = newest is not None and newest.created > self._clock() - timedelta(seconds=every)
        if newest is None or not recent or not self.s3.configured:
            return None
        return None if newest.name in {snapshot.name for snapshot in self.s3.snapshots(kind)} else newest

    def _expire_chats(self) -> None:
        self._storage.chat.expire(self._clock() - timedelta(days=self._settings.chat_retention_days))

    def _ready(self) -> bool:
        """Whether there is a store; nothing here makes one."""
        return StoreFile(self._settings.data_path).path.exists()
