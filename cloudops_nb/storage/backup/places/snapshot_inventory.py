"""The snapshots of both places, the local disk and S3, as one list."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.backup_report import SnapshotRow
from cloudops_nb.storage.backup.snapshot import AHEAD, KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from cloudops_nb.storage.backup.places.snapshot_bucket import SnapshotBucket
    from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
    from cloudops_nb.storage.backup.snapshot import Snapshot

#: Number of parallel requests for the row counts of snapshots in S3.
_PARALLEL_ROW_COUNTS = 8

#: A place's name, and a function that opens the snapshot there.
SnapshotOpening = tuple[str, "Callable[[], AbstractContextManager[BinaryIO]]"]


class SnapshotPlaces(NamedTuple):
    """The two places; the bucket may be unconfigured."""

    local: SnapshotFolder
    s3: SnapshotBucket


@dataclass(frozen=True)
class SnapshotInventory:
    """The snapshots of each place, by name.

    ``doubtful`` holds the names of local snapshots whose header is unreadable or disagrees with the file name.
    ``problem`` is the reason why S3 was not listed, empty if it was.
    """

    places: SnapshotPlaces
    local: dict[str, Snapshot]
    s3: dict[str, Snapshot]
    doubtful: frozenset[str] = frozenset()
    problem: str = ""

    def rows(self) -> tuple[SnapshotRow, ...]:
        """Return a row for each snapshot, newest first; S3 is asked for row counts only of snapshots not found here."""
        with ThreadPoolExecutor(_PARALLEL_ROW_COUNTS) as pool:
            return tuple(pool.map(self._snapshot_row, self.newest_first()))

    def openings(self, name: str) -> list[SnapshotOpening]:
        """Return each place that has the snapshot, with a function that opens it there."""
        found: list[SnapshotOpening] = []
        if name in self.local:
            found.append(("this disk", lambda: self.places.local.opened(self.local[name])))
        if name in self.s3:
            found.append(("S3", lambda: self.places.s3.opened(self.s3[name])))
        return found

    def newest_first(self, kinds: Sequence[str] = KINDS) -> list[Snapshot]:
        """Return every snapshot of the kinds once, newest first."""
        both = {**self.s3, **self.local}
        found = [snapshot for snapshot in both.values() if snapshot.kind in kinds]
        return sorted(found, key=lambda snapshot: (snapshot.created, snapshot.kind), reverse=True)

    def candidates(self, kind: str, now: datetime) -> list[Snapshot]:
        """Return the snapshots of a kind, newest first, without those dated in the future."""
        return [snapshot for snapshot in self.newest_first([kind]) if snapshot.created - now <= AHEAD]

    def newest_times(self, now: datetime) -> dict[str, datetime | None]:
        """Return the time of each kind's newest snapshot, ``None`` if it has none; doubtful snapshots do not count."""
        newest = {kind: self._newest(kind, now) for kind in KINDS}
        return {kind: snapshot.created if snapshot else None for kind, snapshot in newest.items()}

    def _newest(self, kind: str, now: datetime) -> Snapshot | None:
        sound = (
            found for found in self.candidates(kind, now) if found.name in self.s3 or found.name not in self.doubtful
        )
        return next(sound, None)

    def _snapshot_row(self, snapshot: Snapshot) -> SnapshotRow:
        here, there = snapshot.name in self.local, snapshot.name in self.s3
        note, points = (
            ("it is damaged, or its content and its name differ" if snapshot.name in self.doubtful else ""),
            None,
        )
        try:
            points = self.places.local.rows(snapshot) if here else self.places.s3.rows(snapshot)
        except BackupError as error:
            note = error.why
        created, size = snapshot.created, snapshot.bytes
        return SnapshotRow(snapshot.kind, snapshot.name, created, size, points, here, there, note)


def take_inventory(places: SnapshotPlaces, owns: Callable[[str], bool]) -> SnapshotInventory:
    """List a store's snapshots in both places; an S3 failure is recorded in the inventory, not raised.

    Args:
        places: The places.
        owns: Whether snapshots with this store id belong to the list.

    Raises:
        BackupError: The local disk cannot be listed.
    """
    local, doubtful = list_local_snapshots(places.local, owns)
    found, problem = list_s3_snapshots(places.s3, owns)
    return SnapshotInventory(places, local, found, doubtful, problem)


def list_s3_snapshots(bucket: SnapshotBucket, owns: Callable[[str], bool]) -> tuple[dict[str, Snapshot], str]:
    """List a store's snapshots in S3; returns them by name, and the error if that failed, else an empty text."""
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
    """List a store's snapshots on the local disk; returns them by name, and the names of the doubtful ones."""
    found, doubtful = {}, set()
    for snapshot in (snapshot for kind in KINDS for snapshot in folder.snapshots(kind)):
        header = folder.header(snapshot)
        if header is None or owns(header.store_id):
            found[snapshot.name] = snapshot
        if header is None or (header.kind, header.created.replace(microsecond=0)) != (snapshot.kind, snapshot.created):
            doubtful.add(snapshot.name)
    return found, frozenset(doubtful)
