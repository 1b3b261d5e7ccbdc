"""What goes into a snapshot, read while everybody goes on working.

Each row is as it was at some moment while the snapshot was taken; what is written meanwhile may show or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.backup.archive import Archive, Header, write_archive
from cloudops_nb.storage.backup.disk import require_room
from cloudops_nb.storage.backup.journal_tables import stored_cells, stored_records
from cloudops_nb.storage.backup.snapshot import JOURNAL
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Point, Sparse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
    from cloudops_nb.storage.backup.snapshot import Snapshot
    from cloudops_nb.storage.journal.records import Journal
    from cloudops_nb.storage.opening.open_store import OpenParts, StorageService

#: What a row takes at most on average, vectors included, in bytes; for the room that is needed.
ROW_BYTES = 8_000


def write_snapshot(storage: StorageService, kind: str, local: SnapshotFolder, now: datetime) -> tuple[Snapshot, int]:
    """Write a snapshot of one kind to the local place; returns it and the number of its rows.

    Raises:
        BackupError: There is too little room, or the disk fails, or keeps something else than was written.
        JournalError: The journal does not verify, so a backup of it would be worth nothing.
        StorageError: The store cannot be read.
    """
    parts = storage.together()
    vault = parts.vault
    front, rows, expected = _journal(parts.journal) if kind == JOURNAL else _collection(parts, kind)
    require_room(vault.data_path, expected * ROW_BYTES, f"the snapshot of {kind} was not written")
    store_id = vault.store_file.identify()
    with local.create(kind, now) as draft:
        header = Header(
            kind=kind,
            store_id=store_id,
            created=draft.created,
            key_fingerprint=vault.keys.fingerprint,
            data_key_generation=vault.keys.generation,
        )
        count = write_archive(draft.stream, vault.master, header, front, rows)
    with local.opened(draft.snapshot) as stream:
        Archive(stream, draft.snapshot.name).check_whole()
    return draft.snapshot, count


def packed_point(point: Point) -> list[Any]:
    """Return a point as a record of plain values."""
    sparse = point.sparse
    words = None if sparse is None else [sparse.indices, sparse.values]
    return [point.id, dict(point.payload), point.dense, words]


def unpacked_point(record: list[Any]) -> Point:
    """Return the point of a record that :func:`packed_point` made."""
    point_id, payload, dense, words = record
    return Point(point_id, payload, dense, None if words is None else Sparse(*words))


def _collection(parts: OpenParts, kind: str) -> tuple[list[Any], Iterator[Any], int]:
    # Cells before rows: a cell must never claim more than the rows show.
    cells = [list(cell) for cell in stored_cells(parts.journal.database)] if kind == AWS_ESTATE.name else []
    expected = parts.vector_store.count(kind, EVERY_POINT)
    return cells, map(packed_point, parts.vector_store.points(kind)), expected


def _journal(journal: Journal) -> tuple[list[Any], Iterator[Any], int]:
    # The head before the records, so that they contain it whatever is appended meanwhile.
    verified = journal.verify()
    head = [verified.count, bytes.fromhex(verified.head)]
    return [head], map(list, stored_records(journal.database)), verified.count
