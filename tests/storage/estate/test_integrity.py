"""The check of the estate's rows: every alteration shows, nothing else does, and a scan heals it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from cloudops_nb.errors import StoreCorruptedError
from cloudops_nb.model import CellKey, CellResult, CellState, Resource
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Patch, Point
from cloudops_nb.storage.estate.integrity import require_unaltered
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.files.store_file import SHARDS_NAME
from tests.embedders import no_embedder
from tests.storage.conftest import WordEmbedder, both_engines, ended_owners, quick_folder
from tests.storage.damaged_index import hide_cell, hide_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloudops_nb.storage.estate.cell_records import CountedRows
    from cloudops_nb.storage.estate.integrity import IntegrityReport

CELL = CellKey("123456789012", "eu-west-1", "ec2_instance")
OTHER = CellKey("123456789012", "eu-west-1", "s3_bucket")


def hosts(count: int, key: CellKey = CELL, state: str = "running") -> list[Resource]:
    return [
        Resource(
            key.resource_type,
            f"i-{number}",
            key.account_id,
            key.region,
            key.resource_type.split("_", maxsplit=1)[0],
            name=f"{key.resource_type}-{number}",
            state=state,
            last_synced=datetime.now(UTC),
        )
        for number in range(count)
    ]


def ended(key: CellKey = CELL, state: CellState = CellState.OK) -> CellResult:
    return CellResult(key, state, datetime.now(UTC), 0.5)


def checked(storage: StorageService) -> IntegrityReport:
    return storage.estate.integrity.check()


def scanned(storage: StorageService, scan_id: str, count: int = 4, key: CellKey = CELL) -> None:
    """Write a cell as a scan does: begin it, write a page, finish it."""
    storage.estate.begin_cells([key], scan_id=scan_id)
    storage.estate.upsert(hosts(count, key), scan_id=scan_id)
    storage.estate.finish_cell(ended(key), scan_id=scan_id)
    storage.estate.end_scan(scan_id)


def rows_of(storage: StorageService) -> list[Point]:
    return list(storage.vector_store.points(AWS_ESTATE.name))


@pytest.fixture
def filled(storage: StorageService) -> StorageService:
    """A store with two complete cells of four rows each, and an empty one."""
    for key in (CELL, OTHER):
        scanned(storage, "first", key=key)
    storage.estate.finish_cell(
        ended(CellKey("123456789012", "eu-west-1", "sqs_queue"), CellState.OK_EMPTY), scan_id="first"
    )
    report = checked(storage)
    assert (report.verified, report.warnings()) == (3, [])
    return storage


class TestAlterations:
    pytestmark = both_engines

    def test_a_row_that_was_removed_shows(self, filled: StorageService) -> None:
        filled.vector_store.delete_ids(AWS_ESTATE.name, [rows_of(filled)[0].id])

        report = checked(filled)
        assert [(cell.written, cell.found) for cell in report.altered] == [(4, 3)]
        assert "1 of 4 rows are missing" in report.warnings()[0]
        assert report.verified == 2

    @pytest.mark.parametrize("name", ["groups", "marks", "content"])
    def test_a_field_of_another_row_shows_and_the_row_is_not_read(self, filled: StorageService, name: str) -> None:
        first, *rest = rows_of(filled)
        second = next(row for row in rest if row.payload["groups"] != first.payload["groups"])
        patches = [
            Patch([first.id], {name: second.payload[name]}),
            Patch([second.id], {name: first.payload[name]}),
        ]
        filled.vector_store.patch(AWS_ESTATE.name, patches)

        assert checked(filled).altered
        assert len(filled.estate.resources()) == 6
        assert filled.vault.envelope.alarm.failures == 2

    def test_a_row_hidden_from_its_cell_shows(self, filled: StorageService) -> None:
        filled.vector_store.patch(AWS_ESTATE.name, [Patch([rows_of(filled)[0].id], {"marks": []})])
        report = checked(filled)
        assert (len(report.altered), report.strays) == (1, 1)

    @pytest.mark.parametrize("marks", [[20 << 57], [-1], ["text"], "text", 5, None])
    def test_marks_that_are_no_numbers_of_fields_show(self, filled: StorageService, marks: object) -> None:
        filled.vector_store.patch(AWS_ESTATE.name, [Patch([rows_of(filled)[0].id], {"marks": marks})])
        report = checked(filled)
        assert (len(report.altered), report.strays) == (1, 1)
        assert "belong to no scanned cell" in report.warnings()[1]
        assert filled.estate.facets("region")
        assert len(filled.estate.resources()) == 7

    def test_a_row_that_no_scan_wrote_shows(self, filled: StorageService) -> None:
        (row, *_) = rows_of(filled)
        copy = Point("00000000-0000-4000-8000-000000000000", row.payload, row.dense, row.sparse)
        filled.vector_store.upsert(AWS_ESTATE.name, [copy])
        assert [(cell.written, cell.found) for cell in checked(filled).altered] == [(4, 5)]
        assert len(filled.estate.resources()) == 8

    def test_an_older_version_of_a_row_shows(self, filled: StorageService) -> None:
        first = filled.estate._points.point_id(hosts(1)[0])
        older = next(row for row in rows_of(filled) if row.id == first)
        filled.estate.apply_full(ended(), hosts(4, state="stopped"), scan_id="second")
        assert not checked(filled).altered
        filled.vector_store.upsert(AWS_ESTATE.name, [older])
        assert [(cell.key, cell.written, cell.found) for cell in checked(filled).altered] == [(CELL, 4, 4)]

    @pytest.mark.parametrize("fields", [{"groups": []}, {"data": "damaged"}, {"content": ""}])
    def test_a_scan_heals_what_was_altered(self, filled: StorageService, fields: dict[str, object]) -> None:
        filled.vector_store.patch(AWS_ESTATE.name, [Patch([row.id], fields) for row in rows_of(filled)])
        for key in (CELL, OTHER):
            scanned(filled, "second", key=key)
        assert len(filled.estate.resources()) == 8
        assert (checked(filled).verified, checked(filled).warnings()) == (3, [])


def test_a_removed_collection_does_not_look_healthy(filled: StorageService, tmp_path: Path) -> None:
    data_path = filled.vault.data_path
    filled.close()
    with ended_owners(tmp_path):
        pass
    shutil.rmtree(data_path / SHARDS_NAME / AWS_ESTATE.name)

    health = filled.health()
    assert health["estate"] == {"verified": 1, "altered": 2, "unfinished": 0, "unrecorded": 0}
    (warning,) = (line for line in health["warnings"] if "altered" in line)
    assert "4 of 4 rows are missing" in warning
    assert "scan these cells" in warning


def test_an_older_collection_under_the_same_key_shows(filled: StorageService, tmp_path: Path) -> None:
    shards = filled.vault.data_path / SHARDS_NAME
    filled.close()
    with ended_owners(tmp_path):
        pass
    shutil.copytree(shards, tmp_path / "older")
    scanned(filled, "second", count=5)
    filled.close()
    with ended_owners(tmp_path):
        pass
    shutil.rmtree(shards)
    shutil.copytree(tmp_path / "older", shards)

    assert [(cell.written, cell.found) for cell in checked(filled).altered] == [(5, 4)]


class TestADamagedIndex:
    """It hides a row from look-ups, although all rows are listed and fit their digests."""

    NAME = hosts(1)[0].name

    def hide(self, filled: StorageService) -> None:
        hide_name(filled, self.NAME)
        assert filled.estate.lookup(self.NAME) == []
        assert len(filled.estate.resources()) == 8

    def test_it_is_reported_and_mended(self, filled: StorageService) -> None:
        self.hide(filled)
        (warning,) = (line for line in filled.health()["warnings"] if "index" in line)
        assert warning.startswith("the index of marks was damaged, so searches may have left out resources")
        assert [found.name for found in filled.estate.lookup(self.NAME)] == [self.NAME]
        assert (checked(filled).verified, checked(filled).warnings()) == (3, [])

    def test_no_change_is_planned_from_what_was_looked_up_before(self, filled: StorageService) -> None:
        self.hide(filled)
        with pytest.raises(StoreCorruptedError, match=r"no change is planned: the index of marks .* Try again\."):
            require_unaltered(filled.estate.integrity.check(again=False))
        require_unaltered(filled.estate.integrity.check(again=False))

    def test_a_scan_mends_it(self, filled: StorageService) -> None:
        self.hide(filled)
        scanned(filled, "second")
        assert [found.name for found in filled.estate.lookup(self.NAME)] == [self.NAME]
        assert (checked(filled).verified, checked(filled).warnings()) == (3, [])

    def test_a_scan_removes_a_hidden_row_whose_resource_is_gone(self, filled: StorageService) -> None:
        hide_cell(filled, CELL)
        scanned(filled, "second", count=3)
        assert len(filled.estate.resources()) == 7
        assert (checked(filled).verified, checked(filled).warnings()) == (3, [])


class TestWhatIsNoAlteration:
    def test_an_interrupted_cell_is_unfinished(self, filled: StorageService, key_settings: Settings) -> None:
        with StorageService(key_settings, no_embedder) as other:
            other.estate.begin_cells([CELL], scan_id="killed")
            other.vector_store.delete_ids(AWS_ESTATE.name, [other.estate._points.point_id(hosts(1)[0])])
        report = checked(filled)
        assert (report.altered, report.unfinished) == ([], [CELL])

        scanned(filled, "third")
        assert (checked(filled).verified, checked(filled).unfinished) == (3, [])

    def test_a_partial_cell_is_unfinished(self, filled: StorageService) -> None:
        filled.estate.begin_cells([CELL], scan_id="second")
        filled.estate.upsert(hosts(2, state="stopped"), scan_id="second")
        filled.estate.finish_cell(ended(state=CellState.PARTIAL), scan_id="second")
        assert (checked(filled).altered, checked(filled).unfinished) == ([], [CELL])

    def test_a_cell_that_could_not_be_read_keeps_its_digest(self, filled: StorageService) -> None:
        filled.estate.finish_cell(ended(state=CellState.DENIED), scan_id="second")
        assert (checked(filled).verified, checked(filled).warnings()) == (3, [])
        filled.vector_store.delete(AWS_ESTATE.name, EVERY_POINT)
        assert len(checked(filled).altered) == 2

    def test_writes_outside_a_scan_are_known(self, filled: StorageService) -> None:
        filled.estate.apply_delta(hosts(6, state="stopped"))
        filled.estate.delete(hosts(1)[0].canonical_key)
        assert (checked(filled).verified, filled.estate.count()) == (3, 9)

    def test_a_write_outside_a_scan_does_not_hide_an_alteration(self, filled: StorageService) -> None:
        first = hosts(1)[0].canonical_key
        filled.vector_store.delete_ids(AWS_ESTATE.name, [filled.estate._points.point_id_of(first)])
        filled.estate.apply_delta(hosts(4)[2:])
        assert [cell.key for cell in checked(filled).altered] == [CELL]

    def test_a_scan_beside_another_program_is_no_alteration(
        self, filled: StorageService, key_settings: Settings, embedder: WordEmbedder
    ) -> None:
        with StorageService(key_settings, lambda: embedder) as other:
            filled.estate.begin_cells([CELL], scan_id="here")
            other.estate.begin_cells([CELL], scan_id="there")
            other.estate.upsert(hosts(6), scan_id="there")
            filled.estate.upsert(hosts(4, state="stopped"), scan_id="here")
            filled.estate.finish_cell(ended(), scan_id="here")
            assert checked(filled).altered == []
            other.estate.upsert(hosts(7)[6:], scan_id="there")
            assert checked(filled).altered == []
            other.estate.finish_cell(ended(), scan_id="there")
            assert (checked(other).verified, other.estate.count()) == (3, 11)

    def test_a_long_scan_that_lists_a_cell_after_another_scan_read_it(
        self, filled: StorageService, key_settings: Settings, embedder: WordEmbedder
    ) -> None:
        """A resource is deleted between the two listings; the long scan does not remove the row of the other one."""
        with StorageService(key_settings, lambda: embedder) as other:
            filled.estate.begin_cells([OTHER], scan_id="long")
            scanned(other, "short")
            filled.estate.begin_cells([CELL], scan_id="long")
            filled.estate.upsert(hosts(3), scan_id="long")
            filled.estate.finish_cell(ended(), scan_id="long")
            filled.estate.upsert(hosts(4, OTHER), scan_id="long")
            filled.estate.finish_cell(ended(OTHER), scan_id="long")
            assert (checked(filled).verified, checked(filled).warnings()) == (3, [])

    def test_scans_that_finish_a_cell_in_the_order_in_which_they_did_not_begin_it(
        self, filled: StorageService, key_settings: Settings, embedder: WordEmbedder
    ) -> None:
        with StorageService(key_settings, lambda: embedder) as other:
            filled.estate.begin_cells([CELL], scan_id="first to begin")
            other.estate.begin_cells([CELL], scan_id="first to finish")
            for storage, scan_id in ((other, "first to finish"), (filled, "first to begin")):
                storage.estate.upsert(hosts(4), scan_id=scan_id)
                storage.estate.finish_cell(ended(), scan_id=scan_id)
            assert (checked(filled).verified, checked(filled).unfinished) == (3, [])

    def test_a_row_with_a_time_in_the_future_is_removed_with_its_resource(self, filled: StorageService) -> None:
        row = filled.estate._points.point_id(hosts(4)[3])
        filled.vector_store.patch(AWS_ESTATE.name, [Patch([row], {"seen": 9e12})])
        scanned(filled, "second", count=3)
        assert (checked(filled).verified, checked(filled).warnings()) == (3, [])
        assert filled.estate.get(hosts(4)[3].canonical_key) is None

    def test_a_write_outside_a_scan_while_another_program_scans(
        self, filled: StorageService, key_settings: Settings, embedder: WordEmbedder
    ) -> None:
        rows = filled.estate._rows
        count = rows.count
        with StorageService(key_settings, lambda: embedder) as other:

            def count_before_another_scan(keys: Sequence[CellKey]) -> dict[CellKey, CountedRows]:
                found = count(keys)
                if rows.count is count_before_another_scan:
                    rows.count = count  # type: ignore[method-assign]
                    scanned(other, "second", count=5)
                return found

            rows.count = count_before_another_scan  # type: ignore[method-assign]
            filled.estate.apply_delta(hosts(1, state="stopped"))
        assert checked(filled).altered == []

    def test_a_cell_that_no_scan_could_read_has_no_rows(self, filled: StorageService) -> None:
        denied = CellKey("123456789012", "eu-west-1", "kms_key")
        filled.estate.finish_cell(ended(denied, CellState.DENIED), scan_id="second")
        assert (checked(filled).verified, checked(filled).unfinished) == (4, [])


def test_the_conversion_to_another_key_keeps_what_is_known(filled: StorageService, key_settings: Settings) -> None:
    from cloudops_nb.storage.maintenance.master_key_change import rekey

    rekey(filled, key_settings, lambda: "model")
    assert (checked(filled).verified, checked(filled).warnings()) == (3, [])

    filled.vector_store.delete_ids(AWS_ESTATE.name, [rows_of(filled)[0].id])
    rekey(filled, key_settings, lambda: "model")
    assert len(checked(filled).altered) == 1


@pytest.mark.parametrize("merge", [False, True])
def test_a_restore_is_no_alteration(filled: StorageService, *, merge: bool) -> None:
    assert filled.backup.snapshot("aws_estate").ok
    scanned(filled, "second", count=2)
    scanned(filled, "second", count=6, key=OTHER)
    assert filled.backup.restore("latest", "aws_estate", merge=merge).ok
    report = checked(filled)
    assert (report.altered, report.strays) == ([], 0)
    assert report.verified == 3


def test_a_merge_does_not_hide_an_alteration(filled: StorageService) -> None:
    filled.vector_store.delete_ids(AWS_ESTATE.name, [rows_of(filled)[0].id])
    assert filled.backup.snapshot("aws_estate").ok
    assert filled.backup.restore("latest", "aws_estate", merge=True).ok
    assert len(checked(filled).altered) == 1


def test_the_check_is_not_repeated_while_nothing_was_written(filled: StorageService) -> None:
    report = checked(filled)
    assert filled.estate.integrity.check(again=False) is report
    filled.estate.apply_delta(hosts(1, state="stopped"))
    assert filled.estate.integrity.check(again=False) is not report


class TwoPrograms(RuleBasedStateMachine):
    """Two programs that scan the same two cells in any order: no step may ever look like an alteration."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = quick_folder()
        path = self.folder.__enter__()
        self.owners = ended_owners(path)
        self.owners.__enter__()
        settings = Settings(data_path=path / "store", key_file=path / "key", qdrant_idle_seconds=1.0)
        embedder = WordEmbedder()
        self.programs = [StorageService(settings, lambda: embedder) for _ in range(2)]
        self.scans = 0
        self.running: list[str] = ["", ""]

    @initialize()
    def fill(self) -> None:
        for key in (CELL, OTHER):
            scanned(self.programs[0], "first", count=3, key=key)

    def teardown(self) -> None:
        try:
            for storage in self.programs:
                assert (checked(storage).altered, checked(storage).scan_state) == ([], "")
                storage.close()
        finally:
            self.owners.__exit__(None, None, None)
            self.folder.__exit__(None, None, None)

    def _scan(self, program: int) -> tuple[StorageService, str]:
        if not self.running[program]:
            self.scans += 1
            self.running[program] = f"scan-{self.scans}"
        return self.programs[program], self.running[program]

    @rule(program=st.integers(0, 1), key=st.sampled_from([CELL, OTHER]))
    def begin(self, program: int, key: CellKey) -> None:
        storage, scan_id = self._scan(program)
        storage.estate.begin_cells([key], scan_id=scan_id)

    @rule(
        program=st.integers(0, 1),
        key=st.sampled_from([CELL, OTHER]),
        numbers=st.sets(st.integers(0, 3)),
        state=st.sampled_from(["running", "stopped"]),
    )
    def write(self, program: int, key: CellKey, numbers: set[int], state: str) -> None:
        storage, scan_id = self._scan(program)
        listed = [host for number, host in enumerate(hosts(4, key, state)) if number in numbers]
        storage.estate.upsert(listed, scan_id=scan_id)

    @rule(program=st.integers(0, 1), key=st.sampled_from([CELL, OTHER]), numbers=st.sets(st.integers(0, 3)))
    def scan(self, program: int, key: CellKey, numbers: set[int]) -> None:
        """A whole scan of a cell while longer scans run."""
        self.write(program, key, numbers, "running")
        self.finish(program, key, CellState.OK)

    @rule(
        program=st.integers(0, 1),
        key=st.sampled_from([CELL, OTHER]),
        state=st.sampled_from([CellState.OK, CellState.OK_EMPTY, CellState.PARTIAL, CellState.DENIED]),
    )
    def finish(self, program: int, key: CellKey, state: CellState) -> None:
        storage, scan_id = self._scan(program)
        storage.estate.finish_cell(ended(key, state), scan_id=scan_id)

    @rule(program=st.integers(0, 1))
    def end(self, program: int) -> None:
        storage, scan_id = self._scan(program)
        storage.estate.end_scan(scan_id)
        self.running[program] = ""

    @rule(program=st.integers(0, 1), key=st.sampled_from([CELL, OTHER]), number=st.integers(0, 3))
    def write_outside_a_scan(self, program: int, key: CellKey, number: int) -> None:
        self.programs[program].estate.apply_delta(hosts(number + 1, key)[number:])

    @rule(program=st.integers(0, 1), key=st.sampled_from([CELL, OTHER]), number=st.integers(0, 3))
    def delete(self, program: int, key: CellKey, number: int) -> None:
        self.programs[program].estate.delete(hosts(number + 1, key)[number].canonical_key)

    @rule(program=st.integers(0, 1))
    def check(self, program: int) -> None:
        report = checked(self.programs[program])
        assert (report.altered, report.scan_state) == ([], "")


TestTwoPrograms = TwoPrograms.TestCase
TestTwoPrograms.settings = hypothesis_settings(max_examples=12, stateful_step_count=25, deadline=None)
