"""Merging a snapshot into what is there: nothing is lost, and the newer of two stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudops_nb.model import CellResult, CellState
from tests.storage.backup.store_contents import CELL, STARTED, contents, database, outcomes, paths

if TYPE_CHECKING:
    from cloudops_nb.storage.facade import StorageService


def test_a_merge_keeps_the_newer_of_two_and_brings_back_what_is_missing(filled: StorageService) -> None:
    filled.estate.upsert([database(0, name="renamed"), database(99)], scan_id="scan-2")
    filled.estate.delete(database(1).canonical_key)
    newer = CellResult(CELL, CellState.OK, datetime(2025, 2, 2, tzinfo=UTC), 2.0)
    filled.scan_state.put(newer, "scan-2")

    assert outcomes(filled, "latest", "aws_estate", merge=True) == {"aws_estate": "merged"}
    names = {hit.resource.identifier: hit.resource.name for hit in filled.estate.resources()}
    assert names == {"db-0": "renamed", "db-99": "pg-payroll-99"} | {
        f"db-{number}": f"pg-payroll-{number}" for number in range(1, 5)
    }
    assert filled.scan_state.cells() == [newer]


def test_a_merge_takes_a_newer_cell_and_newer_rows_from_the_snapshot(filled: StorageService) -> None:
    filled.estate.upsert([database(0, name="newest")], scan_id="scan-2")
    newer = CellResult(CELL, CellState.OK, datetime(2025, 2, 2, tzinfo=UTC), 2.0)
    filled.scan_state.put(newer, "scan-2")
    assert filled.backup.snapshot("aws_estate").ok
    newest, oldest = sorted((path for path in paths(filled) if path.name.startswith("aws")), reverse=True)
    assert filled.backup.restore(oldest).ok
    assert filled.scan_state.cells() == [CellResult(CELL, CellState.OK, STARTED, 1.5, resources=5)]

    assert filled.backup.restore(newest, merge=True).ok
    newest_row = filled.estate.get(database(0).canonical_key)
    assert newest_row
    assert newest_row.name == "newest"
    assert filled.scan_state.cells() == [newer]


def test_messages_with_one_number_both_stay_in_the_order_of_their_times(filled: StorageService) -> None:
    old = filled.chat.history("incident")
    filled.chat.delete("incident")
    new = [filled.chat.append("incident", "user", f"afterwards {number}") for number in range(2)]
    other = filled.chat.append("other", "user", "untouched")

    assert outcomes(filled, "latest", "chat_history", merge=True) == {"chat_history": "merged"}
    history = filled.chat.history("incident")
    assert [message.id for message in history] == [message.id for message in (*old, *new)]
    assert [message.index for message in history] == list(range(6))
    assert filled.chat.history("other") == [other]
    assert filled.chat.append("incident", "user", "and on").index == 6


def test_a_merge_of_what_is_there_already_changes_nothing(filled: StorageService) -> None:
    before = contents(filled)
    assert filled.backup.restore(merge=True).ok

    assert contents(filled) == before
