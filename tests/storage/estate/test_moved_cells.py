"""An alteration stays visible when rows are restored, encrypted again, moved or removed, and none appears."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import StorageError
from cloudops_nb.model import CellKey
from cloudops_nb.settings import Settings
from cloudops_nb.storage.backup.saving import snapshot_writer
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Patch, Point
from cloudops_nb.storage.estate.integrity import EstateIntegrity
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.maintenance.account_removal import forget_account
from cloudops_nb.storage.maintenance.data_key_rotation import rotate_data_key
from cloudops_nb.storage.maintenance.engine_move import move_store
from cloudops_nb.storage.maintenance.master_key_change import rekey
from cloudops_nb.storage.opening.journal_tables import stored_cells
from tests.storage.conftest import WordEmbedder, both_engines, ended_owners
from tests.storage.engines.remote.qdrant_server import API_KEY
from tests.storage.estate.test_integrity import CELL, OTHER, checked, ended, hosts, rows_of, scanned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudops_nb.storage.files.database import Database
    from tests.storage.engines.remote.qdrant_server import QdrantServer


@pytest.fixture
def filled(storage: StorageService) -> StorageService:
    """A store with two complete cells of four rows each."""
    for key in (CELL, OTHER):
        scanned(storage, "first", key=key)
    return storage


def first_row(storage: StorageService) -> Point:
    """The first row of the first cell."""
    first = storage.estate._points.point_id(hosts(1)[0])
    return next(row for row in rows_of(storage) if row.id == first)


def remove_row(storage: StorageService) -> None:
    storage.vector_store.delete_ids(AWS_ESTATE.name, [first_row(storage).id])


def hide_row(storage: StorageService) -> None:
    storage.vector_store.patch(AWS_ESTATE.name, [Patch([first_row(storage).id], {"marks": [1 << 62]})])


def copy_row(storage: StorageService) -> None:
    row = first_row(storage)
    copy = Point("00000000-0000-4000-8000-000000000000", row.payload, row.dense, row.sparse)
    storage.vector_store.upsert(AWS_ESTATE.name, [copy])


def put_older_row_back(storage: StorageService) -> None:
    older = first_row(storage)
    storage.estate.apply_full(ended(), hosts(4, state="stopped"), scan_id="second")
    storage.vector_store.upsert(AWS_ESTATE.name, [older])


def snapshot(storage: StorageService) -> None:
    assert storage.backup.snapshot("aws_estate").ok


def restore(storage: StorageService, *, merge: bool = False) -> None:
    assert storage.backup.restore("latest", "aws_estate", merge=merge).ok


def states(storage: StorageService) -> tuple[int, list[CellKey], list[CellKey]]:
    """The number of verified cells, the altered cells and the unfinished ones."""
    report = checked(storage)
    assert report.unrecorded == []
    return report.verified, [cell.key for cell in report.altered], list(report.unfinished)


class TestRestore:
    pytestmark = both_engines

    @pytest.mark.parametrize("alter", [remove_row, hide_row, copy_row, put_older_row_back])
    def test_a_snapshot_of_an_altered_estate_does_not_hide_the_alteration(
        self, filled: StorageService, alter: Callable[[StorageService], None]
    ) -> None:
        alter(filled)
        before = checked(filled)
        for _ in range(2):
            snapshot(filled)
            restore(filled)
            assert states(filled) == (1, [CELL], [])
            assert checked(filled) == before


def test_a_scan_heals_what_a_restore_kept_altered(filled: StorageService) -> None:
    remove_row(filled)
    snapshot(filled)
    restore(filled)
    scanned(filled, "second")
    assert states(filled) == (2, [], [])
    snapshot(filled)
    remove_row(filled)
    restore(filled)
    assert states(filled) == (2, [], [])
    assert not any("altered" in content for content in filled.scan_state.contents())


def test_a_snapshot_without_marks_leaves_the_rows_unknown(
    filled: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_writer, "marked", lambda _: [])
    remove_row(filled)
    snapshot(filled)
    restore(filled)
    assert states(filled) == (1, [], [CELL])


def test_a_check_that_fails_does_not_stop_a_backup(filled: StorageService, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: EstateIntegrity) -> None:
        raise StorageError("the check failed")

    with monkeypatch.context() as patch:
        patch.setattr(EstateIntegrity, "check", failing)
        snapshot(filled)
    restore(filled)
    assert states(filled) == (2, [], [])


def test_a_scan_during_a_snapshot_leaves_the_rows_unknown(filled: StorageService) -> None:
    filled.estate.begin_cells([CELL], scan_id="second")
    filled.estate.upsert(hosts(2, state="stopped"), scan_id="second")
    snapshot(filled)
    filled.estate.finish_cell(ended(), scan_id="second")
    filled.estate.end_scan("second")
    restore(filled)
    assert states(filled) == (1, [], [CELL])


def test_a_scan_that_begins_after_the_check_of_a_snapshot_leaves_the_rows_unknown(
    filled: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = EstateIntegrity.check

    def check_then_begin(integrity: EstateIntegrity) -> object:
        report = check(integrity)
        filled.estate.begin_cells([CELL], scan_id="second")
        return report

    remove_row(filled)
    with monkeypatch.context() as patch:
        patch.setattr(EstateIntegrity, "check", check_then_begin)
        snapshot(filled)
    filled.estate.end_scan("second")
    restore(filled)
    assert states(filled) == (1, [], [CELL])


def test_rows_that_a_scan_put_back_during_a_snapshot_are_not_altered(
    filled: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_then_scan(database: Database) -> object:
        cells = stored_cells(database)
        scanned(filled, "second")
        return cells

    remove_row(filled)
    with monkeypatch.context() as patch:
        patch.setattr(snapshot_writer, "stored_cells", read_then_scan)
        snapshot(filled)
    restore(filled)
    assert states(filled) == (2, [], [])


def test_an_alteration_in_a_snapshot_of_an_earlier_key_stays(filled: StorageService, key_settings: Settings) -> None:
    remove_row(filled)
    snapshot(filled)
    scanned(filled, "second")
    rekey(filled, key_settings, lambda: "model")
    restore(filled)
    assert states(filled) == (0, [CELL], [OTHER])


def test_a_new_machine_sees_the_alteration(filled: StorageService, key_settings: Settings, tmp_path: Path) -> None:
    remove_row(filled)
    snapshot(filled)
    (path,) = filled.backup.local.folder.glob("*/*.snapshot")
    for merge in (False, True):
        moved = key_settings.model_copy(update={"data_path": tmp_path / f"new {merge}"})
        with StorageService(moved, WordEmbedder) as other:
            assert other.backup.restore(path, merge=merge).ok
            assert states(other) == (1, [CELL], [])


class TestMerge:
    def test_a_newer_scan_counts_if_the_snapshot_adds_nothing(self, filled: StorageService) -> None:
        put_older_row_back(filled)
        remove_row(filled)
        snapshot(filled)
        scanned(filled, "third", count=5)
        restore(filled, merge=True)
        assert states(filled) == (2, [], [])

    @pytest.mark.parametrize("alter", [remove_row, copy_row])
    def test_rows_that_an_altered_snapshot_adds_are_altered(
        self, filled: StorageService, alter: Callable[[StorageService], None]
    ) -> None:
        alter(filled)
        snapshot(filled)
        scanned(filled, "second", count=2)
        restore(filled, merge=True)
        assert states(filled) == (1, [CELL], [])

    def test_rows_that_an_altered_snapshot_adds_to_unknown_ones_are_altered(self, filled: StorageService) -> None:
        copy_row(filled)
        snapshot(filled)
        filled.estate.begin_cells([CELL], scan_id="killed")
        filled.estate.upsert(hosts(2, state="stopped"), scan_id="killed")
        filled.estate.end_scan("killed")
        assert states(filled) == (1, [], [CELL])
        restore(filled, merge=True)
        assert states(filled) == (1, [CELL], [])

    def test_rows_that_an_intact_snapshot_puts_back_are_not_altered(self, filled: StorageService) -> None:
        snapshot(filled)
        remove_row(filled)
        restore(filled, merge=True)
        assert states(filled) == (2, [], [])

    def test_altered_rows_stay_altered(self, filled: StorageService) -> None:
        snapshot(filled)
        copy_row(filled)
        restore(filled, merge=True)
        assert states(filled) == (1, [CELL], [])


class TestMaintenance:
    @pytest.mark.parametrize("alter", [remove_row, put_older_row_back])
    def test_new_keys_keep_an_alteration_and_make_none(
        self, filled: StorageService, key_settings: Settings, alter: Callable[[StorageService], None]
    ) -> None:
        def change_keys() -> None:
            rotate_data_key(filled)
            rekey(filled, key_settings, lambda: "model")
            rotate_data_key(filled)

        change_keys()
        assert states(filled) == (2, [], [])
        alter(filled)
        before = checked(filled)
        change_keys()
        assert checked(filled) == before
        assert states(filled) == (1, [CELL], [])

    def test_the_removal_of_an_account_keeps_an_alteration_of_another(self, filled: StorageService) -> None:
        scanned(filled, "first", key=CellKey("210987654321", "eu-west-1", "ec2_instance"))
        remove_row(filled)
        forget_account(filled, "210987654321", list)
        assert states(filled) == (1, [CELL], [])
        assert checked(filled).strays == 0

    @pytest.mark.parametrize("alter", [remove_row, hide_row, copy_row, put_older_row_back])
    def test_a_move_keeps_an_alteration_and_makes_none(
        self, tmp_path: Path, server: QdrantServer, prefix: str, alter: Callable[[StorageService], None]
    ) -> None:
        given = {"data_path": tmp_path / "store", "key_file": tmp_path / "key" / "encryption.key"}
        embedded = Settings(**given, qdrant_api_key=API_KEY, qdrant_prefix=prefix)
        remote = embedded.model_copy(update={"qdrant_mode": "remote", "qdrant_url": server.url})
        with ended_owners(tmp_path):
            with StorageService(embedded, WordEmbedder) as storage:
                for key in (CELL, OTHER):
                    scanned(storage, "first", key=key)
            move_store(embedded, "remote", url=server.url)
            with StorageService(remote, WordEmbedder) as storage:
                assert states(storage) == (2, [], [])
                alter(storage)
                before = checked(storage)
            move_store(remote, "embedded")
            with StorageService(embedded, WordEmbedder) as storage:
                assert checked(storage) == before
                assert states(storage) == (1, [CELL], [])
