"""Restores a collection from a verified snapshot.

The rows are written to a new ("staged") collection. Once it is complete, it replaces the live collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.disk import require_room
from cloudops_nb.storage.backup.restoring.merged_points import merged_points, renumber_messages
from cloudops_nb.storage.backup.restoring.rekeyed_rows import RekeyedRows
from cloudops_nb.storage.backup.restoring.resealed_rows import ResealedRows
from cloudops_nb.storage.backup.restoring.staged_replacement import replacing_parts
from cloudops_nb.storage.backup.snapshot import ROW_BYTES, unpacked_point
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY, staged_name
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.estate.moved_cells import MovedCells, marked_keys
from cloudops_nb.storage.opening.bound_points import BOUND_FORMAT, BoundPointsConverter
from cloudops_nb.storage.opening.journal_tables import stored_cells, stored_records, stored_schedule, write_next_journal
from cloudops_nb.storage.opening.numbered_points import NUMBERED_FORMAT, numbered_point
from cloudops_nb.storage.opening.staged_copy import batches
from cloudops_nb.storage.scan_seal import ScanSeal, sealed_rows
from cloudops_nb.storage.scan_state import opened_cell, sealed_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloudops_nb.model import CellKey
    from cloudops_nb.storage.backup.archive import Archive
    from cloudops_nb.storage.engines.vector_store import Point, VectorStore
    from cloudops_nb.storage.keys.master_key import MasterKey
    from cloudops_nb.storage.opening.open_store import OpenStore
    from cloudops_nb.storage.vault import Vault

_BATCH = 500


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """The result of a restore.

    Attributes:
        outcome: ``replaced``, ``merged`` or ``kept``.
        rows: The number of rows in the restored part of the store afterwards.
        note: A remark, or empty.
    """

    outcome: str
    rows: int
    note: str = ""


def restore_collection(
    storage: OpenStore, archive: Archive, master: MasterKey, *, merge: bool, store_id: str = ""
) -> RestoreResult:
    """Replace a collection with a snapshot's rows, or merge both; with the estate, restore the scan state, too.

    Args:
        storage: The store; no other program has it open.
        archive: The verified snapshot.
        master: The snapshot's master key, which may be an earlier key of the store.
        merge: If true, merge as described in :mod:`cloudops_nb.storage.backup.restoring.merged_points`.
        store_id: The store's new id; empty to keep its id.

    Raises:
        BackupError: Rows are missing, every row is unreadable, or too little disk space is free. The store is
            unchanged.
        StorageError: The store fails. It is unchanged, unless the replacement was already committed: then the next
            opening of the store finishes the replacement.
    """
    name, vault, store = archive.header.kind, storage.vault, storage.vector_store
    live = store.count(name, EVERY_POINT) if merge else 0
    # Until the replacement, the disk holds both the live collection and the staged collection.
    require_room(vault.data_path, (archive.rows + live) * ROW_BYTES, f"{archive.name} was not restored")
    earlier_key = archive.header.key_fingerprint != vault.keys.fingerprint
    rekeying = RekeyedRows(vault, master, archive.header.data_key_generation) if earlier_key else None
    resealing = rekeying or ResealedRows(vault)
    # Each master key has its own data key generations, so a generation under an earlier master key does not count here.
    generation = 0 if earlier_key else archive.header.data_key_generation
    altered = _altered_cells(storage) if merge and name == AWS_ESTATE.name else []
    with replacing_parts(storage, [name], generation=generation, store_id=store_id):
        cells, rows = archive.read(master)
        points = resealing.points(_current_points(archive, rows, resealing.vault), name)
        count = _load(store, store.stage(name), merged_points(name, store.points(name), points) if merge else points)
        _check_staged_rows(archive, resealing, count, store.count(staged_name(name), EVERY_POINT))
        if name == CHAT_HISTORY.name and merge:
            renumber_messages(store, staged_name(name))
        if name == AWS_ESTATE.name:
            _stage_cells(storage, resealing, cells, altered, merge=merge)
    return RestoreResult("merged" if merge else "replaced", count, _unreadable_note(resealing.unreadable))


def _current_points(archive: Archive, rows: Iterable[Any], vault: Vault) -> Iterator[Point]:
    """Yield a snapshot's points in the current store format; ``vault`` holds the keys of the snapshot."""
    points, store_format = map(unpacked_point, rows), archive.header.store_format
    if archive.header.kind == AWS_ESTATE.name and store_format < NUMBERED_FORMAT:
        points = map(numbered_point, points)
    if archive.header.kind == AWS_ESTATE.name and store_format < BOUND_FORMAT:
        return chain.from_iterable(map(BoundPointsConverter(vault), batches(points)))
    return points


def _load(store: VectorStore, staged: str, points: Iterable[Point]) -> int:
    """Write points to the staged collection; returns the number of different point ids."""
    ids: set[str] = set()
    remaining = iter(points)
    while batch := list(islice(remaining, _BATCH)):
        store.upsert(staged, batch)
        ids.update(point.id for point in batch)
    return len(ids)


def _check_staged_rows(archive: Archive, resealing: ResealedRows, written: int, found: int) -> None:
    """Check that every written row is in the staged collection, before that replaces the live collection.

    Raises:
        BackupError: Rows are missing, or every row of the snapshot is unreadable.
    """
    what = f"{archive.name} was not restored"
    if found != written:
        raise BackupError(what, f"only {found} of {written} rows are in the store", "Try again.")
    if resealing.rows and resealing.unreadable == resealing.rows:
        raise BackupError(what, "its key decrypts no row of it", "Restore another snapshot.")


def _altered_cells(storage: OpenStore) -> list[CellKey]:
    """Return the cells whose rows in the store differ from those that scans wrote."""
    return [cell.key for cell in storage.estate.integrity.check().altered]


def _stage_cells(
    storage: OpenStore, resealing: ResealedRows, cells: Iterable[Any], altered: Sequence[CellKey], *, merge: bool
) -> None:
    """Write ``journal.db.next`` with the restored scan state.

    In a merge, the newer of a cell's two results is kept. A cell that was altered, in the store or in the snapshot, is
    altered afterwards, because some of its rows may be altered ones. But if the merged rows are exactly those of the
    newer result, it is not. An alteration of the snapshot's scan state, or in a merge of the store's, is still reported
    afterwards, too.
    """
    vault, database = storage.vault, storage.journal.database
    seal, front = ScanSeal(resealing.vault), [(cell, envelope) for cell, envelope in cells]
    alteration = seal.difference(front, retired=True) or (storage.scan_state.alteration() if merge else "")
    saved = resealing.cells(seal.records(front))
    moved = MovedCells(storage.vector_store, staged_name(AWS_ESTATE.name), vault)
    if merge:
        live = ResealedRows(vault).cells(ScanSeal(vault).records(stored_cells(database)))
        newer = {cell: each for cell, each in live.items() if cell not in saved or each[0] >= saved[cell][0]}
        suspects = {*altered, *marked_keys(_opened(vault, saved))}
        contents = moved.with_new_digests(_opened(vault, {**saved, **newer}), suspects)
    else:
        contents = moved.with_fitting_digests(_opened(vault, saved))
    write_next_journal(
        vault.data_path,
        records=stored_records(database),
        cells=sealed_rows(
            vault,
            [sealed_cell(vault, content) for content in contents],
            turn=storage.scan_state.turn() + 1,
            altered=bool(alteration),
        ),
        schedule=stored_schedule(database),
    )


def _opened(vault: Vault, cells: Mapping[str, tuple[str, bytes]]) -> list[dict[str, Any]]:
    """Return the contents of cells that are given, by name, as the scan's start and the envelope."""
    return [opened_cell(vault, cell, envelope) for cell, (_, envelope) in cells.items()]


def _unreadable_note(unreadable: int) -> str:
    return f"{unreadable} rows are unreadable; they were damaged before the snapshot was taken" if unreadable else ""
