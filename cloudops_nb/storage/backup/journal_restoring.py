"""Restoring the journal, which never gets shorter and never forks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import BackupError, JournalError, StoreCorruptedError
from cloudops_nb.storage.backup.disk import disk_errors, require_room
from cloudops_nb.storage.backup.replacing import replacing
from cloudops_nb.storage.backup.restoring import Restored
from cloudops_nb.storage.backup.tables import stored_cells, stored_schedule, write_next
from cloudops_nb.storage.backup.taking import ROW_BYTES
from cloudops_nb.storage.journal.chain import Chain, ChainHead, StoredRecord
from cloudops_nb.storage.journal.head import HeadFile
from cloudops_nb.storage.maintenance.handover import next_file
from cloudops_nb.storage.private_files import replace_private
from cloudops_nb.storage.store_file import HEAD_NAME, JOURNAL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from cloudops_nb.storage.backup.archive import Archive
    from cloudops_nb.storage.service import StorageService

_FIX = "Keep it, or set it aside: restore the journal again with set_aside (--set-aside)."


def restore_journal(storage: StorageService, archive: Archive, *, set_aside: bool, now: datetime) -> Restored:
    """Put a snapshot's journal in the place of one that it continues; keep one that contains it.

    Args:
        storage: The store, held alone.
        archive: The snapshot, verified.
        set_aside: Whether a journal that is neither, or does not verify, is copied to ``journal.db.<time>.aside`` and
            replaced.
        now: The time in the copy's name.

    Raises:
        BackupError: The journal here and the snapshot's have parted, or the snapshot's does not verify; the journal is
            as it was.
        StorageError: The store fails; likewise.
    """
    vault = storage.vault
    end = _end(storage, archive)
    parted = _parted(storage, archive, end)
    if parted is None:
        return Restored("kept", storage.journal.verify().count, "the journal here contains the snapshot's already")
    if parted and not set_aside:
        raise BackupError(f"{archive.name} was not restored", parted, _FIX)
    require_room(vault.data_path, archive.rows * ROW_BYTES, f"{archive.name} was not restored")
    with replacing(storage, [], generation=archive.header.data_key_generation):
        _build(storage, archive, end)
        aside = _copied_aside(storage, now) if parted else ""
    return Restored("replaced", end.count, f"the former journal is in {aside}" if aside else "")


def _end(storage: StorageService, archive: Archive, *passed: ChainHead) -> ChainHead:
    """Verify the snapshot's journal; returns where it ends.

    Raises:
        BackupError: It does not verify.
        JournalError: It does not pass through one of the heads ``passed``.
    """
    front, rows = archive.read(storage.vault.master)
    sealed = [ChainHead(*head) for head in front]
    records = map(StoredRecord._make, rows)
    if passed:
        return Chain(storage.vault.keys).check(records, [*sealed, *passed])
    try:
        return Chain(storage.vault.keys).check(records, sealed)
    except JournalError as error:
        raise BackupError(f"{archive.name} was not restored", f"its journal is altered: {error.why}") from error


def _parted(storage: StorageService, archive: Archive, end: ChainHead) -> str | None:
    """Say why the journal here must not be replaced, empty if it may be; ``None`` if it contains the snapshot's."""
    try:
        here = storage.journal.verify()
    except (JournalError, StoreCorruptedError) as error:
        return f"the journal here does not verify ({error.why})"
    head = ChainHead(here.count, bytes.fromhex(here.head))
    try:
        if head.count < end.count:
            _end(storage, archive, head)
            return ""
        storage.journal.verify(against=str(end))
    except JournalError:
        return f"the journal here, of {head.count} records, and the snapshot's, of {end.count}, have parted"
    return None


def _build(storage: StorageService, archive: Archive, end: ChainHead) -> None:
    """Build the successors of the journal and its sealed head; the scan state and the schedule go along."""
    vault = storage.vault
    try:
        cells = stored_cells(storage.journal.database)
        schedule = stored_schedule(storage.journal.database)
    except StoreCorruptedError:  # the scan state is lost with its file: the next scan, or the estate's snapshot, has it
        cells, schedule = [], []
    _, rows = archive.read(vault.master)
    write_next(vault.data_path, records=map(StoredRecord._make, rows), cells=cells, schedule=schedule)
    head_file = HeadFile(vault)
    head_file.path = next_file(vault.data_path, HEAD_NAME)
    head_file.write(end, power_safe=True)


def _copied_aside(storage: StorageService, now: datetime) -> str:
    """Copy the journal's files to names of their own; returns the journal's."""
    storage.journal.close()
    path = storage.vault.data_path
    with disk_errors("the journal was not set aside"):
        for source, target in _asides(path, now):
            if source.exists():
                replace_private(target, source.read_bytes())
    return f"{JOURNAL_NAME}.{_stamp(now)}.aside"


def _asides(path: Path, now: datetime) -> Iterator[tuple[Path, Path]]:
    for name in (JOURNAL_NAME, f"{JOURNAL_NAME}-wal", HEAD_NAME):
        yield path / name, path / f"{name}.{_stamp(now)}.aside"


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H-%M-%S")
