from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.storage.files.database import Database
from cloudops_nb.storage.opening.vault_opening import open_vault
from cloudops_nb.storage.scan_state import ScanState

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.journal.journal import Journal
    from cloudops_nb.storage.vault import Vault

pytestmark = pytest.mark.fast

KEY = CellKey("123456789012", "eu-west-1", "ec2_instance")
OTHER = CellKey("123456789012", "eu-west-1", "s3_bucket")
RESULT = CellResult(KEY, CellState.OK, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), 1.25, 7, 3, 2, 1, "one line")


@pytest.fixture
def scan_state(journal: Journal, vault: Vault) -> ScanState:
    return ScanState(journal.database, vault)


def test_an_unknown_cell_has_no_result(scan_state: ScanState) -> None:
    assert scan_state.cells() == []


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    result=st.builds(
        CellResult,
        st.just(KEY),
        st.sampled_from(CellState),
        st.datetimes(timezones=st.just(UTC)),
        st.floats(0, 1e6),
        *[st.integers(0, 2**40)] * 4,
        st.text(),
    )
)
def test_every_result_reads_back_as_it_was_put(scan_state: ScanState, result: CellResult) -> None:
    scan_state.put(result, "scan-1")

    assert scan_state.cells() == [result]


def test_a_later_result_takes_the_place_of_an_earlier_one(scan_state: ScanState, journal: Journal) -> None:
    later = replace(RESULT, state=CellState.THROTTLED, resources=0)
    scan_state.put(RESULT, "scan-1")
    scan_state.put(later, "scan-2")
    journal.close()

    assert scan_state.cells() == [later]


def test_states_are_told_of_the_cells_that_were_scanned(scan_state: ScanState) -> None:
    scan_state.put(RESULT)
    scan_state.put(replace(RESULT, state=CellState.DENIED))
    scan_state.put(replace(RESULT, key=replace(KEY, region="us-east-1")))

    assert scan_state.states([KEY, OTHER]) == {KEY: CellState.DENIED}
    assert scan_state.states([]) == {}


def test_cells_come_in_order(scan_state: ScanState) -> None:
    keys = [CellKey("1" * 12, "b", "z"), CellKey("1" * 12, "a", "z"), CellKey("0" * 12, "c", "z")]
    for key in keys:
        scan_state.put(replace(RESULT, key=key))

    assert [result.key for result in scan_state.cells()] == keys[::-1]


def test_nothing_of_a_result_is_on_the_disk_in_the_clear(scan_state: ScanState, vault: Vault) -> None:
    scan_state.put(RESULT, "scan-number-one")

    content = b"".join(path.read_bytes() for path in vault.data_path.iterdir())
    for word in (b"123456789012", b"eu-west-1", b"ec2_instance", b"one line", b"scan-number-one"):
        assert word not in content


def test_a_result_moved_to_another_cell_is_skipped_until_it_is_written_again(
    scan_state: ScanState, journal: Journal, vault: Vault
) -> None:
    other = replace(KEY, region="us-east-1")
    scan_state.put(RESULT)
    scan_state.put(replace(RESULT, key=other, state=CellState.DENIED))
    names = [scan_state._blind_name(key) for key in (KEY, other)]
    with journal.database.writing() as connection:
        moved = "UPDATE cells SET envelope = (SELECT envelope FROM cells WHERE cell = ?) WHERE cell = ?"
        connection.execute(moved, names)

    (left,) = scan_state.cells()
    assert set(scan_state.states([KEY, other])) == {left.key}
    assert len(scan_state.unreadable(vault.envelope)) == 1
    scan_state.put(RESULT)
    scan_state.put(replace(RESULT, key=other, state=CellState.DENIED))
    assert len(scan_state.cells()) == 2
    assert scan_state.unreadable(vault.envelope) == []


def test_it_leaves_the_journal_alone(scan_state: ScanState, journal: Journal) -> None:
    journal.append("scan", "s1", {})
    scan_state.put(RESULT)

    assert journal.verify().count == 1


def test_contents_fill_another_scan_state(scan_state: ScanState, key_settings: Settings, tmp_path: Path) -> None:
    scan_state.put(RESULT, "scan-1")
    scan_state.put(replace(RESULT, key=OTHER), "scan-2")
    vault = open_vault(key_settings.model_copy(update={"data_path": tmp_path / "x", "key_file": tmp_path / "y"}))
    other = ScanState(Database(tmp_path / "x" / "other.db"), vault)
    other.fill(scan_state.contents())

    assert other.cells() == scan_state.cells()
    assert {content["scan_id"] for content in other.contents()} == {"scan-1", "scan-2"}
    other._database.close()


def test_cells_under_the_present_data_key_are_not_encrypted_again(scan_state: ScanState) -> None:
    scan_state.put(RESULT)

    assert scan_state.reseal() == 0
