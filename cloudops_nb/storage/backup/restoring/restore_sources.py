"""Finds the snapshots to restore: a file, a snapshot's name, or the latest snapshot of each kind."""

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
    """A verified snapshot, the place where it was found, and the errors of newer snapshots that did not verify."""

    archive: Archive
    place: str
    note: str


@dataclass(frozen=True)
class RestoreSource:
    """The snapshots from which one kind can be restored; the first intact snapshot is restored.

    Attributes:
        kind: The kind.
        openings: The name of each snapshot, with each place that has the snapshot and a function that opens it there.
        note: A remark if S3 could not be searched, or empty.
        accepts: Returns true for the store ids whose snapshots may be restored; other snapshots are skipped.
    """

    kind: str
    openings: Sequence[tuple[str, Sequence[SnapshotOpening]]] = field(default=(), repr=False)
    note: str = ""
    accepts: Callable[[str], bool] = field(default=lambda _: True, repr=False)

    @property
    def name(self) -> str:
        """The first snapshot's name; empty if there is no snapshot."""
        return self.openings[0][0] if self.openings else ""

    @contextmanager
    def verified(self, master_of: Callable[[str], MasterKey]) -> Iterator[VerifiedSnapshot]:
        """Open and verify the first intact snapshot, in the first place that has it.

        Args:
            master_of: Returns the master key with a fingerprint, or any other key if that key is missing.

        Raises:
            BackupError: There is no snapshot, or no snapshot verifies; then the error is that of the first snapshot.
            EncryptionError: The first intact snapshot cannot be decrypted, because its key is missing.
        """
        failures: dict[str, BackupError] = {}
        for name, openings in self.openings:
            for place, opening in openings:
                with ExitStack() as stack:
                    try:
                        archive = Archive(stack.enter_context(opening()), name)
                        archive.verify(master_of(archive.header.key_fingerprint))
                        self._check_header(archive)
                    except BackupError as error:
                        failures[name] = error
                        continue
                    failures.pop(name, None)
                    yield VerifiedSnapshot(archive, place, " ".join(map(str, failures.values())))
                    return
        no_snapshot = BackupError(f"{self.kind} was not restored", "there is no snapshot of it", "Back up first.")
        raise next(iter(failures.values()), no_snapshot)

    def _check_header(self, archive: Archive) -> None:
        what = f"{archive.name} was not restored"
        if archive.header.kind != self.kind:
            why = f"it is a snapshot of {archive.header.kind}, not of {self.kind}"
            raise BackupError(what, why, "Rename the file back.")
        if not self.accepts(archive.header.store_id):
            raise BackupError(what, "it is a snapshot of another store", "To restore it anyway, restore it by name.")


def find_sources(
    source: str | Path, kinds: tuple[str, ...], places: SnapshotPlaces, ownership: SnapshotOwnership, now: datetime
) -> list[RestoreSource]:
    """Find the snapshots to restore; returns a source for each kind.

    Args:
        source: ``latest``, the name of a snapshot, or the path of a file.
        kinds: The kinds to restore; every kind if empty. A named snapshot or file must be of one of these kinds.
        places: The local disk and S3; S3 is searched only if it is configured.
        ownership: Limits ``latest`` to snapshots that the store may restore; a named snapshot may be another store's.
        now: The current time; ``latest`` ignores snapshots that are dated more than a day in the future.

    Raises:
        BackupError: The snapshot does not exist, or its kind is not among ``kinds``.
    """
    if source != LATEST and (isinstance(source, Path) or Path(source).is_file()):
        return [_source_of_file(Path(source), kinds)]
    if source == LATEST:
        may_restore = cache(ownership.may_restore)  # cached, because a call may verify the whole journal
        inventory = take_inventory(places, may_restore)
        return [
            replace(_source_of_snapshots(inventory.candidates(kind, now), kind, inventory), accepts=may_restore)
            for kind in checked_kinds(kinds)
        ]
    inventory = take_inventory(places, lambda _: True)
    found = [snapshot for snapshot in inventory.newest_first(kinds or KINDS) if snapshot.name == source]
    if not found:
        why = inventory.problem or "neither the local disk nor S3 has it, or its kind was not requested"
        raise BackupError(f"there is no snapshot {source}", why, "List the backups.")
    return [_source_of_snapshots(found[:1], found[0].kind, inventory)]


def _source_of_snapshots(snapshots: Sequence[Snapshot], kind: str, inventory: SnapshotInventory) -> RestoreSource:
    note = f"only the local disk was searched: {inventory.problem}" if inventory.problem else ""
    return RestoreSource(kind, [(snapshot.name, inventory.openings(snapshot.name)) for snapshot in snapshots], note)


def _source_of_file(path: Path, kinds: tuple[str, ...]) -> RestoreSource:
    with _opened_file(path) as stream:
        kind = Archive(stream, path.name).header.kind
    if kind not in (kinds or KINDS):
        why = f"it is a snapshot of {kind}, which was not requested"
        raise BackupError(f"{path.name} was not restored", why, f"Request {kind}, or choose another file.")
    return RestoreSource(kind, [(path.name, [("file", lambda: _opened_file(path))])])


@contextmanager
def _opened_file(path: Path) -> Iterator[BinaryIO]:
    with disk_errors(f"{path.name} cannot be read"):
        stream = path.open("rb")
    with stream:
        yield stream
