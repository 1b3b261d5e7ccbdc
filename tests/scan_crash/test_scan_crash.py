from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.model import CellKey, CellState
from tests.scan_crash.driver import Acknowledged, Driver, Left, faults
from tests.scan_crash.world import aws_of
from tests.storage.conftest import ended_owners

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scan_crash.world import Rows

CELL = CellKey("123456789012", "eu-west-1", "ec2_instance")
#: "a" lives on, "gone" does not, "new" came.
BEFORE = Left({CELL: {"a": {}, "gone": {}}}, {CELL: CellState.OK})
TARGET: Rows = {CELL: {"a": {}, "new": {}}}


def left(*names: str, state: CellState = CellState.PARTIAL) -> Left:
    return Left({CELL: {name: {} for name in names}}, {CELL: state})


def test_scans_that_are_killed_or_interrupted_leave_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws_of(0).environment.items():
        monkeypatch.setenv(name, value)
    with ended_owners(tmp_path):
        outcome = Driver(tmp_path, seed=3).run(kills=2)
    assert outcome.faults == []
    assert outcome.signals == {"SIGKILL": 1, "SIGINT": 1}
    assert outcome.cells["partial"] >= 1


@pytest.mark.fast
@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (left("a", "gone", state=CellState.OK), Acknowledged()),
        (left("a", "gone"), Acknowledged()),
        (left("a", "gone", "new"), Acknowledged({"a", "new"})),
        (left("a", "new", state=CellState.OK), Acknowledged({"a", "new"}, {str(CELL): "ok"})),
    ],
)
def test_what_may_be_left_is_no_fault(seen: Left, said: Acknowledged) -> None:
    assert faults(BEFORE, seen, TARGET, said) == []


@pytest.mark.fast
@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (left("gone"), Acknowledged()),
        (left("a", "new", "ghost"), Acknowledged()),
        (left("a", "gone"), Acknowledged({"new"})),
        (left("a", "gone", "new", state=CellState.OK), Acknowledged()),
        (left("a", state=CellState.OK), Acknowledged()),
        (left("a", "gone", state=CellState.RUNNING), Acknowledged()),
        (left("a", "gone"), Acknowledged(set(), {str(CELL): "ok"})),
    ],
)
def test_what_was_lost_made_up_or_told_wrongly_is_a_fault(seen: Left, said: Acknowledged) -> None:
    assert faults(BEFORE, seen, TARGET, said)
