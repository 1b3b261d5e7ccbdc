"""The rows of the file that the journal and the scan state share, as they are stored, read and written anew."""

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
# The casts make bytes of whatever an altered file holds, so that it fails to verify rather than to be read.
_RECORDS = """
SELECT sequence, CAST(kind AS BLOB), CAST(subject AS BLOB), CAST(once AS BLOB),
    CAST(envelope AS BLOB), CAST(mac AS BLOB)
FROM records WHERE sequence > ? ORDER BY sequence LIMIT ?
"""
_CELLS = "SELECT cell, CAST(envelope AS BLOB) FROM cells ORDER BY cell"
_SCHEDULE = "SELECT task, CAST(envelope AS BLOB) FROM schedule"
SealedRow = tuple[str, bytes]


def stored_records(database: Database) -> Iterator[StoredRecord]:
    """Yield the journal's records, a page at a time, so that nobody waits for the whole of it."""
    behind = -(2**63)
    while True:
        with database.reading() as connection:
            page = connection.execute(_RECORDS, (behind, _PAGE)).fetchall()
        yield from map(StoredRecord._make, page)
        if len(page) < _PAGE:
            return
        behind = page[-1][0]


def stored_cells(database: Database) -> list[SealedRow]:
    """Return the scan state's cells: their blind names and envelopes."""
    with database.reading() as connection:
        return [(cell, envelope) for cell, envelope in connection.execute(_CELLS)]


def stored_schedule(database: Database) -> list[SealedRow]:
    """Return the schedule's tasks and their envelopes."""
    with database.reading() as connection:
        return [(task, envelope) for task, envelope in connection.execute(_SCHEDULE)]


def write_next_journal(
    data_path: Path, *, records: Iterable[StoredRecord], cells: Iterable[SealedRow], schedule: Iterable[SealedRow]
) -> None:
    """Build the successor of ``journal.db`` beside it, whole and on the disk when this returns.

    Raises:
        StorageError: The disk is full, or fails.
    """
    path = next_file(data_path, JOURNAL_NAME)
    database = Database(path)
    try:
        with database.writing(synced=True) as connection:
            _insert(connection, "records", 6, records)
            _insert(connection, "cells", 2, cells)
            _insert(connection, "schedule", 2, schedule)
    finally:
        database.close()  # which also empties its log into it
        path.with_name(f"{JOURNAL_NAME}{NEXT_SUFFIX}.lock").unlink(missing_ok=True)


def _insert(connection: sqlite3.Connection, table: str, columns: int, rows: Iterable[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * columns)
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - the table's name is ours
