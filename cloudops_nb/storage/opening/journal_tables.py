"""Reads and writes the rows of ``journal.db`` as stored, still encrypted: journal records, scan cells and schedule.

A scan cell is the latest scan result for one account, region and resource type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.files.database import Database
from cloudops_nb.storage.files.store_file import JOURNAL_NAME
from cloudops_nb.storage.journal.chain import StoredRecord
from cloudops_nb.storage.opening.handover import NEXT_SUFFIX, next_file

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_PAGE = 500
# An altered file may hold values of any type. The casts turn them into bytes, so that the record can be read, and its
# verification then fails.
_RECORDS = """
SELECT sequence, CAST(kind AS BLOB), CAST(subject AS BLOB), CAST(once AS BLOB),
    CAST(envelope AS BLOB), CAST(mac AS BLOB)
FROM records WHERE sequence > ? ORDER BY sequence LIMIT ?
"""
_CELLS = "SELECT cell, CAST(envelope AS BLOB) FROM cells ORDER BY cell"
_SCHEDULE = "SELECT task, CAST(envelope AS BLOB) FROM schedule"
#: A row's name and its envelope (encrypted content). The name of a scan cell is a keyed hash; that of a task is plain.
SealedRow = tuple[str, bytes]


def stored_records(database: Database) -> Iterator[StoredRecord]:
    """Yield the journal's records in pages, so that the database is not locked for the whole read."""
    last = -(2**63)  # SQLite's smallest integer, because an altered record may have a negative number
    while True:
        with database.reading() as connection:
            page = connection.execute(_RECORDS, (last, _PAGE)).fetchall()
        yield from map(StoredRecord._make, page)
        if len(page) < _PAGE:
            return
        last = page[-1][0]


def stored_cells(database: Database) -> list[SealedRow]:
    """Return the rows of the scan cells."""
    with database.reading() as connection:
        return [(cell, envelope) for cell, envelope in connection.execute(_CELLS)]


def stored_schedule(database: Database) -> list[SealedRow]:
    """Return the rows of the schedule's tasks."""
    with database.reading() as connection:
        return [(task, envelope) for task, envelope in connection.execute(_SCHEDULE)]


def write_next_journal(
    data_path: Path, *, records: Iterable[StoredRecord], cells: Iterable[SealedRow], schedule: Iterable[SealedRow]
) -> None:
    """Write ``journal.db.next``, the successor of ``journal.db``; the file is complete and synced on return.

    Raises:
        StorageError: The disk is full or fails.
    """
    path = next_file(data_path, JOURNAL_NAME)
    database = Database(path)
    try:
        with database.writing(synced=True) as connection:
            _insert_rows(connection, "records", 6, records)
            _insert_rows(connection, "cells", 2, cells)
            _insert_rows(connection, "schedule", 2, schedule)
    finally:
        # Closing the last connection also checkpoints SQLite's write-ahead log (sqlite.org/wal.html), so that the file
        # is complete without a log.
        database.close()
        path.with_name(f"{JOURNAL_NAME}{NEXT_SUFFIX}.lock").unlink(missing_ok=True)


def _insert_rows(connection: sqlite3.Connection, table: str, columns: int, rows: Iterable[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * columns)
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - the table's name is ours
