"""The scan state's turn in the journal."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.storage.journal.scan_anchor import SCAN_ENDED, TURN, ScanAnchor

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.storage.journal.journal import Journal
    from cloudops_nb.storage.vault import Vault

pytestmark = pytest.mark.fast


@pytest.fixture
def turn(journal: Journal, vault: Vault) -> Callable[[], int]:
    """Read the turn in a transaction of its own."""
    anchor = ScanAnchor(journal, vault)

    def read() -> int:
        with journal.database.reading() as connection:
            return anchor(connection)

    return read


@pytest.fixture
def end_scan(journal: Journal) -> Callable[..., None]:
    """Record the end of a scan, with the turn if one is given."""
    numbers = itertools.count()

    def record(turn: int | None = None) -> None:
        journal.append(SCAN_ENDED, f"scan-{next(numbers)}", {} if turn is None else {TURN: turn})

    return record


def test_the_newest_end_of_a_scan_has_the_turn(
    journal: Journal, turn: Callable[[], int], end_scan: Callable[..., None]
) -> None:
    assert turn() == 0
    end_scan(7)
    journal.append("plan", "p1", {TURN: 100})
    assert turn() == turn() == 7
    end_scan(9)
    assert turn() == 9


def test_records_of_an_earlier_version_without_a_turn_are_passed_over(
    turn: Callable[[], int], end_scan: Callable[..., None]
) -> None:
    end_scan()
    assert turn() == 0
    end_scan(7)
    end_scan()
    assert turn() == 7


def test_a_record_of_another_kind_in_the_kinds_column_has_no_turn(
    journal: Journal, turn: Callable[[], int], end_scan: Callable[..., None]
) -> None:
    end_scan(7)
    journal.append("plan", "p1", {TURN: 100})
    with journal.database.writing() as connection:
        connection.execute("UPDATE records SET kind = (SELECT kind FROM records WHERE sequence = 1)")
    assert turn() == 7


def test_a_damaged_record_is_passed_over_and_counts_in_no_alarm(
    journal: Journal, vault: Vault, turn: Callable[[], int], end_scan: Callable[..., None]
) -> None:
    end_scan(7)
    end_scan(9)
    with journal.database.writing() as connection:
        connection.execute("UPDATE records SET envelope = X'00' WHERE sequence = 2")
    assert turn() == 7
    assert vault.envelope.alarm.failures == 0


def test_a_journal_without_its_table_has_no_turn(
    journal: Journal, turn: Callable[[], int], end_scan: Callable[..., None]
) -> None:
    end_scan(7)
    with journal.database.writing() as connection:
        connection.execute("DROP TABLE records")
    assert turn() == 0
