"""The journal of the store, and the one in memory that the tests of this folder use, keep the same promises."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import AlreadyRecordedError, JournalError
from cloudops_nb.settings import Settings
from cloudops_nb.storage.journal.journal import Journal
from cloudops_nb.storage.opening.vault_opening import open_vault
from tests.execution.conftest import FakeJournal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudops_nb.execution.ports import JournalPort

pytestmark = pytest.mark.fast


class Clock:
    """The present time, until a test sets another one."""

    def __init__(self) -> None:
        self.time: datetime | None = None

    def __call__(self) -> datetime:
        return self.time or datetime.now(UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["store", "memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[JournalPort]:
    if request.param == "memory":
        yield FakeJournal(clock)
        return
    vault = open_vault(Settings(data_path=tmp_path / "store", key_file=tmp_path / "key"))
    real = Journal(vault.data_path, vault, clock=clock)
    yield real
    real.close()


def test_a_record_is_returned_as_it_is_read_later(journal: JournalPort) -> None:
    before = datetime.now(UTC)
    record = journal.append("plan", "p1", {"nested": [{"a": None}, True]}, power_safe=True)

    assert (record.sequence, record.kind, record.subject) == (1, "plan", "p1")
    assert record.body == {"nested": [{"a": None}, True]}
    assert before <= record.at <= datetime.now(UTC)
    assert journal.records() == [record]


def test_filters_and_together_and_keep_the_order(journal: JournalPort) -> None:
    written = [
        journal.append(("plan", "approval", "egress")[number % 3], f"s{number % 2}", {"n": number})
        for number in range(12)
    ]

    def found(**filters: Any) -> list[int]:
        return [record.body["n"] for record in journal.records(**filters)]

    assert found() == found(kind="") == list(range(12))
    assert found(kind="plan") == [0, 3, 6, 9]
    assert found(kind=("plan", "egress"), subject="s1") == [3, 5, 9, 11]
    assert found(since=written[9].at) == [9, 10, 11]
    assert found(kind="plan", limit=2) == [6, 9]
    assert found(limit=0) == found(kind="unheard") == []


def test_what_is_recorded_once_is_refused_the_second_time(journal: JournalPort) -> None:
    journal.append("approval_consumed", "e1", {}, once="a1")
    journal.append("approval_consumed", "e1", {}, once="a2")

    with pytest.raises(AlreadyRecordedError, match="approval_consumed"):
        journal.append("approval_consumed", "e2", {}, once="a1")
    assert len(journal.records()) == 2


@pytest.mark.parametrize("body", [{"a": object()}, {"a": math.nan}, {(): 1}])
def test_a_body_that_is_no_json_is_refused_and_nothing_is_added(journal: JournalPort, body: dict[Any, Any]) -> None:
    with pytest.raises(JournalError, match="plain JSON"):
        journal.append("plan", "p1", body)
    assert journal.records() == []


def test_the_latest_time_never_goes_back_until_a_person_accepts_the_clock(journal: JournalPort, clock: Clock) -> None:
    noon = datetime(2026, 3, 4, 12, tzinfo=UTC)
    assert journal.latest_time() is None
    for hour, latest in ((0, 0), (2, 2), (1, 2), (-5, 2), (3, 3), (1, 3)):
        clock.time = noon + timedelta(hours=hour)
        assert journal.append("plan", "p1", {}).at == clock.time
        assert journal.latest_time() == noon + timedelta(hours=latest)
    record = journal.accept_clock({"by": "ada"})
    assert (record.at, record.body) == (clock.time, {"by": "ada"})
    assert journal.latest_time() == clock.time
    journal.append("plan", "p1", {})
    assert journal.latest_time() == clock.time
