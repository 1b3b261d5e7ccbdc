from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import InitialisationError, StorageError, StoreCorruptedError, StoreUnavailableError
from cloudops_nb.storage.files import database as module
from cloudops_nb.storage.files.database import Database

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

OPEN_AT_ONCE = """
import sys
from pathlib import Path
from cloudops_nb.storage.files.database import Database
database = Database(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
with database.writing() as connection:
    connection.execute("INSERT INTO cells VALUES (?, X'00')", (sys.argv[2],))
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "journal.db")
    yield database
    database.close()


def put(database: Database, cell: str, **options: bool) -> None:
    with database.writing(**options) as connection:
        connection.execute("INSERT INTO cells VALUES (?, X'00')", (cell,))


def cells(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT cell FROM cells ORDER BY cell")]


@pytest.mark.fast
def test_nothing_is_made_before_the_first_use(database: Database) -> None:
    assert not database.path.exists()
    database.close()

    assert cells(database) == []
    assert database.path.exists()


@pytest.mark.fast
def test_scrubbed_content_is_not_left_in_the_file(database: Database) -> None:
    with database.writing() as connection:
        # Some builds of SQLite overwrite what they delete without being asked.
        connection.execute("PRAGMA secure_delete = OFF")
    put(database, "the going cell")
    put(database, "the staying cell")
    files = [database.path, database.path.with_name(f"{database.path.name}-wal")]
    assert b"the going cell" in b"".join(path.read_bytes() for path in files)
    database.scrub("DELETE FROM cells WHERE cell = ?", [("the going cell",)])

    assert cells(database) == ["the staying cell"]
    assert b"the going cell" not in b"".join(path.read_bytes() for path in files)


@pytest.mark.fast
def test_a_write_is_undone_by_any_exception(database: Database) -> None:
    put(database, "one")

    def interrupted() -> None:
        with database.writing() as connection:
            connection.execute("INSERT INTO cells VALUES ('two', X'00')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    put(database, "three")
    assert cells(database) == ["one", "three"]


@pytest.mark.fast
@pytest.mark.parametrize(("synced", "level"), [(False, 1), (True, 2)])
def test_a_synced_write_is_synchronous_in_full(database: Database, synced: bool, level: int) -> None:
    with database.writing(synced=synced) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.fast
def test_a_reader_sees_one_state_whatever_others_commit(database: Database) -> None:
    put(database, "one")
    with database.reading() as connection:
        count = "SELECT count(*) FROM cells"
        assert connection.execute(count).fetchone() == (1,)
        other = Database(database.path)
        put(other, "two")
        other.close()
        assert connection.execute(count).fetchone() == (1,)

    assert cells(database) == ["one", "two"]


@pytest.mark.fast
def test_a_file_that_is_no_database_is_damaged(database: Database) -> None:
    database.path.write_bytes(b"no database" * 100)

    with pytest.raises(StoreCorruptedError, match=r"is damaged: .*Restore it from a backup") as caught:
        cells(database)
    assert "\n" not in str(caught.value)


@pytest.mark.fast
def test_a_page_of_rubbish_is_damage(database: Database) -> None:
    for number in range(200):
        put(database, f"{number:0100}")
    database.close()
    content = bytearray(database.path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    database.path.write_bytes(content)

    with pytest.raises(StoreCorruptedError):
        cells(database)


@pytest.mark.fast
def test_a_newer_schema_is_refused(database: Database) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(InitialisationError, match=r"its schema version is 99.*Upgrade cloudops-nb"):
        cells(database)


@pytest.mark.fast
def test_a_file_of_the_first_schema_is_upgraded_and_keeps_its_rows(database: Database) -> None:
    put(database, "one")
    database.close()
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("DROP TABLE schedule")
        connection.execute("PRAGMA user_version = 1")

    assert cells(database) == ["one"]
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM schedule").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (module.SCHEMA_VERSION,)


@pytest.mark.fast
def test_a_path_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "journal.db").mkdir()

    for path in (tmp_path / "file" / "journal.db", tmp_path / "journal.db"):
        with pytest.raises(InitialisationError, match=r"journal\.db"):
            cells(Database(path))


@pytest.mark.fast
def test_a_writer_that_never_ends_makes_others_give_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    other = Database(database.path)
    with database.writing(), pytest.raises(StoreUnavailableError, match="another process"):
        put(other, "two")
    other.close()


@pytest.mark.fast
def test_any_other_refusal_of_sqlite_is_a_storage_error(database: Database) -> None:
    put(database, "one")
    with pytest.raises(StorageError, match=r"cannot be used: UNIQUE constraint failed.* Check the disk"):
        put(database, "one")


@pytest.mark.fast
def test_a_table_that_is_missing_is_damage(database: Database) -> None:
    damaged = pytest.raises(StoreCorruptedError, match=r"is damaged: no such table: nowhere.* Restore it")
    with damaged, database.reading() as connection:
        connection.execute("SELECT * FROM nowhere")


@pytest.mark.fast
def test_indexes_that_hide_rows_are_rebuilt(database: Database) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO records VALUES (1, X'AA', X'BB', NULL, X'00', X'00')")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'records_by_kind'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    database.close()
    content = bytearray(database.path.read_bytes())
    entry = content.index(b"\xaa", (page - 1) * size)
    content[entry] ^= 1
    database.path.write_bytes(content)

    def of_kind() -> int:
        with database.reading() as connection:
            return len(connection.execute("SELECT sequence FROM records WHERE kind = X'AA'").fetchall())

    assert of_kind() == 0
    database.repair_indexes("records")
    assert of_kind() == 1


def test_processes_may_open_a_new_database_at_once(
    database: Database, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    processes = [start_python(OPEN_AT_ONCE, database.path, number) for number in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)

    assert [process.returncode for process in processes] == [0] * 4
    assert cells(database) == ["0", "1", "2", "3"]


@pytest.mark.fast
def test_its_repr_names_the_file(database: Database) -> None:
    assert repr(database) == f"Database({str(database.path)!r})"


@pytest.mark.fast
def test_a_file_that_was_replaced_while_open_is_opened_again(database: Database, tmp_path: Path) -> None:
    put(database, "backed up")
    database.close()
    shutil.copy(database.path, tmp_path / "backup")
    put(database, "later")
    (tmp_path / "backup").replace(database.path)
    for suffix in ("-wal", "-shm"):
        database.path.with_name(database.path.name + suffix).unlink()

    assert cells(database) == ["backed up"]
    put(database, "after")
    assert cells(Database(database.path)) == ["after", "backed up"]


@pytest.mark.fast
def test_closing_a_file_that_was_replaced_keeps_the_log_of_the_new_one(database: Database, tmp_path: Path) -> None:
    put(database, "old")
    other = Database(tmp_path / "other.db")
    put(other, "one")
    put(other, "in the log")
    copies = [(tmp_path / f"other.db{suffix}", tmp_path / f"journal.db{suffix}") for suffix in ("", "-wal", "-shm")]
    for source, target in copies:
        shutil.copy(source, tmp_path / "copy")
        (tmp_path / "copy").replace(target)
    copies[2][1].unlink()
    database.close()

    assert copies[1][1].stat().st_size > 0
    assert cells(database) == ["in the log", "one"]
    other.close()
