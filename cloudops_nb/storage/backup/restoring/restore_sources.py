"""Where a restore takes its snapshots from: a file, a name, or the latest of each kind."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.archive import Archive
from cloudops_nb.storage.backup.disk import disk_errors
from cloudops_nb.storage.backup.places.snapshot_inventory import take_inventory
from cloudops_nb.storage.backup.snapshot import KINDS, checked_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from cloudops_nb.storage.backup.places.snapshot_inventory import SnapshotInventory, SnapshotOpening, SnapshotPlaces
    from cloudops_nb.storage.backup.snapshot import Snapshot
    from cloudops_nb.storage.backup.snapshot_ownership import SnapshotOwnership
    from cloudops_nb.storage.keys.master_key import MasterKey

LATEST: Final = "latest"


class VerifiedSnapshot(NamedTuple):
    """A snapshot that has been verified, the place that it comes from, and what is worth knowing about it."""

    archive: Archive
    place: str
    note: str


@dataclass(frozen=True)
class RestoreSource:
    """What to restore of a kind: the first of some snapshots that is whole.

    Attributes:
        kind: The kind.
        openings: Each snapshot's name, with how to open it in each place that has it.
        note: Says which place was not asked.
        only: Whether snapshots of the store with this id are meant; others are passed over.
    """

    kind: str
    openings: Sequence[tuple[str, Sequence[SnapshotOpening]]] = field(default=(), repr=False)
    note: str = ""
    only: Callable[[str], bool] = field(default=lambda _: True, repr=False)

    @property
    def name(self) -> str:
        """The first snapshot's name."""
        return self.openings[0][0] if self.openings else ""

    @contextmanager
    def verified(self, master_of: Callable[[str], MasterKey]) -> Iterator[VerifiedSnapshot]:
        """Open the first snapshot that is whole, in the first place where it is, and verify it.

        Args:
            master_of: Returns the master key for a fingerprint, or the store's own if that is another.

        Raises:
            BackupError: There is none, or they are all damaged; the error is the first one's.
            EncryptionError: It is whole, and its key is not here.
        """
        passed: dict[str, BackupError] = {}
        for name, openings in self.openings:
            for place, opening in openings:
                with ExitStack() as stack:
                    try:
                        archive = Archive(stack.enter_context(opening()), name)
                        archive.verify(master_of(archive.header.key_fingerprint))
                        self._check(archive)
                    except BackupError as error:
                        passed[name] = error
                        continue
                    passed.pop(name, None)
                    yield VerifiedSnapshot(archive, place, " ".join(map(str, passed.values())))
                    return
        nothing = BackupError(f"{self.kind} was not restored", "there is no snapshot of it", "Back up first.")
        raise next(iter(passed.values()), nothing)

    def _check(self, archive: Archive) -> None:
        what = f"{archive.name} was not restored"
        if archive.header.kind != self.kind:
            why = f"it is a snapshot of {archive.header.kind}, not of {self.kind}"
            raise BackupError(what, why, "Give it its own name back.")
        if not self.only(archive.header.store_id):
            raise BackupError(what, "it is a snapshot of another store", "Name it, if it is meant.")


def find_sources(
    source: str | Path, kinds: tuple[str, ...], places: SnapshotPlaces, own: SnapshotOwnership, now: datetime
) -> list[RestoreSource]:
    """Return what to restore.

    Args:
        source: ``latest``, the name of a snapshot, or the path of a file.
        kinds: For ``latest``, the kinds to restore; every kind if empty.
        places: Where to look; the bucket is asked when it is configured.
        own: Tells the store's own snapshots, of which the latest is one; whatever is named may be another's.
        now: The time; nothing later is the latest.

    Raises:
        BackupError: There is no such snapshot, or its kind is not among ``kinds``.
    """
    if source != LATEST and (isinstance(source, Path) or Path(source).is_file()):
        return [_of_file(Path(source), kinds)]
    if source == LATEST:
        wanted = checked_kinds(kinds)
        meant = cache(own.may_restore)
        inventory = take_inventory(places, meant)
        return [_latest(kind, inventory, meant, now) for kind in wanted]
    inventory = take_inventory(places, lambda _: True)
    found = [snapshot for snapshot in inventory.newest_first(kinds or KINDS) if snapshot.name == source]
    if not found:
        why = inventory.problem or "it is in none of the places, or of another kind"
        raise BackupError(f"there is no snapshot {source}", why, "List the backups.")
    return [_source(found[:1], found[0].kind, inventory)]


def _latest(kind: str, inventory: SnapshotInventory, meant: Callable[[str], bool], now: datetime) -> RestoreSource:
    return replace(_source(inventory.candidates(kind, now), kind, inventory), only=meant)


def _source(snapshots: Sequence[Snapshot], kind: str, inventory: SnapshotInventory) -> RestoreSource:
    note = f"only this disk was looked at: {inventory.problem}" if inventory.problem else ""
    return RestoreSource(kind, [(snapshot.name, inventory.openings(snapshot.name)) for snapshot in snapshots], note)


def _of_file(path: Path, kinds: tuple[str, ...]) -> RestoreSource:
    with _opened(path) as stream:
        kind = Archive(stream, path.name).header.kind
    if kind not in (kinds or KINDS):
        raise BackupError(f"{path.name} was not restored", f"it is a snapshot of {kind}")
    return RestoreSource(kind, [(path.name, [("file", lambda: _opened(path))])])


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with disk_errors(f"{path.name} cannot be read"):
        stream = path.open("rb")
    with stream:
        yield stream
