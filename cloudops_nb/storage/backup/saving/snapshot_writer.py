"""Writes a snapshot of one part of the store (the journal, the estate or the conversations) while the store is in use.

Rows are read one after the other, so a snapshot may contain some of the writes that are made at the same time, and miss
others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.backup.archive import Archive, Header, write_archive
from cloudops_nb.storage.backup.disk import require_room
from cloudops_nb.storage.backup.snapshot import JOURNAL, ROW_BYTES, packed_point
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.opening.journal_tables import stored_cells, stored_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
    from cloudops_nb.storage.backup.snapshot import Snapshot
    from cloudops_nb.storage.journal.journal import Journal
    from cloudops_nb.storage.opening.open_store import OpenParts, OpenStore


def write_snapshot(storage: OpenStore, kind: str, local: SnapshotFolder, now: datetime) -> tuple[Snapshot, int]:
    """Write a snapshot of one kind to the local folder, and check the file; returns the snapshot and its row count.

    Raises:
        BackupError: Too little disk space is free, the disk fails, or the file does not match its checksum.
        JournalError: The journal does not verify, so a backup of it would be worthless.
        StorageError: The store cannot be read.
    """
    parts = storage.consistent_parts()
    vault = parts.vault
    front, rows, row_count = _journal_content(parts.journal) if kind == JOURNAL else _collection_content(parts, kind)
    require_room(vault.data_path, row_count * ROW_BYTES, f"the snapshot of {kind} was not written")
    store_id = vault.store_file.identify()
    with local.create(kind, now) as draft:
        header = Header(
            kind=kind,
            store_id=store_id,
            created=draft.created,
            key_fingerprint=vault.keys.fingerprint,
            data_key_generation=vault.keys.generation,
        )
        written = write_archive(draft.stream, vault.master, header, front, rows)
    with local.opened(draft.snapshot) as stream:
        Archive(stream, draft.snapshot.name).check_whole()
    return draft.snapshot, written


def _collection_content(parts: OpenParts, kind: str) -> tuple[list[Any], Iterator[Any], int]:
    # Read the scan cells (results of scans) before the rows, so that no saved cell is newer than the saved rows.
    cells = [list(cell) for cell in stored_cells(parts.journal.database)] if kind == AWS_ESTATE.name else []
    row_count = parts.vector_store.count(kind, EVERY_POINT)
    return cells, map(packed_point, parts.vector_store.points(kind)), row_count


def _journal_content(journal: Journal) -> tuple[list[Any], Iterator[Any], int]:
    # Take the head (the record count and the last MAC) before the records. Records that are appended during the
    # snapshot may be saved too, but the saved records always reach at least as far as the head.
    verified = journal.verify()
    head = [verified.count, bytes.fromhex(verified.head)]
    return [head], map(list, stored_records(journal.database)), verified.count
