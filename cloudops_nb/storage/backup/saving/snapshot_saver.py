"""Taking snapshots, uploading them, and removing what is too old: of what was saved, and only then."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import BackupError, CloudOpsError
from cloudops_nb.storage.backup.backup_report import BackupReport, SnapshotRow
from cloudops_nb.storage.backup.saving.retention import prune
from cloudops_nb.storage.backup.saving.snapshot_writer import write_snapshot
from cloudops_nb.storage.backup.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.places.snapshot_inventory import SnapshotPlaces
    from cloudops_nb.storage.opening.open_store import StorageService

#: How often a snapshot whose name somebody else took in S3 is taken anew.
_TIMES: Final = 3


class SnapshotSaver:
    """Saves parts of a store in both places; ``lock`` is held meanwhile, and by whoever restores.

    Args:
        storage: The store.
        settings: How long snapshots are kept.
        places: Where they are kept.
        clock: Returns the current time in UTC.
    """

    def __init__(
        self, storage: StorageService, settings: Settings, places: SnapshotPlaces, clock: Callable[[], datetime]
    ) -> None:
        self._storage = storage
        self._settings = settings
        self.places = places
        self._local, self._s3 = places
        self._clock = clock
        self.lock = threading.RLock()

    def save(self, kinds: Sequence[str]) -> BackupReport:
        """Take a snapshot of each kind and upload it; where that succeeded, remove what is too old of the kind."""
        problems: list[str] = []
        with self.lock:
            rows = [self._saved(kind, problems) for kind in kinds]
            return BackupReport(tuple(rows), tuple(problems), self._tidied(rows))

    def upload(self, snapshot: Snapshot, rows: int | None, problems: list[str]) -> SnapshotRow | None:
        """Upload a snapshot from this disk; ``None`` if another one has its name in S3."""
        uploaded, note = False, ""
        if self._s3.configured:
            try:
                self._s3.claim(self._storage.vault.store_file.identify())
                answer = self._s3.upload(snapshot, self._local.path(snapshot))
                if answer is None:
                    return None
                uploaded, note = True, answer
            except BackupError as error:
                problems.append(str(error))
                note = error.why
        return SnapshotRow(
            snapshot.kind, snapshot.name, snapshot.created, snapshot.bytes, rows, local=True, s3=uploaded, note=note
        )

    def _saved(self, kind: str, problems: list[str]) -> SnapshotRow:
        moment, why = self._clock(), "S3 has other snapshots of the same seconds"
        try:
            for _ in range(_TIMES):
                snapshot, rows = write_snapshot(self._storage, kind, self._local, moment)
                if (row := self.upload(snapshot, rows, problems)) is not None:
                    return row
                # Another host with a copy of this store was quicker; the name says the time, so there is another one.
                self._local.remove(snapshot)
                moment = snapshot.created + timedelta(seconds=1)
            raise BackupError(f"the snapshot of {kind} was not saved", why, "Back up again.")
        except CloudOpsError as error:
            problems.append(str(error))
            return SnapshotRow(kind, "", None, None, None, local=False, s3=False, note=error.why)

    def _tidied(self, rows: Sequence[SnapshotRow]) -> tuple[str, ...]:
        """Remove what is not needed any more; returns what of it failed, which makes no snapshot worse."""
        uploaded = [row for row in rows if row.s3]
        warnings = [
            self._failure(self._local.clean),
            self._failure(lambda: self._prune([row for row in rows if row.local], s3=False)),
        ]
        if uploaded:  # a place that just failed is not asked again
            warnings.append(self._failure(lambda: self._prune(uploaded, s3=True)))
            warnings.append(self._failure(self._s3.abort_abandoned))
        return tuple(warning for warning in warnings if warning)

    def _prune(self, rows: Sequence[SnapshotRow], *, s3: bool) -> None:
        days = self._settings.s3_retention_days if s3 else self._settings.backup_retention_days
        for row in rows:
            if row.created is not None and row.bytes is not None:
                kept = Snapshot(row.kind, row.name, row.created, row.bytes)
                store_id = self._storage.vault.store_file.identify()
                prune(self._s3 if s3 else self._local, kept, days, self._clock(), store_id)

    @staticmethod
    def _failure(tidy: Callable[[], object]) -> str:
        try:
            tidy()
        except BackupError as error:
            return str(error)
        return ""
