"""Writes a snapshot of one part of the store (the journal, the estate or the conversations) while the store is in use.

Rows are read one after the other, so a snapshot may contain some of the writes that are made at the same time, and miss
others.

The estate is checked first. Cells (units of a scan) whose rows are altered are marked in the snapshot, so that a
restore does not hide the alteration. If a scan of such a cell ends while the rows are read, the mark stays, and after a
restore the cell counts as altered until its next scan, unless the scan put the same rows back.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.backup.archive import Archive, Header, write_archive
from cloudops_nb.storage.backup.disk import require_room
from cloudops_nb.storage.backup.snapshot import JOURNAL, ROW_BYTES, packed_point
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.estate.moved_cells import marked
from cloudops_nb.storage.opening.journal_tables import stored_cells, stored_records
from cloudops_nb.storage.scan_seal import ScanSeal, sealed_rows
from cloudops_nb.storage.scan_state import sealed_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
    from cloudops_nb.storage.backup.snapshot import Snapshot
    from cloudops_nb.storage.journal.journal import Journal
    from cloudops_nb.storage.opening.journal_tables import SealedRow
    from cloudops_nb.storage.opening.open_store import OpenParts, OpenStore
    from cloudops_nb.storage.vault import Vault


def write_snapshot(storage: OpenStore, kind: str, local: SnapshotFolder, now: datetime) -> tuple[Snapshot, int]:
    """Write a snapshot of one kind to the local folder, and check the file; returns the snapshot and its row count.

    Raises:
        BackupError: Too little disk space is free, the disk fails, or the file does not match its checksum.
        JournalError: The journal does not verify, so a backup of it would be worthless.
        StorageError: The store cannot be read.
    """
    parts = storage.consistent_parts()
    vault = parts.vault
    if kind == JOURNAL:
        front, rows, row_count = _journal_content(parts.journal)
    else:
        marks = _marked_cells(storage, vault) if kind == AWS_ESTATE.name else {}
        front, rows, row_count = _collection_content(parts, kind, marks)
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


def _marked_cells(storage: OpenStore, vault: Vault) -> dict[str, bytes]:
    """Return the encrypted, marked contents of the altered cells, by the cells' stored names."""
    # A snapshot without marks is better than none.
    with suppress(StorageError):
        altered = [cell.key for cell in storage.estate.integrity.check().altered]
        return dict(sealed_cell(vault, content) for content in marked(storage.scan_state.contents_of(altered).values()))
    return {}


def _collection_content(
    parts: OpenParts, kind: str, marks: Mapping[str, bytes]
) -> tuple[list[Any], Iterator[Any], int]:
    # Read the scan cells (results of scans) before the rows, so that no saved cell is newer than the saved rows.
    stored = stored_cells(parts.journal.database) if kind == AWS_ESTATE.name else []
    cells = list(map(list, _with_marks(parts.vault, stored, marks) if marks else stored))
    row_count = parts.vector_store.count(kind, EVERY_POINT)
    return cells, map(packed_point, parts.vector_store.points(kind)), row_count


def _with_marks(vault: Vault, stored: Sequence[SealedRow], marks: Mapping[str, bytes]) -> list[SealedRow]:
    """Return the cells with the marked contents, and with a seal that fits them if the store's seal fits its cells."""
    seal = ScanSeal(vault)
    cells = [(cell, marks.get(cell, sealed)) for cell, sealed in seal.records(stored)]
    return sealed_rows(vault, cells, turn=0, altered=bool(seal.difference(stored)))


def _journal_content(journal: Journal) -> tuple[list[Any], Iterator[Any], int]:
    # Take the head (the record count and the last MAC) before the records. Records that are appended during the
    # snapshot may be saved too, but the saved records always reach at least as far as the head.
    verified = journal.verify()
    head = [verified.count, bytes.fromhex(verified.head)]
    return [head], map(list, stored_records(journal.database)), verified.count
