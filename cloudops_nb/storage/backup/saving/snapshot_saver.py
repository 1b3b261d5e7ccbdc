"""Takes and uploads snapshots, and removes the expired snapshots of the kinds that were just saved."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import BackupError, CloudOpsError
from cloudops_nb.storage.backup.backup_report import BackupReport, SnapshotRow
from cloudops_nb.storage.backup.saving.snapshot_writer import write_snapshot
from cloudops_nb.storage.backup.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.places.snapshot_bucket import SnapshotBucket
    from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
    from cloudops_nb.storage.backup.places.snapshot_inventory import SnapshotPlaces
    from cloudops_nb.storage.opening.open_store import OpenStore

#: The maximum number of names to try for a snapshot; a name is free if S3 has no other snapshot of that name.
_ATTEMPTS: Final = 3
_DAY: Final = 86_400.0


class SnapshotSaver:
    """Saves snapshots of a store on the local disk and in S3.

    ``lock`` is held during a save; a restore must hold it, too.

    Args:
        storage: The store.
        settings: How long snapshots are kept on the local disk and in S3.
        places: The local folder and the bucket.
        clock: Returns the current time in UTC.
    """

    def __init__(
        self, storage: OpenStore, settings: Settings, places: SnapshotPlaces, clock: Callable[[], datetime]
    ) -> None:
        self._storage = storage
        self._settings = settings
        self.places = places
        self._local, self._s3 = places
        self._clock = clock
        self.lock = threading.RLock()

    def save(self, kinds: Sequence[str]) -> BackupReport:
        """Take and upload a snapshot of each kind; remove the expired snapshots of the kinds that were saved."""
        problems: list[str] = []
        with self.lock:
            rows = [self._saved_row(kind, problems) for kind in kinds]
            return BackupReport(tuple(rows), tuple(problems), self._clean_up(rows))

    def upload(self, snapshot: Snapshot, rows: int | None, problems: list[str]) -> SnapshotRow | None:
        """Upload a local snapshot if S3 is configured; if the upload fails, append the error text to ``problems``.

        Returns:
            The snapshot's row for the report; ``None`` if S3 has, and keeps, a different snapshot of this name.
        """
        uploaded, note = False, ""
        if self._s3.configured:
            try:
                self._s3.claim(self._storage.vault.store_file.identify())
                remark = self._s3.upload(snapshot, self._local.path(snapshot))
                if remark is None:
                    return None
                uploaded, note = True, remark
            except BackupError as error:
                problems.append(str(error))
                note = error.why
        return SnapshotRow(
            snapshot.kind, snapshot.name, snapshot.created, snapshot.bytes, rows, local=True, s3=uploaded, note=note
        )

    def _saved_row(self, kind: str, problems: list[str]) -> SnapshotRow:
        moment, why = self._clock(), "S3 already has different snapshots of the same time"
        try:
            for _ in range(_ATTEMPTS):
                snapshot, rows = write_snapshot(self._storage, kind, self._local, moment)
                if (row := self.upload(snapshot, rows, problems)) is not None:
                    return row
                # Another host with a copy of this store took the name. Names hold the time, so try the next second.
                self._local.remove(snapshot)
                moment = snapshot.created + timedelta(seconds=1)
            raise BackupError(f"the snapshot of {kind} was not saved", why, "Back up again.")
        except CloudOpsError as error:
            problems.append(str(error))
            return SnapshotRow(kind, "", None, None, None, local=False, s3=False, note=error.why)

    def _clean_up(self, rows: Sequence[SnapshotRow]) -> tuple[str, ...]:
        """Remove expired and unfinished snapshots; returns failures as warnings, since the new snapshots are intact."""
        uploaded = [row for row in rows if row.s3]
        warnings = [
            self._error_text(self._local.clean),
            self._error_text(lambda: self._prune([row for row in rows if row.local], s3=False)),
        ]
        if uploaded:  # if nothing was uploaded, S3 is not configured or does not work
            warnings.append(self._error_text(lambda: self._prune(uploaded, s3=True)))
            warnings.append(self._error_text(self._s3.abort_abandoned))
        return tuple(warning for warning in warnings if warning)

    def _prune(self, rows: Sequence[SnapshotRow], *, s3: bool) -> None:
        days = self._settings.s3_retention_days if s3 else self._settings.backup_retention_days
        for row in rows:
            if row.created is not None and row.bytes is not None:
                newest = Snapshot(row.kind, row.name, row.created, row.bytes)
                store_id = self._storage.vault.store_file.identify()
                prune(self._s3 if s3 else self._local, newest, days, self._clock(), store_id)

    @staticmethod
    def _error_text(clean_up: Callable[[], object]) -> str:
        try:
            clean_up()
        except BackupError as error:
            return str(error)
        return ""


def expired(snapshots: Sequence[Snapshot], days: float, now: datetime) -> list[Snapshot]:
    """Return the snapshots that are older than ``days``; with 0 days, no snapshot is expired."""
    return [snapshot for snapshot in snapshots if days and (now - snapshot.created).total_seconds() > days * _DAY]


def prune(
    place: SnapshotFolder | SnapshotBucket, newest: Snapshot, days: float, now: datetime, store_id: str
) -> list[Snapshot]:
    """Remove the expired snapshots of one kind and one store from the local disk or S3; returns these snapshots.

    Args:
        place: The local folder or the bucket.
        newest: The newest snapshot of the kind, which is known to be complete in ``place``. It is never removed.
        days: The number of days for which a snapshot is kept; 0 to keep every snapshot.
        now: The current time.
        store_id: The store's id; snapshots of other stores or of an unknown store are kept.

    Raises:
        BackupError: The place cannot be listed, or a snapshot cannot be removed.
    """
    removed = []
    for snapshot in expired(place.snapshots(newest.kind), days, now):
        header = place.header(snapshot) if snapshot.name != newest.name else None
        if header is not None and header.store_id == store_id:
            place.remove(snapshot)
            removed.append(snapshot)
    return removed
