"""Opens the SQLite file that holds the journal, the scan state and the schedule.

The journal records plans, approvals, executions and sent requests. The scan state is the latest result of scanning each
resource type in each account and region. The schedule says when each regular task, such as a backup, is due. SQLite's
errors become storage errors.

The file is in WAL mode: readers do not wait for writers, one process writes at a time, and a killed process loses no
committed data (https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import (
    CloudOpsError,
    InitialisationError,
    StorageError,
    StoreCorruptedError,
    StoreUnavailableError,
)
from cloudops_nb.storage.files.private_files import create_private, creation_lock, file_identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: How long a write waits for a write of another connection, in seconds.
BUSY_SECONDS = 30.0
#: Item ``n`` holds the statements that upgrade a file from schema version ``n`` to ``n + 1``; a new file has version 0.
_VERSIONS: Final = (
    """
CREATE TABLE records (
    sequence INTEGER PRIMARY KEY,
    kind BLOB NOT NULL,
    subject BLOB NOT NULL,
    once BLOB UNIQUE,
    envelope BLOB NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE INDEX records_by_kind ON records (kind, sequence);
CREATE INDEX records_by_subject ON records (subject, sequence);
CREATE TABLE cells (
    cell TEXT PRIMARY KEY,
    envelope BLOB NOT NULL
) STRICT, WITHOUT ROWID;
""",
    """
CREATE TABLE schedule (
    task TEXT PRIMARY KEY,
    envelope BLOB NOT NULL
) STRICT, WITHOUT ROWID;
""",
)
SCHEMA_VERSION: Final = len(_VERSIONS)
# SQLite's primary result codes. The name of an extended code begins with the name of its primary code
# (https://www.sqlite.org/rescode.html).
# SQLITE_ERROR is an unknown table or column: the statements are constant, so the file's schema is damaged.
_CORRUPT = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_TOOBIG", "SQLITE_FORMAT")
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_CANNOT_OPEN = "SQLITE_CANTOPEN"
_READ_ONLY = "SQLITE_READONLY"
_RESTORE = "Restore it from a backup: cloudops-nb backup restore --kind journal --set-aside."


class Database:
    """One SQLite connection, shared by the threads of a process; other processes open their own.

    If the file was replaced while it is open, for example by a copy from a backup, the next transaction opens the file
    that is there.

    The file is created at the first use, with mode 0600; SQLite creates the ``-wal`` and ``-shm`` files with the same
    mode.

    Every method that uses the file can raise:
        InitialisationError: A newer version of this package wrote the file, or the file cannot be created or opened.
        StoreCorruptedError: The file is not a database, or is damaged.
        StoreUnavailableError: Another process keeps the file locked, or :meth:`retire` was called.
        StorageError: SQLite failed for another reason, such as a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._retired = False

    def __repr__(self) -> str:
        return f"Database({str(self.path)!r})"

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a read transaction: all reads in the block see the file in the same state."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self, *, synced: bool = False) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a write transaction; commit at the end of the block, roll back on any exception.

        Args:
            synced: If true, the commit survives a power cut. If false, it survives the death of the process, but a
                power cut may undo it.

        Raises:
            StoreUnavailableError: Another process has been writing for longer than :data:`BUSY_SECONDS`.
        """
        with self._transaction("BEGIN IMMEDIATE", synced=synced) as connection:
            yield connection

    def scrub(self, statement: str, values: Sequence[tuple[str, ...]]) -> None:
        """Run a DELETE statement once per tuple of values, and erase the deleted content from the file and its WAL.

        No other connection may have the file open.
        """
        with self.writing(synced=True) as connection:
            connection.executemany(statement, values)
        with self._lock, _translated_errors(self.path):
            # Deleted content stays in free pages until VACUUM rewrites the file. VACUUM must run outside a transaction
            # (https://www.sqlite.org/lang_vacuum.html).
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def problem(self, table: str) -> str:
        """Return why a table or one of its indexes is damaged; empty if they are intact."""
        try:
            with self.reading() as connection:
                return _problem_of(connection, table)
        except StoreCorruptedError as error:
            return error.why

    def repair_indexes(self, table: str) -> None:
        """Rebuild the indexes of a table if they do not match its rows.

        Raises:
            StoreCorruptedError: The table is damaged.
        """
        if self.problem(table):
            with self.writing(synced=True) as connection:
                connection.execute(f"REINDEX {table}")
                problem = _problem_of(connection, table)
                if problem:
                    raise StoreCorruptedError(f"{self.path} is damaged", problem, _RESTORE)

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def retire(self) -> None:
        """Close the connection for good; later uses raise StoreUnavailableError."""
        with self._lock:
            self._retired = True
            self.close()

    @contextmanager
    def _transaction(self, begin: str, *, synced: bool = False) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated_errors(self.path):
            if self._retired:  # maintenance may replace the file, so no thread may write to the old file any more
                why = "the store was closed, or maintenance replaced its parts"
                raise StoreUnavailableError(
                    f"{self.path} was closed",
                    why,
                    "Run the cell or command again; in your own code, get ops.storage.journal again.",
                )
            if self._identity != file_identity(self.path):
                self.close()  # SQLite notices the replacement, too, and leaves the new file's WAL alone
            if self._connection is None:
                self._connection = _open_locked(self.path)
                self._identity = file_identity(self.path)
            connection = self._connection
            connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            try:
                connection.execute(begin)
                yield connection
                connection.execute("COMMIT")
            finally:
                # Ctrl-C can arrive at any line, so ask SQLite whether a transaction is open.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


def _problem_of(connection: sqlite3.Connection, table: str) -> str:
    (problem,) = connection.execute(f"PRAGMA integrity_check({table})").fetchone()
    return "" if problem == "ok" else str(problem)


def _open_locked(path: Path) -> sqlite3.Connection:
    # Only one process at a time opens the file: while another process switches a new file to WAL mode, SQLite would
    # report the file as locked at once, without waiting for the busy timeout.
    with creation_lock(path.with_name(f"{path.name}.lock")):
        return _open(path)


def _open(path: Path) -> sqlite3.Connection:
    create_private(path)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # A damaged text may not be valid UTF-8; it must be read, so that only its row counts as damaged.
        connection.text_factory = lambda text: text.decode(errors="replace")
        connection.execute("PRAGMA journal_mode = WAL")
        # On macOS only F_FULLFSYNC flushes the drive's cache (https://www.sqlite.org/pragma.html#pragma_fullfsync).
        connection.execute("PRAGMA fullfsync = ON")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Upgrade the file to the current schema in one transaction; if the process is killed, the old schema stays."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        why = f"its schema version is {version}, and this version of cloudops-nb supports up to {SCHEMA_VERSION}"
        raise InitialisationError(f"cannot open {path}", why, "Upgrade cloudops-nb.")
    if version < SCHEMA_VERSION:
        connection.execute("BEGIN IMMEDIATE")
        for statements in _VERSIONS[version:]:
            for statement in statements.split(";\n"):  # executescript would commit the transaction first
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")


@contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except CloudOpsError:
        raise
    except sqlite3.Error as error:
        raise _storage_error(path, error) from error
    except UnicodeDecodeError as error:  # raised by the sqlite3 module for a schema whose text is not UTF-8
        raise StoreCorruptedError(f"{path} is damaged", "its schema is not valid text", _RESTORE) from error
    except OSError as error:
        raise InitialisationError(f"cannot open {path}", error.strerror or "") from error


def _storage_error(path: Path, error: sqlite3.Error) -> CloudOpsError:
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith(_CORRUPT):
        return StoreCorruptedError(f"{path} is damaged", str(error), _RESTORE)
    if code.startswith(_BUSY):
        return StoreUnavailableError(f"{path} is locked", "another process is writing to it", "Try again later.")
    if code.startswith(_READ_ONLY):
        return StorageError(f"{path} cannot be written", str(error), f"Make it writable. If it is: {_RESTORE}")
    if code.startswith(_CANNOT_OPEN):
        return InitialisationError(
            f"cannot open {path}", str(error), "Check the permissions of the file and its folder."
        )
    return StorageError(f"{path} cannot be used", str(error), "Check the disk and its free space, and try again.")
