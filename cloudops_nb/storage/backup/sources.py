"""Where a restore takes its snapshots from: a file, a name, or the latest of each kind."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.archive import Archive
from cloudops_nb.storage.backup.disk import disk_errors
from cloudops_nb.storage.backup.listing import take_inventory
from cloudops_nb.storage.backup.snapshot import KINDS, checked_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloudops_nb.storage.backup.listing import Inventory, Opening, Places
    from cloudops_nb.storage.keys.master_key import MasterKey

LATEST: Final = "latest"


@dataclass(frozen=True)
class Source:
    """A snapshot to restore: how to open it in each place that has it; ``note`` says which place was not asked."""

    kind: str
    name: str = ""
    openings: Sequence[Opening] = field(default=(), repr=False)
    note: str = ""

    @contextmanager
    def verified(self, master_of: Callable[[str], MasterKey]) -> Iterator[tuple[Archive, str]]:
        """Open the snapshot in the first place where it is whole, and verify it; gives it and the place.

        Args:
            master_of: Returns the master key for a fingerprint, or the store's own if that is another.

        Raises:
            BackupError: There is none, or it is damaged everywhere.
            EncryptionError: It is whole, and its key is not here.
        """
        problem = BackupError(f"{self.kind} was not restored", "there is no snapshot of it", "Back up first.")
        with ExitStack() as stack:
            for place, opening in self.openings:
                try:
                    archive = Archive(stack.enter_context(opening()), self.name)
                    archive.verify(master_of(archive.header.key_fingerprint))
                    self._check_kind(archive)
                except BackupError as error:
                    problem = error
                    continue
                yield archive, place
                return
        raise problem

    def _check_kind(self, archive: Archive) -> None:
        if archive.header.kind != self.kind:
            why = f"it is a snapshot of {archive.header.kind}, not of {self.kind}"
            raise BackupError(f"{self.name} was not restored", why, "Give it its own name back.")


def find_sources(source: str | Path, kinds: tuple[str, ...], places: Places) -> list[Source]:
    """Return what to restore.

    Args:
        source: ``latest``, the name of a snapshot, or the path of a file.
        kinds: For ``latest``, the kinds to restore; every kind if empty.
        places: Where to look; the bucket is asked when it is configured.

    Raises:
        BackupError: There is no such snapshot, or its kind is not among ``kinds``.
    """
    if source != LATEST and (isinstance(source, Path) or Path(source).is_file()):
        return [_of_file(Path(source), kinds)]
    inventory = take_inventory(places)
    if source == LATEST:
        return [_latest(kind, inventory) for kind in checked_kinds(kinds)]
    found = [snapshot for snapshot in inventory.newest_first(kinds or KINDS) if snapshot.name == source]
    if not found:
        why = inventory.problem or "it is in none of the places, or of another kind"
        raise BackupError(f"there is no snapshot {source}", why, "List the backups.")
    return [_named(found[0].kind, found[0].name, inventory)]


def _latest(kind: str, inventory: Inventory) -> Source:
    newest = inventory.newest_first([kind])
    return _named(kind, newest[0].name if newest else "", inventory)


def _named(kind: str, name: str, inventory: Inventory) -> Source:
    note = f"only this disk was looked at: {inventory.problem}" if inventory.problem else ""
    return Source(kind, name, inventory.openings(name), note)


def _of_file(path: Path, kinds: tuple[str, ...]) -> Source:
    with _opened(path) as stream:
        kind = Archive(stream, path.name).header.kind
    if kind not in (kinds or KINDS):
        raise BackupError(f"{path.name} was not restored", f"it is a snapshot of {kind}")
    return Source(kind, path.name, [("file", lambda: _opened(path))])


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with disk_errors(f"{path.name} cannot be read"):
        stream = path.open("rb")
    with stream:
        yield stream
