"""The snapshots of both places as one list."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.report import SnapshotRow
from cloudops_nb.storage.backup.snapshot import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from cloudops_nb.storage.backup.local import LocalPlace
    from cloudops_nb.storage.backup.place import Place
    from cloudops_nb.storage.backup.s3 import S3Place
    from cloudops_nb.storage.backup.snapshot import Snapshot

#: How many snapshots in S3 are asked for their number of rows at once.
_ASKED_AT_ONCE = 8


Opening = tuple[str, "Callable[[], AbstractContextManager[BinaryIO]]"]


class Places(NamedTuple):
    """The two places; the bucket may be none."""

    local: LocalPlace
    s3: S3Place


@dataclass(frozen=True)
class Inventory:
    """The snapshots by name, in each place; ``problem`` says why S3 could not be listed."""

    places: Places
    local: dict[str, Snapshot]
    s3: dict[str, Snapshot]
    problem: str = ""

    def rows(self) -> tuple[SnapshotRow, ...]:
        """Return a row for each snapshot, newest first; those in S3 only are asked for their number of rows."""
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            return tuple(pool.map(self._row, self.newest_first()))

    def openings(self, name: str) -> list[Opening]:
        """Return the places that have a snapshot, each with what opens it there."""
        found: list[Opening] = []
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

    def _row(self, snapshot: Snapshot) -> SnapshotRow:
        here, there = snapshot.name in self.local, snapshot.name in self.s3
        note, points = "", None
        try:
            points = self.places.local.rows(snapshot) if here else self.places.s3.rows(snapshot)
        except BackupError as error:
            note = error.why
        created, size = snapshot.created, snapshot.bytes
        return SnapshotRow(snapshot.kind, snapshot.name, created, size, points, here, there, note)


def take_inventory(places: Places) -> Inventory:
    """List both places; that S3 cannot be listed is noted, not raised.

    Raises:
        BackupError: The local place cannot be listed.
    """
    here, there = places
    local = _by_name(here)
    if not there.configured:
        return Inventory(places, local, {})
    try:
        return Inventory(places, local, _by_name(there))
    except BackupError as error:
        return Inventory(places, local, {}, str(error))


def _by_name(place: Place) -> dict[str, Snapshot]:
    return {snapshot.name: snapshot for kind in KINDS for snapshot in place.snapshots(kind)}
