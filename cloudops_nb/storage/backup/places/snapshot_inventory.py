"""The snapshots of both places as one list."""

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

#: How many snapshots in S3 are asked for their number of rows at once.
_ASKED_AT_ONCE = 8


SnapshotOpening = tuple[str, "Callable[[], AbstractContextManager[BinaryIO]]"]


class SnapshotPlaces(NamedTuple):
    """The two places; the bucket may be none."""

    local: SnapshotFolder
    s3: SnapshotBucket


@dataclass(frozen=True)
class SnapshotInventory:
    """The snapshots by name, in each place.

    ``doubtful`` names those on this disk that are damaged at their beginning or not what their names say; ``problem``
    says why S3 was not listed.
    """

    places: SnapshotPlaces
    local: dict[str, Snapshot]
    s3: dict[str, Snapshot]
    doubtful: frozenset[str] = frozenset()
    problem: str = ""

    def rows(self) -> tuple[SnapshotRow, ...]:
        """Return a row for each snapshot, newest first; those in S3 only are asked for their number of rows."""
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            return tuple(pool.map(self._row, self.newest_first()))

    def openings(self, name: str) -> list[SnapshotOpening]:
        """Return the places that have a snapshot, each with what opens it there."""
        found: list[SnapshotOpening] = []
        if name in self.local:
            found.append(("this disk", lambda: self.places.local.opened(self.local[name])))
        if name in self.s3:
            found.append(("S3", lambda: self.places.s3.opened(self.s3[name])))
        return found

    def newest_first(self, kinds: Sequence[str] = KINDS) -> list[Snapshot]:
        """Return every snapshot of some kinds once, the newest first."""
        both = {**self.s3, **self.local}
        found = [snapshot for snapshot in both.values() if snapshot.kind in kinds]
        return sorted(found, key=lambda snapshot: (snapshot.created, snapshot.kind), reverse=True)

    def candidates(self, kind: str, now: datetime) -> list[Snapshot]:
        """Return the snapshots of a kind that may be its latest, the newest first: none of the future."""
        return [snapshot for snapshot in self.newest_first([kind]) if snapshot.created - now <= AHEAD]

    def newest(self, kind: str, now: datetime) -> Snapshot | None:
        """Return the newest snapshot of a kind that is what its name says, as far as its beginning tells."""
        sound = (
            found for found in self.candidates(kind, now) if found.name in self.s3 or found.name not in self.doubtful
        )
        return next(sound, None)

    def _row(self, snapshot: Snapshot) -> SnapshotRow:
        here, there = snapshot.name in self.local, snapshot.name in self.s3
        note, points = ("it is damaged, or not what its name says" if snapshot.name in self.doubtful else ""), None
        try:
            points = self.places.local.rows(snapshot) if here else self.places.s3.rows(snapshot)
        except BackupError as error:
            note = error.why
        created, size = snapshot.created, snapshot.bytes
        return SnapshotRow(snapshot.kind, snapshot.name, created, size, points, here, there, note)


def take_inventory(places: SnapshotPlaces, owns: Callable[[str], bool]) -> SnapshotInventory:
    """List a store's snapshots in both places; that S3 cannot be listed is noted, not raised.

    Args:
        places: The places.
        owns: Whether a snapshot of the store with this id counts.

    Raises:
        BackupError: The local place cannot be listed.
    """
    here, there = places
    local, doubtful = look_on_this_disk(here, owns)
    found, problem = look_into_s3(there, owns)
    return SnapshotInventory(places, local, found, doubtful, problem)


def look_into_s3(there: SnapshotBucket, owns: Callable[[str], bool]) -> tuple[dict[str, Snapshot], str]:
    """List a store's snapshots in S3; returns them by name, and why that failed, if it did."""
    if not there.configured:
        return {}, ""
    try:
        owner = there.owner()
        if owner is not None and not owns(owner):
            return {}, str(there.refusal("the snapshots in S3 are not this store's"))
        return {snapshot.name: snapshot for kind in KINDS for snapshot in there.snapshots(kind)}, ""
    except BackupError as error:
        return {}, str(error)


def look_on_this_disk(here: SnapshotFolder, owns: Callable[[str], bool]) -> tuple[dict[str, Snapshot], frozenset[str]]:
    """List a store's snapshots on this disk; returns them by name, and the names of the doubtful ones."""
    found, doubtful = {}, set()
    for snapshot in (snapshot for kind in KINDS for snapshot in here.snapshots(kind)):
        header = here.header(snapshot)
        if header is None or owns(header.store_id):
            found[snapshot.name] = snapshot
        if header is None or (header.kind, header.created.replace(microsecond=0)) != (snapshot.kind, snapshot.created):
            doubtful.add(snapshot.name)
    return found, frozenset(doubtful)
