"""Restoring a collection from a verified snapshot, beside the live one, which it replaces only when it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.disk import require_room
from cloudops_nb.storage.backup.journal_tables import stored_cells, stored_records, stored_schedule, write_next_journal
from cloudops_nb.storage.backup.restoring.merged_points import merged_points, renumber_messages
from cloudops_nb.storage.backup.restoring.rekeyed_rows import RekeyedRows
from cloudops_nb.storage.backup.restoring.resealed_rows import ResealedRows
from cloudops_nb.storage.backup.restoring.staged_replacement import replacing_parts
from cloudops_nb.storage.backup.saving.snapshot_writer import ROW_BYTES, unpacked_point
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY, staged_name
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.opening.numbering import NUMBERED_FORMAT, numbered_point

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.storage.backup.archive import Archive
    from cloudops_nb.storage.engines.vector_store import Point, VectorStore
    from cloudops_nb.storage.keys.master_key import MasterKey
    from cloudops_nb.storage.opening.open_store import StorageService

_BATCH = 500


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore did, ``replaced``, ``merged`` or ``kept``; how many rows there are now; what is worth knowing."""

    outcome: str
    rows: int
    note: str = ""


def restore_collection(
    storage: StorageService, archive: Archive, master: MasterKey, *, merge: bool, store_id: str = ""
) -> RestoreResult:
    """Replace a collection by a snapshot's, or merge the two; the estate's scan state goes along.

    Args:
        storage: The store, held alone.
        archive: The snapshot, verified.
        master: Its key, which may be an earlier one than the store's.
        merge: Whether what is there stays; see :mod:`cloudops_nb.storage.backup.restoring.merged_points`.
        store_id: The id that the store goes on under, if that is another one.

    Raises:
        BackupError: The snapshot does not fit, or there is too little room; the collection is as it was.
        StorageError: The store fails; likewise.
    """
    name, vault, store = archive.header.kind, storage.vault, storage.vector_store
    live = store.count(name, EVERY_POINT) if merge else 0
    require_room(vault.data_path, (archive.rows + live) * ROW_BYTES, f"{archive.name} was not restored")
    earlier = archive.header.key_fingerprint != vault.keys.fingerprint
    going_over = RekeyedRows(vault, master, archive.header.data_key_generation) if earlier else None
    resealing = going_over or ResealedRows(vault)
    with replacing_parts(
        storage, [name], generation=0 if earlier else archive.header.data_key_generation, store_id=store_id
    ):
        cells, rows = archive.read(master)
        points = resealing.points(_present_points(archive, rows), name)
        count = _load(store, store.stage(name), merged_points(name, store.points(name), points) if merge else points)
        _check(archive, resealing, count, store.count(staged_name(name), EVERY_POINT))
        if name == CHAT_HISTORY.name and merge:
            renumber_messages(store, staged_name(name))
        if name == AWS_ESTATE.name:
            _write_cells(storage, resealing, cells, merge=merge)
    return RestoreResult("merged" if merge else "replaced", count, _note(resealing.unreadable))


def _present_points(archive: Archive, rows: Iterable[Any]) -> Iterator[Point]:
    """Yield a snapshot's points as the present format has them."""
    numbers_missing = archive.header.kind == AWS_ESTATE.name and archive.header.store_format < NUMBERED_FORMAT
    for row in rows:
        point = unpacked_point(row)
        yield numbered_point(point) if numbers_missing else point


def _load(store: VectorStore, staged: str, points: Iterable[Point]) -> int:
    """Write points to the staged collection; returns how many different ones there were."""
    ids: set[str] = set()
    left = iter(points)
    while batch := list(islice(left, _BATCH)):
        store.upsert(staged, batch)
        ids.update(point.id for point in batch)
    return len(ids)


def _check(archive: Archive, resealing: ResealedRows, written: int, found: int) -> None:
    """Compare what was staged with what was read, before it replaces anything.

    Raises:
        BackupError: Rows are missing, or none of the snapshot's opens.
    """
    what = f"{archive.name} was not restored"
    if found != written:
        raise BackupError(what, f"{found} of {written} rows arrived in the store", "Try again.")
    if resealing.rows and resealing.unreadable == resealing.rows:
        raise BackupError(what, "none of its rows opens with the store's key", "Restore another snapshot.")


def _write_cells(storage: StorageService, resealing: ResealedRows, cells: Iterable[Any], *, merge: bool) -> None:
    """Build the file of the journal anew with the restored scan state; of two results of a cell the newer stays."""
    database = storage.journal.database
    kept = resealing.cells((cell, envelope) for cell, envelope in cells)
    for cell, (started, envelope) in (
        ResealedRows(storage.vault).cells(stored_cells(database)) if merge else {}
    ).items():
        if cell not in kept or started >= kept[cell][0]:
            kept[cell] = (started, envelope)
    write_next_journal(
        storage.vault.data_path,
        records=stored_records(database),
        cells=((cell, envelope) for cell, (_, envelope) in kept.items()),
        schedule=stored_schedule(database),
    )


def _note(unreadable: int) -> str:
    return f"{unreadable} rows do not open; they were damaged before the snapshot was taken" if unreadable else ""
