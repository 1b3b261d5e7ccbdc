"""Ending a scan cell: only complete cells remove rows, and only rows that no scan sees any longer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.model import CellKey, CellResult, CellState, Resource, ResourceFilter
from cloudops_nb.storage.facade import StorageService
from tests.embedders import no_embedder
from tests.storage.conftest import WordEmbedder, both_engines

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings

pytestmark = both_engines

CELL = CellKey("123456789012", "eu-west-1", "ec2_instance")


def hosts(count: int, key: CellKey = CELL) -> list[Resource]:
    return [
        Resource(key.resource_type, f"i-{number}", key.account_id, key.region, "ec2", name=f"host{number}")
        for number in range(count)
    ]


def ended(state: CellState = CellState.OK, key: CellKey = CELL, resources: int = 0) -> CellResult:
    return CellResult(key, state, datetime.now(UTC), 0.5, resources)


def present(storage: StorageService, key: CellKey = CELL) -> list[str]:
    where = ResourceFilter(region=key.region)
    return [hit.resource.identifier for hit in storage.estate.resources(where)]


@pytest.mark.parametrize("state", list(CellState))
def test_only_a_complete_cell_removes_what_it_did_not_see(company: StorageService, state: CellState) -> None:
    cell, other = (CellKey("123456789012", f"{place}-{state}", "ec2_instance") for place in ("here", "there"))
    company.estate.apply_full(ended(key=cell), hosts(4, cell), scan_id=f"first-{state}")
    company.estate.apply_full(ended(key=other), hosts(2, other), scan_id=f"first-{state}")
    kept = company.estate.apply_full(ended(state, cell), hosts(1, cell), scan_id=f"second-{state}")

    assert kept.state is state
    assert present(company, cell) == (["i-0"] if state.complete else ["i-0", "i-1", "i-2", "i-3"])
    assert present(company, other) == ["i-0", "i-1"]
    assert {hit.cell_state for hit in company.estate.resources(ResourceFilter(region=cell.region))} == {state.value}
    assert kept in company.scan_state.cells()


@pytest.mark.parametrize("state", [CellState.OK, CellState.OK_EMPTY])
def test_sudden_emptiness_is_believed_the_second_time(storage: StorageService, state: CellState) -> None:
    storage.estate.apply_full(ended(), hosts(3), scan_id="first")
    suspicious = storage.estate.finish_cell(ended(state), scan_id="second")

    assert suspicious.state is CellState.SUSPICIOUS_EMPTY
    assert suspicious.detail == "listed nothing, but has 3 rows; kept until the next scan"
    assert len(present(storage)) == 3
    assert {hit.cell_state for hit in storage.estate.resources()} == {"suspicious_empty"}

    assert storage.estate.finish_cell(ended(state), scan_id="third").state is state
    assert present(storage) == []


def test_one_scan_does_not_confirm_its_own_suspicion(storage: StorageService) -> None:
    storage.estate.apply_full(ended(), hosts(3), scan_id="first")
    results = [storage.estate.finish_cell(ended(CellState.OK_EMPTY), scan_id="second") for _ in range(2)]

    assert [result.state for result in results] == [CellState.SUSPICIOUS_EMPTY] * 2
    assert len(present(storage)) == 3


def test_a_scan_concurrent_with_the_suspicious_one_does_not_confirm_it(
    storage: StorageService, key_settings: Settings
) -> None:
    storage.estate.apply_full(ended(), hosts(3), scan_id="first")
    with StorageService(key_settings, no_embedder) as beside:
        beside.estate.upsert([], scan_id="beside")
        storage.estate.finish_cell(ended(CellState.OK_EMPTY), scan_id="second")
        result = beside.estate.finish_cell(ended(CellState.OK_EMPTY), scan_id="beside")

    assert result.state is CellState.SUSPICIOUS_EMPTY
    assert len(present(storage)) == 3


def test_seeing_the_rows_again_clears_the_suspicion(storage: StorageService) -> None:
    storage.estate.apply_full(ended(), hosts(3), scan_id="first")
    storage.estate.finish_cell(ended(CellState.OK_EMPTY), scan_id="second")
    storage.estate.apply_full(ended(), hosts(3), scan_id="third")

    assert storage.estate.finish_cell(ended(CellState.OK_EMPTY), scan_id="fourth").state is CellState.SUSPICIOUS_EMPTY


def test_a_failed_scan_in_between_leaves_the_suspicion(storage: StorageService) -> None:
    storage.estate.apply_full(ended(), hosts(3), scan_id="first")
    storage.estate.finish_cell(ended(CellState.OK_EMPTY), scan_id="second")
    storage.estate.finish_cell(ended(CellState.DENIED), scan_id="third")

    assert storage.estate.finish_cell(ended(CellState.OK_EMPTY), scan_id="fourth").state is CellState.OK_EMPTY
    assert present(storage) == []


def test_a_cell_of_two_rows_may_become_empty_at_once(storage: StorageService) -> None:
    storage.estate.apply_full(ended(), hosts(2), scan_id="first")

    assert storage.estate.finish_cell(ended(CellState.OK_EMPTY), scan_id="second").state is CellState.OK_EMPTY
    assert present(storage) == []


def test_two_kernels_that_scan_one_cell_at_once_keep_each_others_rows(
    storage: StorageService, key_settings: Settings, embedder: WordEmbedder
) -> None:
    with StorageService(key_settings, lambda: embedder) as beside:
        storage.estate.upsert(hosts(2), scan_id="one")
        beside.estate.upsert(hosts(5), scan_id="other")
        storage.estate.finish_cell(ended(), scan_id="one")
        assert len(present(storage)) == 5
        beside.estate.finish_cell(ended(), scan_id="other")

    assert len(present(storage)) == 5


def test_a_delta_removes_nothing_and_the_next_full_scan_decides(storage: StorageService) -> None:
    storage.estate.apply_full(ended(), hosts(2), scan_id="first")
    storage.estate.apply_delta(hosts(4))
    assert len(present(storage)) == 4

    storage.estate.apply_full(ended(), hosts(3), scan_id="second")
    assert present(storage) == ["i-0", "i-1", "i-2"]


def test_a_resource_whose_cell_was_never_finished_has_no_cell_state(storage: StorageService) -> None:
    storage.estate.upsert(hosts(1), scan_id="first")

    assert [hit.cell_state for hit in storage.estate.search("host0")] == [""]


def read_at(resources: list[Resource], at: datetime) -> list[Resource]:
    return [replace(resource, last_synced=at) for resource in resources]


def test_a_late_page_of_a_scan_that_began_before_keeps_the_rows_of_the_other(
    storage: StorageService, key_settings: Settings, embedder: WordEmbedder
) -> None:
    earlier, later = datetime.now(UTC) - timedelta(minutes=1), datetime.now(UTC)
    with StorageService(key_settings, lambda: embedder) as beside:
        storage.estate.upsert(read_at(hosts(4), later), scan_id="later")
        beside.estate.upsert(read_at(hosts(4), earlier), scan_id="earlier")
        storage.estate.finish_cell(replace(ended(), started=later), scan_id="later")

    assert len(present(storage)) == 4
    assert {hit.resource.last_synced for hit in storage.estate.resources()} == {later}


def test_a_row_that_came_after_an_empty_listing_began_is_kept(storage: StorageService) -> None:
    began = datetime.now(UTC)
    storage.estate.apply_delta(hosts(1))
    kept = storage.estate.finish_cell(replace(ended(CellState.OK_EMPTY), started=began), scan_id="began-before")

    assert kept.state is CellState.OK_EMPTY
    assert present(storage) == ["i-0"]


def test_a_scan_that_began_before_the_suspicion_does_not_confirm_it(
    storage: StorageService, key_settings: Settings
) -> None:
    storage.estate.apply_full(ended(), hosts(3), scan_id="first")
    began = datetime.now(UTC)
    empty = replace(ended(CellState.OK_EMPTY), started=began)
    with StorageService(key_settings, no_embedder) as beside:
        results = [storage.estate.finish_cell(empty, scan_id="one"), beside.estate.finish_cell(empty, scan_id="other")]

    assert [result.state for result in results] == [CellState.SUSPICIOUS_EMPTY] * 2
    assert len(present(storage)) == 3
