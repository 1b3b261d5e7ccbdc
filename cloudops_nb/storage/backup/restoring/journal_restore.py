"""Restoring the journal, which never gets shorter and never forks."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from cloudops_nb.errors import BackupError, JournalError, StoreCorruptedError
from cloudops_nb.storage.backup.disk import disk_errors, require_room
from cloudops_nb.storage.backup.journal_tables import stored_cells, stored_schedule, write_next_journal
from cloudops_nb.storage.backup.restoring.collection_restore import RestoreResult
from cloudops_nb.storage.backup.restoring.staged_replacement import replacing_parts
from cloudops_nb.storage.backup.saving.snapshot_writer import ROW_BYTES
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
    from cloudops_nb.storage.opening.open_store import StorageService

_EARLIER_FIX = "Restore it into a data path of its own, where its key opens it: --data-path (data_path)."
_FIX = "Keep it, or set it aside: restore the journal again with set_aside (--set-aside)."


def restore_journal(
    storage: StorageService, archive: Archive, master: MasterKey, *, set_aside: bool, now: datetime, store_id: str = ""
) -> RestoreResult:
    """Put a snapshot's journal in the place of one that it continues; keep one that contains it.

    Args:
        storage: The store, held alone.
        archive: The snapshot, verified.
        master: Its key.
        set_aside: Whether a journal that is neither, or does not verify, is copied to ``journal.db.<time>.aside`` and
            replaced.
        now: The time in the copy's name.
        store_id: The id that the store goes on under, if that is another one.

    Raises:
        BackupError: The journal here and the snapshot's have parted, or the snapshot's does not verify; the journal is
            as it was.
        StorageError: The store fails; likewise.
    """
    vault = storage.vault
    end = _end(archive, master)
    parted = _parted(storage, archive, master, end)
    if parted is None:
        return RestoreResult("kept", storage.journal.verify().count, "the journal here contains the snapshot's already")
    if archive.header.key_fingerprint != vault.keys.fingerprint:
        why = "it was made with an earlier key, and the journal here does not contain it"
        raise BackupError(f"{archive.name} was not restored", why, _EARLIER_FIX)
    if parted and not set_aside:
        raise BackupError(f"{archive.name} was not restored", parted, _FIX)
    require_room(vault.data_path, archive.rows * ROW_BYTES, f"{archive.name} was not restored")
    with replacing_parts(storage, [], generation=archive.header.data_key_generation, store_id=store_id):
        _build(storage, archive, end)
        aside = _copied_aside(storage, now) if parted else ""
    return RestoreResult("replaced", end.count, f"the former journal is in {aside}" if aside else "")


def _end(archive: Archive, master: MasterKey, *passed: ChainHead) -> ChainHead:
    """Verify the snapshot's journal; returns where it ends.

    Raises:
        BackupError: It does not verify.
        JournalError: It does not pass through one of the heads ``passed``.
    """
    front, rows = archive.read(master)
    chain = Chain(StoreKeys(master))
    sealed = [ChainHead(*head) for head in front]
    records = map(StoredRecord._make, rows)
    if passed:
        return chain.check(records, [*sealed, *passed])
    try:
        return chain.check(records, sealed)
    except JournalError as error:
        raise BackupError(f"{archive.name} was not restored", f"its journal is altered: {error.why}") from error


def _parted(storage: StorageService, archive: Archive, master: MasterKey, end: ChainHead) -> str | None:
    """Say why the journal here must not be replaced, empty if it may be; ``None`` if it contains the snapshot's."""
    try:
        here = storage.journal.verify()
    except (JournalError, StoreCorruptedError) as error:
        return f"the journal here does not verify ({error.why})"
    head = ChainHead(here.count, bytes.fromhex(here.head))
    try:
        if head.count < end.count:
            _end(archive, master, head)
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
    write_next_journal(vault.data_path, records=map(StoredRecord._make, rows), cells=cells, schedule=schedule)
    head_file = HeadFile(vault)
    head_file.path = next_file(vault.data_path, HEAD_NAME)
    head_file.write(end, power_safe=True)


def _copied_aside(storage: StorageService, now: datetime) -> str:
    """Copy the journal and its head to names of their own; returns the journal's."""
    storage.journal.close()
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
    _take_in_its_log(aside)
    return aside.name


def _take_in_its_log(aside: Path) -> None:
    """Move what stands in the copy's log into it, so that it is whole by itself; one that is damaged keeps both."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(aside)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
