"""Restores the journal.

The snapshot's journal replaces the store's journal only if it continues the store's journal, so no record is lost. With
``set_aside``, it also replaces a journal that has diverged or does not verify; that journal is first copied to a file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from cloudops_nb.errors import BackupError, JournalError, StoreCorruptedError
from cloudops_nb.storage.backup.disk import disk_errors, require_room
from cloudops_nb.storage.backup.restoring.collection_restore import RestoreResult
from cloudops_nb.storage.backup.restoring.staged_replacement import replacing_parts
from cloudops_nb.storage.backup.snapshot import ROW_BYTES
from cloudops_nb.storage.files.private_files import replace_private
from cloudops_nb.storage.files.store_file import HEAD_NAME, JOURNAL_NAME
from cloudops_nb.storage.journal.chain import Chain, ChainHead, StoredRecord
from cloudops_nb.storage.journal.head import HeadFile
from cloudops_nb.storage.keys.master_key import StoreKeys
from cloudops_nb.storage.opening.handover import next_file
from cloudops_nb.storage.opening.journal_tables import stored_cells, stored_records, stored_schedule, write_next_journal

if TYPE_CHECKING:
    from collections.abc import Iterable
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
    """Replace the store's journal if the snapshot's continues it; keep it if it already contains the snapshot's.

    Args:
        storage: The store; no other program has it open.
        archive: The verified snapshot.
        master: The snapshot's master key.
        set_aside: If true, also replace a store's journal that has diverged or does not verify; first copy it to
            ``journal.db.<time>.aside``.
        now: The time in the copy's name.
        store_id: The store's new id; empty to keep its id.

    Raises:
        BackupError: The snapshot's journal does not verify. Or it was made with an earlier key, and the store's journal
            does not contain it. Or, without ``set_aside``, the journals have diverged, or the store's journal does not
            verify. The store is unchanged.
        StorageError: The store fails. It is unchanged, unless the replacement was already committed: then the next
            opening of the store finishes the replacement.
    """
    vault = storage.vault
    end = _verified_end(archive, master)
    conflict = _conflict(storage, archive, master, end)
    if conflict is None:
        return _kept(storage, now)
    if archive.header.key_fingerprint != vault.keys.fingerprint:
        why = "it was made with an earlier key, and the journal here does not contain it"
        raise BackupError(f"{archive.name} was not restored", why, _EARLIER_FIX)
    if conflict and not set_aside:
        raise BackupError(f"{archive.name} was not restored", conflict, _FIX)
    require_room(vault.data_path, archive.rows * ROW_BYTES, f"{archive.name} was not restored")
    with replacing_parts(storage, [], generation=archive.header.data_key_generation, store_id=store_id):
        _, rows = archive.read(vault.master)
        _stage_journal(storage, map(StoredRecord._make, rows), end)
        aside = _copy_aside(storage, now) if conflict else ""
    return RestoreResult("replaced", end.count, f"the former journal is in {aside}" if aside else "")


def _verified_end(archive: Archive, master: MasterKey, *required: ChainHead) -> ChainHead:
    """Verify the snapshot's journal; returns its head, which is the number of records and the last record's MAC.

    Raises:
        BackupError: The journal does not verify, and no head is required.
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
    """Return why the snapshot's journal must not replace the store's journal.

    The reason is empty if the snapshot's journal continues the store's journal. It is ``None`` if the store's journal
    contains the snapshot's journal, so that nothing needs to be replaced.
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


def _kept(storage: OpenStore, now: datetime) -> RestoreResult:
    """Keep the store's journal, which verifies; if another table of its file is damaged, write a new file."""
    here = storage.journal.verify()
    note, database = "the journal here contains the snapshot's already", storage.journal.database
    if any(database.problem(table) for table in ("cells", "schedule")):
        with replacing_parts(storage, [], generation=storage.vault.keys.generation):
            _stage_journal(storage, stored_records(database), ChainHead(here.count, bytes.fromhex(here.head)))
            aside = _copy_aside(storage, now)
        note = f"its file was damaged and is written again; the former file is {aside}"
    return RestoreResult("kept", here.count, note)


def _stage_journal(storage: OpenStore, records: Iterable[StoredRecord], end: ChainHead) -> None:
    """Write the next ``journal.head`` and ``journal.db``; the store's scan state and schedule are kept."""
    vault = storage.vault
    try:
        cells = stored_cells(storage.journal.database)
        schedule = stored_schedule(storage.journal.database)
    except StoreCorruptedError:  # both are lost; a scan or the estate's snapshot restores the scan state
        cells, schedule = [], []
    write_next_journal(vault.data_path, records=records, cells=cells, schedule=schedule)
    head_file = HeadFile(next_file(vault.data_path, HEAD_NAME), vault.envelope)
    head_file.write(end, power_safe=True)


def _copy_aside(storage: OpenStore, now: datetime) -> str:
    """Copy the journal and its head to files with the time in their names; returns the name of the journal's copy."""
    storage.journal.close()  # so that the files do not change while they are copied
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
    """Merge the copy's write-ahead log into the copy, so that one file holds everything; skip a damaged copy."""
    # A damaged schema may not be valid UTF-8.
    with suppress(sqlite3.Error, UnicodeDecodeError), closing(sqlite3.connect(aside)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
