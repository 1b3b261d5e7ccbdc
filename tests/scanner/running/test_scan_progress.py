"""The progress of a scan's cells, and the results of cells that did not end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.error_states import NOT_OFFERED
from cloudops_nb.model import Account, CellKey, CellResult, CellState
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.running.scan_progress import CellTracker
from cloudops_nb.scanner.task import ScanTask
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.fast

ONE, TWO, THREE, LATER = (CellKey("123456789012", region, "rds_instance") for region in ("a", "b", "c", "d"))


def todo(*keys: CellKey) -> ScanTask:
    return ScanTask(bundled_specs()[0], Account(name="prod"), "eu-west-1", keys)


def page(key: CellKey, rows: int) -> PageRead:
    resources: Any = [object()] * rows
    return PageRead(key, resources)


def ended(key: CellKey, state: CellState, detail: str = "") -> CellResult:
    return CellResult(key, state, datetime.now(UTC), 0.0, calls=2, detail=detail)


@pytest.fixture
def tracker() -> CellTracker:
    """Of one cell two pages came, one ended, of one nothing is known, and one was found on the way."""
    made = CellTracker([todo(ONE, TWO), todo(THREE)])
    for item in (page(ONE, 3), page(TWO, 1), page(ONE, 2), ended(TWO, CellState.OK), ended(LATER, CellState.DENIED)):
        made.note(item)
    return made


def told(results: Sequence[CellResult]) -> list[tuple[CellKey, CellState, int, int, str]]:
    return [(each.key, each.state, each.resources, each.pages, each.detail) for each in results]


def test_what_has_not_ended_is_partial_or_pending(tracker: CellTracker) -> None:
    assert told(tracker.remaining()) == [
        (ONE, CellState.PARTIAL, 5, 2, "interrupted after 2 pages"),
        (THREE, CellState.PENDING, 0, 0, "not read"),
    ]


def test_what_will_never_end_is_an_error_with_what_was_read_of_it(tracker: CellTracker) -> None:
    assert told(tracker.lost([ONE, TWO, THREE], "its worker was lost")) == [
        (ONE, CellState.ERROR, 5, 2, "its worker was lost"),
        (THREE, CellState.ERROR, 0, 0, "its worker was lost"),
    ]


def test_progress_counts_what_has_come(tracker: CellTracker) -> None:
    absent = ended(THREE, CellState.SERVICE_UNAVAILABLE, NOT_OFFERED)
    tracker.note(absent)
    found = tracker.progress(absent, 1.5)
    assert (found.done, found.total, found.failed, found.resources, found.calls) == (3, 4, 1, 6, 6)
    assert (found.elapsed, found.current) == (1.5, str(THREE))
