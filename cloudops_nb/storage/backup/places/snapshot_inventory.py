"""The snapshots on the local disk and in S3 as one list."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.backup_report import SnapshotRow
from cloudops_nb.storage.backup.snapshot import KINDS, MAX_CLOCK_LEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from cloudops_nb.storage.backup.places.snapshot_bucket import SnapshotBucket
    from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
    from cloudops_nb.storage.backup.snapshot import Snapshot

#: The number of requests for row counts of snapshots in S3 that run at the same time.
_PARALLEL_ROW_COUNTS = 8

#: The name of a place (``this disk`` or ``S3``), and a function that opens a snapshot there.
SnapshotOpening = tuple[str, "Callable[[], AbstractContextManager[BinaryIO]]"]


class SnapshotPlaces(NamedTuple):
    """The two places that hold snapshots: a folder on the local disk, and an S3 bucket, if one is configured."""

    local: SnapshotFolder
    s3: SnapshotBucket


@dataclass(frozen=True)
class SnapshotInventory:
    """The snapshots on the local disk and in S3.

    Attributes:
        places: The local disk and S3.
        local: The snapshots on the local disk by name.
        s3: The snapshots in S3 by name.
        doubtful: The names of the local snapshots whose header is unreadable or disagrees with the file name.
        problem: The error of listing S3; empty if S3 was listed or is not configured.
    """

    places: SnapshotPlaces
    local: dict[str, Snapshot]
    s3: dict[str, Snapshot]
    doubtful: frozenset[str] = frozenset()
    problem: str = ""

    def rows(self) -> tuple[SnapshotRow, ...]:
        """Return a row for each snapshot, newest first; S3 is asked only for row counts that the local disk lacks."""
        with ThreadPoolExecutor(_PARALLEL_ROW_COUNTS) as pool:
            return tuple(pool.map(self._snapshot_row, self.newest_first()))

    def openings(self, name: str) -> list[SnapshotOpening]:
        """Return the places that have a snapshot, the local disk first, each with a function to open the snapshot."""
        found: list[SnapshotOpening] = []
        if name in self.local:
            found.append(("this disk", lambda: self.places.local.opened(self.local[name])))
        if name in self.s3:
            found.append(("S3", lambda: self.places.s3.opened(self.s3[name])))
        return found

    def newest_first(self, kinds: Sequence[str] = KINDS) -> list[Snapshot]:
        """Return the snapshots of the kinds, newest first; a snapshot in both places is returned once."""
        both = {**self.s3, **self.local}
        found = [snapshot for snapshot in both.values() if snapshot.kind in kinds]
        return sorted(found, key=lambda snapshot: (snapshot.created, snapshot.kind), reverse=True)

    def candidates(self, kind: str, now: datetime) -> list[Snapshot]:
        """Return the snapshots of a kind, newest first, except those that are dated more than a day in the future."""
        return [snapshot for snapshot in self.newest_first([kind]) if snapshot.created - now <= MAX_CLOCK_LEAD]

    def newest_times(self, now: datetime) -> dict[str, datetime | None]:
        """Return the time of each kind's newest snapshot; ``None`` for a kind without a snapshot.

        A doubtful local snapshot counts only if S3 has it too.
        """
        newest = {kind: self._newest(kind, now) for kind in KINDS}
        return {kind: snapshot.created if snapshot else None for kind, snapshot in newest.items()}

    def _newest(self, kind: str, now: datetime) -> Snapshot | None:
        sound = (
            found for found in self.candidates(kind, now) if found.name in self.s3 or found.name not in self.doubtful
        )
        return next(sound, None)

    def _snapshot_row(self, snapshot: Snapshot) -> SnapshotRow:
        local, in_s3 = snapshot.name in self.local, snapshot.name in self.s3
        note = "it is damaged, or its header does not match its name" if snapshot.name in self.doubtful else ""
        points = None
        try:
            points = self.places.local.rows(snapshot) if local else self.places.s3.rows(snapshot)
        except BackupError as error:
            note = error.why
        created, size = snapshot.created, snapshot.bytes
        return SnapshotRow(snapshot.kind, snapshot.name, created, size, points, local, in_s3, note)


def take_inventory(places: SnapshotPlaces, owns: Callable[[str], bool]) -> SnapshotInventory:
    """List a store's snapshots on the local disk and in S3; the inventory records an S3 failure instead of raising it.

    Args:
        places: The local disk and S3.
        owns: Returns true for the store ids whose snapshots are listed.

    Raises:
        BackupError: The local disk cannot be listed.
    """
    local, doubtful = list_local_snapshots(places.local, owns)
    found, problem = list_s3_snapshots(places.s3, owns)
    return SnapshotInventory(places, local, found, doubtful, problem)


def list_s3_snapshots(bucket: SnapshotBucket, owns: Callable[[str], bool]) -> tuple[dict[str, Snapshot], str]:
    """List a store's snapshots in S3; returns the snapshots by name, and the text of an error, or empty."""
    if not bucket.configured:
        return {}, ""
    try:
        owner = bucket.owner()
        if owner is not None and not owns(owner):
            return {}, str(bucket.refusal("the snapshots in S3 belong to another store"))
        return {snapshot.name: snapshot for kind in KINDS for snapshot in bucket.snapshots(kind)}, ""
    except BackupError as error:
        return {}, str(error)


def list_local_snapshots(
    folder: SnapshotFolder, owns: Callable[[str], bool]
) -> tuple[dict[str, Snapshot], frozenset[str]]:
    """List a store's snapshots on the local disk; returns the snapshots by name, and the names of doubtful snapshots.

    A snapshot is doubtful if its header is unreadable or disagrees with its file name. With an unreadable header, it is
    listed all the same, because it may be the store's own.
    """
    found, doubtful = {}, set()
    for snapshot in (snapshot for kind in KINDS for snapshot in folder.snapshots(kind)):
        header = folder.header(snapshot)
        if header is None or owns(header.store_id):
            found[snapshot.name] = snapshot
        if header is None or (header.kind, header.created.replace(microsecond=0)) != (snapshot.kind, snapshot.created):
            doubtful.add(snapshot.name)
    return found, frozenset(doubtful)
