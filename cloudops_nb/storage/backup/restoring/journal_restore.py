"""Restores the journal.

A restored journal continues the journal that it replaces, so no record is lost. With ``set_aside`` it may replace a
journal that has diverged from it or does not verify; that journal is first copied.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from cloudops_nb.errors import BackupError, JournalError, StoreCorruptedError
from cloudops_nb.storage.backup.disk import disk_errors, require_room
from cloudops_nb.storage.backup.journal_tables import stored_cells, stored_schedule, write_next_journal
from cloudops_nb.storage.backup.restoring.collection_restore import RestoreResult
from cloudops_nb.storage.backup.restoring.staged_replacement import replacing_parts
from cloudops_nb.storage.backup.snapshot import ROW_BYTES
from cloudops_nb.storage.files.private_files import replace_private
from cloudops_nb.storage.files.store_file import HEAD_NAME, JOURNAL_NAME
from cloudops_nb.storage.journal.chain import Chain, ChainHead, StoredRecord
from cloudops_nb.storage.journal.head import HeadFile
from cloudops_nb.storage.keys.master_key import StoreKeys
from cloudops_nb.storage.opening.handover import next_file

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cloudops_nb.storage.backup.archive import Archive
    from cloudops_nb.storage.keys.master_key import MasterKey
    from cloudops_nb.storage.opening.open_store import OpenStore

_EARLIER_FIX = "Restore the snapshot with its own key into a separate data path: --data-path (data_path)."
_FIX = "Keep the current journal, or restore again with set_aside (--set-aside), which first copies it to a file."


def restore_journal(
    storage: OpenStore, archive: Archive, master: MasterKey, *, set_aside: bool, now: datetime, store_id: str = ""
) -> RestoreResult:
    """Replace the journal if the snapshot's journal continues it; keep it if it contains the snapshot's journal.

    Args:
        storage: The store; no other program has it open.
        archive: The verified snapshot.
        master: The snapshot's master key.
        set_aside: Whether to replace a journal that has diverged or does not verify; it is first copied to
            ``journal.db.<time>.aside``.
        now: The time in the copy's name.
        store_id: The store's new id; empty to keep its id.

    Raises:
        BackupError: The snapshot's journal has diverged, does not verify, or has an earlier key and later records. The
            store is unchanged.
        StorageError: The store fails; it is unchanged.
    """
    vault = storage.vault
    end = _verified_end(archive, master)
    conflict = _conflict(storage, archive, master, end)
    if conflict is None:
        return RestoreResult("kept", storage.journal.verify().count, "the journal here contains the snapshot's already")
    if archive.header.key_fingerprint != vault.keys.fingerprint:
        why = "it was made with an earlier key, and the journal here does not contain it"
        raise BackupError(f"{archive.name} was not restored", why, _EARLIER_FIX)
    if conflict and not set_aside:
        raise BackupError(f"{archive.name} was not restored", conflict, _FIX)
    require_room(vault.data_path, archive.rows * ROW_BYTES, f"{archive.name} was not restored")
    with replacing_parts(storage, [], generation=archive.header.data_key_generation, store_id=store_id):
        _stage_journal(storage, archive, end)
        aside = _copy_aside(storage, now) if conflict else ""
    return RestoreResult("replaced", end.count, f"the former journal is in {aside}" if aside else "")


def _verified_end(archive: Archive, master: MasterKey, *required: ChainHead) -> ChainHead:
    """Verify the snapshot's journal; returns its last head, which is a record count and the hash of the last record.

    Raises:
        BackupError: The journal does not verify, and no heads are required.
        JournalError: The journal does not verify, or does not contain a required head.
    """
    front, rows = archive.read(master)
    chain = Chain(StoreKeys(master))
    sealed = [ChainHead(*head) for head in front]
    records = map(StoredRecord._make, rows)
    if required:
        return chain.check(records, [*sealed, *required])
    try:
        return chain.check(records, sealed)
    except JournalError as error:
        raise BackupError(f"{archive.name} was not restored", f"its journal was modified: {error.why}") from error


def _conflict(storage: OpenStore, archive: Archive, master: MasterKey, end: ChainHead) -> str | None:
    """Return why the journal must not be replaced.

    The reason is empty if the snapshot's journal continues this one, and ``None`` if this one contains the snapshot's.
    """
    try:
        here = storage.journal.verify()
    except (JournalError, StoreCorruptedError) as error:
        return f"the journal here does not verify ({error.why})"
    head = ChainHead(here.count, bytes.fromhex(here.head))
    try:
        if head.count < end.count:
            _verified_end(archive, master, head)
            return ""
        storage.journal.verify(against=str(end))
    except JournalError:
        return f"the journal here, of {head.count} records, and the snapshot's, of {end.count}, have diverged"
    return None


def _stage_journal(storage: OpenStore, archive: Archive, end: ChainHead) -> None:
    """Stage ``journal.db`` with the snapshot's records and the current scan state and schedule, and its head file."""
    vault = storage.vault
    try:
        cells = stored_cells(storage.journal.database)
        schedule = stored_schedule(storage.journal.database)
    except StoreCorruptedError:  # the scan state and the schedule are lost; a scan or the estate's snapshot restores it
        cells, schedule = [], []
    _, rows = archive.read(vault.master)
    write_next_journal(vault.data_path, records=map(StoredRecord._make, rows), cells=cells, schedule=schedule)
    head_file = HeadFile(next_file(vault.data_path, HEAD_NAME), vault.envelope)
    head_file.write(end, power_safe=True)


def _copy_aside(storage: OpenStore, now: datetime) -> str:
    """Copy the journal and its head to files with the time in their names; returns the journal's file name."""
    storage.journal.close()  # before the copy, so that the files do not change during it
    path, stamp = storage.vault.data_path, now.strftime("%Y-%m-%dT%H-%M-%S")
    aside = path / f"{JOURNAL_NAME}.{stamp}.aside"
    copies = {
        path / JOURNAL_NAME: aside,
        path / f"{JOURNAL_NAME}-wal": aside.with_name(f"{aside.name}-wal"),
        path / HEAD_NAME: path / f"{HEAD_NAME}.{stamp}.aside",
    }
    with disk_errors("the journal was not set aside"):
        for source, target in copies.items():
            if source.exists():
                replace_private(target, source.read_bytes())
    _checkpoint(aside)
    return aside.name


def _checkpoint(aside: Path) -> None:
    """Move the copy's write-ahead log into the copy, so that one file holds everything; a damaged copy stays as is."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(aside)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
