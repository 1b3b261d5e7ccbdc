"""A scan state that a person without the key has altered: it shows, stays visible, and a full scan heals it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import StoreCorruptedError
from cloudops_nb.model import CellKey, CellState
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.estate.integrity import require_unaltered
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.files.store_file import SHARDS_NAME
from cloudops_nb.storage.journal.scan_anchor import SCAN_ENDED, TURN
from cloudops_nb.storage.maintenance.account_removal import forget_account
from cloudops_nb.storage.maintenance.data_key_rotation import rotate_data_key
from cloudops_nb.storage.maintenance.master_key_change import rekey
from tests.storage.conftest import ended_owners
from tests.storage.estate.test_integrity import CELL, OTHER, checked, ended, hosts, scanned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.storage.conftest import WordEmbedder

QUEUES = CellKey("210987654321", "eu-west-1", "sqs_queue")
KEYS = [CELL, OTHER, QUEUES]


def sql(storage: StorageService, statement: str, *values: object) -> None:
    with storage.journal.database.writing() as connection:
        connection.execute(statement, values)


def stored(storage: StorageService) -> list[tuple[str, bytes]]:
    with storage.journal.database.reading() as connection:
        return connection.execute("SELECT cell, envelope FROM cells").fetchall()


def put_back(storage: StorageService, rows: list[tuple[str, bytes]]) -> None:
    with storage.journal.database.writing() as connection:
        connection.execute("DELETE FROM cells")
        connection.executemany("INSERT INTO cells VALUES (?, ?)", rows)


def all_scanned(storage: StorageService, scan_id: str, count: int = 4) -> None:
    """Scan every cell, and record the end as a scan does."""
    for key in KEYS:
        scanned(storage, scan_id, count, key=key)
    storage.journal.append(SCAN_ENDED, scan_id, {TURN: storage.scan_state.turn()})


def name_of(storage: StorageService, key: CellKey) -> str:
    return storage.scan_state._blind_name(key)


@pytest.fixture
def filled(storage: StorageService) -> StorageService:
    """A store with three cells of four rows each, and the record of a scan's end."""
    all_scanned(storage, "first")
    assert (checked(storage).verified, checked(storage).warnings()) == (3, [])
    return storage


@pytest.fixture
def reopened(filled: StorageService, key_settings: Settings, embedder: WordEmbedder) -> Callable[[], StorageService]:
    """Open the store as a program does that has not seen the scan state before; the first one is closed."""

    def open_another() -> StorageService:
        filled.close()
        return StorageService(key_settings, lambda: embedder)

    return open_another


def removed_records(storage: StorageService) -> None:
    sql(storage, "DELETE FROM cells WHERE cell IN (?, ?)", name_of(storage, CELL), name_of(storage, OTHER))


def removed_all(storage: StorageService) -> None:
    sql(storage, "DELETE FROM cells")


def removed_seal(storage: StorageService) -> None:
    sql(storage, "DELETE FROM cells WHERE cell = ?", storage.scan_state._seal.name)


def damaged_record(storage: StorageService) -> None:
    sql(storage, "UPDATE cells SET envelope = CAST(x'00' || envelope AS BLOB) WHERE cell = ?", name_of(storage, CELL))


def older_record(storage: StorageService) -> None:
    """Put back the record of a cell as it was while a scan wrote the cell."""
    storage.estate.begin_cells([CELL], scan_id="second")
    older = dict(stored(storage))[name_of(storage, CELL)]
    scanned(storage, "second")
    sql(storage, "UPDATE cells SET envelope = ? WHERE cell = ?", older, name_of(storage, CELL))


ALTERATIONS = [removed_records, removed_all, removed_seal, damaged_record, older_record]


@pytest.mark.parametrize("alter", ALTERATIONS)
def test_hidden_rows_show_though_the_scan_state_was_altered_too(
    filled: StorageService, reopened: Callable[[], StorageService], alter: Callable[[StorageService], None]
) -> None:
    alter(filled)
    gone = [filled.estate._points.point_id(host) for key in (CELL, OTHER) for host in hosts(4, key)]
    filled.vector_store.delete_ids(AWS_ESTATE.name, gone)
    with reopened() as storage:
        report = checked(storage)
        assert report.scan_state
        assert report.warnings()[0].startswith("the scan state was altered: ")
        assert report.warnings()[0].endswith("; run a full scan, or restore a backup")
        with pytest.raises(StoreCorruptedError, match=r"no change is planned: the scan state was altered, .*full scan"):
            require_unaltered(report)
        assert report.warnings()[0] in storage.health()["warnings"]
        assert len(storage.estate.resources()) == 4
        assert storage.estate.search("sqs_queue-1")


def test_older_rows_with_the_scan_state_of_their_time_show(
    filled: StorageService, reopened: Callable[[], StorageService], tmp_path: Path
) -> None:
    shards, rows = filled.vault.data_path / SHARDS_NAME, stored(filled)
    filled.close()
    with ended_owners(tmp_path):
        pass
    shutil.copytree(shards, tmp_path / "older")
    all_scanned(filled, "second", count=6)
    put_back(filled, rows)
    filled.close()
    with ended_owners(tmp_path):
        pass
    shutil.rmtree(shards)
    shutil.copytree(tmp_path / "older", shards)

    with reopened() as storage:
        report = checked(storage)
        assert (report.verified, report.altered, report.scan_state) == (3, [], "it is older than the journal")
        scanned(storage, "third")
        assert checked(storage).scan_state == "records were changed"


def test_an_alteration_shows_without_a_write_of_the_engine(filled: StorageService) -> None:
    report = checked(filled)
    assert filled.estate.integrity.check(again=False) is report
    damaged_record(filled)
    assert filled.estate.integrity.check(again=False).scan_state == "records were changed"


@pytest.mark.parametrize("alter", ALTERATIONS)
def test_a_scan_of_everything_heals(
    filled: StorageService, reopened: Callable[[], StorageService], alter: Callable[[StorageService], None]
) -> None:
    alter(filled)
    with reopened() as storage:
        all_scanned(storage, "third")
        assert checked(storage).scan_state
        storage.estate.integrity.trust_scan("third")
        assert (checked(storage).verified, checked(storage).warnings()) == (3, [])
    with reopened() as storage:
        assert (checked(storage).verified, checked(storage).warnings()) == (3, [])


def test_cells_that_the_healing_scan_did_not_read_become_unknown(filled: StorageService) -> None:
    removed_records(filled)
    scanned(filled, "third")
    filled.estate.begin_cells([OTHER], scan_id="third")
    filled.estate.finish_cell(ended(OTHER, CellState.DENIED), scan_id="third")
    filled.estate.integrity.trust_scan("third")
    report = checked(filled)
    assert (report.verified, report.unfinished, report.warnings()) == (1, [OTHER, QUEUES], [])


def test_an_altered_cell_that_the_healing_scan_did_not_read_stays_altered(filled: StorageService) -> None:
    filled.vector_store.delete_ids(AWS_ESTATE.name, [filled.estate._points.point_id(hosts(1, OTHER)[0])])
    sql(filled, "DELETE FROM cells WHERE cell = ?", name_of(filled, CELL))
    scanned(filled, "third")
    filled.estate.integrity.trust_scan("third")
    report = checked(filled)
    assert ([cell.key for cell in report.altered], report.unfinished) == ([OTHER], [QUEUES])
    assert report.scan_state == ""


def test_an_intact_scan_state_is_left_alone_by_healing(filled: StorageService) -> None:
    before = stored(filled)
    filled.estate.integrity.trust_scan("another")
    assert sorted(stored(filled)) == sorted(before)


class TestMaintenance:
    """What moves the records keeps the seal right, and an alteration visible."""

    @pytest.mark.parametrize("altered", [False, True])
    @pytest.mark.parametrize("how", ["rotate", "rekey", "forget", "merge", "restore"])
    def test_the_check_says_after_it_what_it_said_before(
        self,
        filled: StorageService,
        reopened: Callable[[], StorageService],
        key_settings: Settings,
        how: str,
        *,
        altered: bool,
    ) -> None:
        if altered:
            sql(filled, "DELETE FROM cells WHERE cell = ?", name_of(filled, CELL))
        assert filled.backup.snapshot().ok
        with reopened() as storage:
            if how == "rotate":
                rotate_data_key(storage)
            elif how == "rekey":
                rekey(storage, key_settings, lambda: "model")
            elif how == "forget":
                forget_account(storage, QUEUES.account_id, list)
            else:
                assert storage.backup.restore("latest", merge=how == "merge").ok
            assert bool(checked(storage).scan_state) is altered
            if not altered:
                assert checked(storage).verified == (2 if how == "forget" else 3)
                assert checked(storage).warnings() == []
        with reopened() as storage:
            assert bool(checked(storage).scan_state) is altered
            all_scanned(storage, "second")
            storage.estate.integrity.trust_scan("second")
            assert (checked(storage).verified, checked(storage).warnings()) == (3, [])

    def test_a_restore_of_an_intact_backup_heals(self, filled: StorageService) -> None:
        assert filled.backup.snapshot().ok
        all_scanned(filled, "second", count=5)
        removed_all(filled)
        filled.vector_store.delete(AWS_ESTATE.name, EVERY_POINT)
        assert filled.backup.restore("latest", AWS_ESTATE.name).ok
        assert (checked(filled).verified, checked(filled).warnings()) == (3, [])

    def test_a_merge_does_not_hide_an_older_scan_state(
        self, filled: StorageService, reopened: Callable[[], StorageService]
    ) -> None:
        assert filled.backup.snapshot().ok
        older = stored(filled)
        all_scanned(filled, "second", count=5)
        put_back(filled, older)
        with reopened() as storage:
            assert storage.backup.restore("latest", AWS_ESTATE.name, merge=True).ok
            assert checked(storage).scan_state == "records were changed"

    def test_a_new_store_is_clean_after_a_restore_of_all_parts(self, filled: StorageService, tmp_path: Path) -> None:
        assert filled.backup.snapshot().ok
        path, key = tmp_path / "new" / "store", tmp_path / "new" / "key"
        shutil.copytree(filled.vault.data_path / "snapshots", path / "snapshots")
        assert filled._settings.key_file
        shutil.copy2(filled._settings.key_file, key)
        with StorageService(Settings(data_path=path, key_file=key), filled._embedder) as new:
            assert new.backup.restore("latest").ok
            assert (checked(new).verified, checked(new).warnings()) == (3, [])
            all_scanned(new, "second")
            assert (checked(new).verified, checked(new).warnings()) == (3, [])

    def test_a_removed_unreadable_record_counts_as_an_alteration(self, filled: StorageService) -> None:
        from cloudops_nb.storage.maintenance.unreadable_rows import unreadable_rows

        damaged_record(filled)
        rotate_data_key(filled, drop=unreadable_rows(filled))
        assert checked(filled).scan_state == "records were changed"
