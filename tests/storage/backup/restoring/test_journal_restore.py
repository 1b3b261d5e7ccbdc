"""Restoring the journal: it never gets shorter, never forks, and what cannot be reconciled is set aside on demand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import AlreadyRecordedError, StoreCorruptedError
from cloudops_nb.model import CellResult, CellState
from cloudops_nb.storage.backup.saving import snapshot_writer as taking
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.opening import journal_tables as tables
from tests.embedders import no_embedder
from tests.storage.backup.store_contents import CELL, STARTED, forge, restored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.backup_report import RestoreRow

RESULT = CellResult(CELL, CellState.OK, STARTED, 1.5)


@pytest.fixture
def storage(storage: StorageService) -> StorageService:
    """A store with three records and a cell; these tests need no collection."""
    for number in range(3):
        storage.journal.append("plan", f"plan-{number}", {"steps": number}, once=f"plan-{number}")
    storage.scan_state.put(RESULT)
    return storage


@pytest.fixture
def other(key_settings: Settings, tmp_path: Path) -> Iterator[StorageService]:
    """Another, empty store with the same key."""
    settings = key_settings.model_copy(update={"data_path": tmp_path / "other"})
    with StorageService(settings, no_embedder) as service:
        yield service


def snapshot(storage: StorageService) -> Path:
    (row,) = storage.backup.snapshot("journal").rows
    return storage.backup.local.folder / "journal" / row.name


def restore(storage: StorageService, source: Any, **options: Any) -> RestoreRow:
    (row,) = restored(storage.backup.restore(source, "journal", **options))
    return row


def subjects(storage: StorageService) -> list[str]:
    return [record.subject for record in storage.journal.records()]


def test_an_empty_journal_is_replaced_and_can_be_continued(storage: StorageService, other: StorageService) -> None:
    verified = storage.journal.verify()
    assert restore(other, snapshot(storage)).outcome == "replaced"

    assert other.journal.verify() == verified
    with pytest.raises(AlreadyRecordedError):
        other.journal.append("plan", "again", {}, once="plan-1")
    other.journal.append("plan", "next", {})
    assert subjects(other) == ["plan-0", "plan-1", "plan-2", "next"]
    assert other.journal.verify().count == 4


def test_a_journal_of_many_pages_comes_back_whole(
    storage: StorageService, other: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_PAGE", 2)
    verified = storage.journal.verify()

    assert restore(other, snapshot(storage)).outcome == "replaced"
    assert other.journal.verify() == verified


def test_a_journal_that_the_snapshot_continues_is_replaced_and_keeps_the_scan_state(
    storage: StorageService, other: StorageService
) -> None:
    assert restore(other, snapshot(storage)).outcome == "replaced"
    other.scan_state.put(RESULT)
    storage.journal.append("approval", "plan-2", {})
    row = restore(other, snapshot(storage))

    assert (row.outcome, row.points) == ("replaced", 4)
    assert other.journal.records() == storage.journal.records()
    assert other.scan_state.cells() == [RESULT]


def test_a_journal_that_contains_the_snapshot_is_kept(storage: StorageService) -> None:
    path = snapshot(storage)
    storage.journal.append("approval", "plan-2", {})
    verified = storage.journal.verify()
    row = restore(storage, path)

    assert (row.outcome, row.points) == ("kept", 4)
    assert storage.journal.verify() == verified


def test_a_journal_that_has_parted_is_refused_unless_it_is_set_aside(
    storage: StorageService, other: StorageService
) -> None:
    for count in (1, 5):  # shorter than the snapshot's, and longer
        while len(subjects(other)) < count:
            other.journal.append("plan", "of its own", {})
        verified = other.journal.verify()
        row = restore(other, snapshot(storage))

        assert row.outcome == "failed"
        assert f"the journal here, of {count} records, and the snapshot's, of 3, have diverged" in row.note
        assert "--set-aside" in row.note
        assert other.journal.verify() == verified

    row = restore(other, snapshot(storage), set_aside=True)
    assert row.outcome == "replaced"
    assert subjects(other) == ["plan-0", "plan-1", "plan-2"]
    (aside,) = other.vault.data_path.glob("journal.db.*.aside")
    assert aside.name in row.note
    assert not list(other.vault.data_path.glob("*-wal*aside*")) + list(other.vault.data_path.glob("*aside-wal"))
    with closing(sqlite3.connect(aside)) as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (5,)
    assert aside.stat().st_mode & 0o777 == 0o600
    assert list(other.vault.data_path.glob("journal.head.*.aside"))


def test_a_kept_journal_whose_scan_state_is_damaged_gets_a_new_file(storage: StorageService) -> None:
    path = snapshot(storage)
    storage.journal.append("approval", "plan-2", {})
    verified, database = storage.journal.verify(), storage.journal.database.path
    with storage.journal.database.reading() as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'cells'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    storage.close()
    with database.open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(b"\xff")  # no kind of page

    with pytest.raises(StoreCorruptedError, match="backup restore --kind journal --set-aside"):
        storage.scan_state.cells()
    row = restore(storage, path)
    assert (row.outcome, row.points) == ("kept", 4)
    assert "its file was damaged and is written again" in row.note
    assert storage.journal.verify() == verified
    assert storage.scan_state.cells() == []
    storage.scan_state.put(RESULT)
    assert storage.scan_state.cells() == [RESULT]


@pytest.mark.parametrize("damage", ["rubbish", "cut", "head"])
def test_a_damaged_journal_is_replaced_only_when_it_is_set_aside(storage: StorageService, damage: str) -> None:
    path = snapshot(storage)
    verified = storage.journal.verify()
    storage.close()
    data_path = path.parents[2]
    if damage == "rubbish":
        (data_path / "journal.db").write_bytes(b"rubbish" * 1000)
    elif damage == "head":
        (data_path / "journal.head").write_bytes(b"rubbish")
    else:
        with storage.journal.database.writing() as connection:
            connection.execute("DELETE FROM records WHERE sequence = 3")

    row = restore(storage, path)
    assert row.outcome == "failed"
    assert "the journal here does not verify" in row.note
    assert restore(storage, path, set_aside=True).outcome == "replaced"
    assert storage.journal.verify() == verified
    assert storage.scan_state.cells() == ([] if damage == "rubbish" else [RESULT])


@pytest.mark.parametrize("change", ["mac", "dropped", "head"])
def test_a_snapshot_whose_journal_does_not_verify_is_refused(
    storage: StorageService, other: StorageService, change: str
) -> None:
    with storage.journal.database.reading() as connection:
        rows = [list(row) for row in connection.execute("SELECT * FROM records ORDER BY sequence")]
    head = [3, rows[-1][-1]]
    if change == "mac":
        rows[1][-1] = bytes(32)
    elif change == "dropped":
        del rows[-1]
    else:
        head = [3, bytes(32)]
    name = forge(storage, rows, kind="journal", front=[head])

    row = restore(other, storage.backup.local.folder / "journal" / name)
    assert row.outcome == "failed"
    assert "its journal was modified" in row.note
    assert other.journal.verify().count == 0


def test_no_snapshot_is_taken_of_a_journal_that_does_not_verify(storage: StorageService) -> None:
    with storage.journal.database.writing() as connection:
        connection.execute("DELETE FROM records WHERE sequence = 2")
    report = storage.backup.snapshot("journal")

    assert not report.ok
    assert "the journal does not verify" in report.problems[0]
    assert storage.backup.local.snapshots("journal") == []


def test_records_appended_while_the_snapshot_is_taken_do_no_harm(
    storage: StorageService, other: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tables.stored_records

    def appending(database: Any) -> Any:
        storage.journal.append("plan", "meanwhile", {})
        return stored(database)

    monkeypatch.setattr(taking, "stored_records", appending)
    path = snapshot(storage)

    assert restore(other, path).outcome == "replaced"
    assert subjects(other) == ["plan-0", "plan-1", "plan-2", "meanwhile"]
    assert other.journal.verify() == storage.journal.verify()
