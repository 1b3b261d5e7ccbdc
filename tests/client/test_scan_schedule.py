"""Regular scans: each due one is made once, whatever sleeps or restarts, and how it went can be seen."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb import CloudOps
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.client.scan_schedule import FULL_SCAN, INCREMENTAL_SCAN, ScanSchedule
from cloudops_nb.errors import CredentialsError
from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.scanner.report import ScanReport
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.schedule.due_times import Schedule
from tests.embedders import EvenEmbedder, no_embedder
from tests.synthetic_aws import SyntheticAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

from cloudops_nb.settings import Settings

MINUTE = 60.0
START = datetime(2025, 1, 1, tzinfo=UTC)


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    key = tmp_path / "key"
    key.write_text("00" * 32)
    key.chmod(0o600)
    return Settings(data_path=tmp_path / "store", key_source="file", key_file=key)


@pytest.fixture
def storage(settings: Settings) -> Iterator[StorageService]:
    """A store; these tests use only its journal."""
    with StorageService(settings, no_embedder) as service:
        yield service


def report(*states: CellState) -> ScanReport:
    results = [
        CellResult(CellKey("123456789012", f"eu-west-{number}", "ec2_instance"), state, START, 1.0)
        for number, state in enumerate(states)
    ]
    return ScanReport("scan", START, 1.0, results)


def noting(modes: list[str], found: ScanReport) -> Callable[[str], ScanReport]:
    """Make a scan that notes its mode."""

    def scan(mode: str) -> ScanReport:
        modes.append(mode)
        return found

    return scan


def made(storage: StorageService, settings: Settings, clock: Clock, scan: Callable[[str], ScanReport]) -> ScanSchedule:
    schedule = ScanSchedule(storage, settings, lambda mode, _: scan(mode), lambda: True)
    return at(schedule, storage, clock)


def at(schedule: ScanSchedule, storage: StorageService, clock: Clock) -> ScanSchedule:
    """Give a schedule a clock."""
    schedule._schedule = schedule._scheduler._schedule = Schedule(storage, clock)
    return schedule


def test_a_day_has_four_full_scans_and_an_incremental_one_every_quarter_of_an_hour(
    storage: StorageService, settings: Settings
) -> None:
    clock = Clock()
    modes: list[str] = []
    schedule = made(storage, settings, clock, noting(modes, report(CellState.OK)))
    for _ in range(24 * 60):
        schedule._scheduler.run_due()
        clock.now += MINUTE

    assert modes.count("full") == 3  # the first is due after six hours, the fourth at midnight
    assert modes.count("incremental") == pytest.approx(95, abs=1)


def test_what_a_closed_laptop_missed_is_made_up_for_once(storage: StorageService, settings: Settings) -> None:
    clock = Clock()
    modes: list[str] = []
    schedule = made(storage, settings, clock, noting(modes, report(CellState.OK)))
    schedule._scheduler.run_due()
    clock.now += 3 * 24 * 60 * MINUTE

    assert schedule._scheduler.run_due() == [FULL_SCAN, INCREMENTAL_SCAN]
    assert schedule._scheduler.run_due() == []
    assert modes == ["full", "incremental"]


def test_a_restarted_kernel_keeps_the_due_times(storage: StorageService, settings: Settings) -> None:
    clock = Clock()
    made(storage, settings, clock, lambda _: report())._scheduler.run_due()
    clock.now += 14 * MINUTE
    again = made(storage, settings, clock, lambda _: report())
    assert again._scheduler.run_due() == []
    clock.now += 1 * MINUTE
    assert again._scheduler.run_due() == [INCREMENTAL_SCAN]


def test_of_two_kernels_one_makes_a_due_scan(storage: StorageService, settings: Settings) -> None:
    clock = Clock()
    modes: list[str] = []
    with StorageService(settings, no_embedder) as second:
        kernels = [made(each, settings, clock, noting(modes, report())) for each in (storage, second)]
        for kernel in kernels:
            kernel._scheduler.run_due()
        clock.now += 15 * MINUTE
        threads = [threading.Thread(target=kernel._scheduler.run_due) for kernel in kernels]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert modes == ["incremental"]


def test_a_failed_scan_is_reported_and_retried_within_its_interval(storage: StorageService, settings: Settings) -> None:
    def refused(_mode: str) -> ScanReport:
        raise CredentialsError("account prod: the credentials have expired", "", "Sign on again.")

    clock = Clock()
    schedule = made(storage, settings, clock, refused)
    schedule._scheduler.run_due()
    clock.now += 6 * 60 * MINUTE
    schedule._scheduler.run_due()
    full, incremental = schedule.status()["tasks"]

    assert "the credentials have expired" in full["error"]
    assert full["due"]
    assert full["last"]
    assert (full["due"] - full["last"]).total_seconds() == 30 * MINUTE
    assert incremental["due"]
    assert incremental["last"]
    assert (incremental["due"] - incremental["last"]).total_seconds() == 15 * MINUTE


def test_cells_that_are_not_complete_are_noted(storage: StorageService, settings: Settings) -> None:
    clock = Clock()
    schedule = made(storage, settings, clock, lambda _: report(CellState.OK, *[CellState.DENIED] * 5))
    schedule._scheduler.run_due()
    clock.now += 15 * MINUTE
    schedule._scheduler.run_due()
    note = schedule.status()["tasks"][1]["note"]

    assert note.startswith("5 of 6 cells are not complete: 123456789012/eu-west-1/ec2_instance denied, ")
    assert note.endswith(" and 2 more")


def test_an_interval_of_none_is_never_due(storage: StorageService, settings: Settings) -> None:
    never = settings.model_copy(update={"full_scan_hours": 0.0})
    assert [
        task["task"] for task in ScanSchedule(storage, never, lambda *_: report(), lambda: True).status()["tasks"]
    ] == [INCREMENTAL_SCAN]


def test_it_runs_between_start_and_stop(storage: StorageService, settings: Settings) -> None:
    due, seen = Clock(), threading.Event()

    def scan(mode: str) -> ScanReport:
        seen.set()
        return report()

    schedule: Any = made(storage, settings, due, scan)
    schedule._scheduler.run_due()
    due.now += 15 * MINUTE
    assert not schedule.status()["running"]
    schedule.start()
    assert schedule.status()["running"]
    assert seen.wait(30)
    schedule.stop()
    assert not schedule.status()["running"]
    assert schedule.status()["trouble"] == ""


def test_an_interrupt_of_the_notebook_does_not_reach_a_scheduled_scan(
    storage: StorageService, settings: Settings, interruptible: None
) -> None:
    clock, begun, go_on, ended = Clock(), threading.Event(), threading.Event(), threading.Event()

    def scan(mode: str) -> ScanReport:
        begun.set()
        assert go_on.wait(30)
        ended.set()
        return report()

    schedule = made(storage, settings, clock, scan)
    schedule._scheduler.run_due()
    clock.now += 15 * MINUTE
    schedule.start()
    try:
        assert begun.wait(30)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert schedule.status()["running"]
    finally:
        go_on.set()
    assert ended.wait(30)
    schedule.stop()
    assert schedule.status()["tasks"][1]["error"] == ""


# --- through the client, on an AWS that waits for the test -----------------------------------------------------------


class Estate:
    """A client on an AWS with aliases of keys; ``answering`` is called before each list of them."""

    def __init__(self, ops: CloudOps, clock: Clock) -> None:
        self.answering: Callable[[], Any] = lambda: None
        aliases = [
            {"AliasName": name, "AliasArn": f"arn:aws:kms:eu-west-1:123456789012:{name}", "TargetKeyId": "0a1b2c3d"}
            for name in ("alias/web", "alias/api", "alias/batch")
        ]

        def answer(_: Any) -> list[dict[str, str]]:
            self.answering()
            return aliases

        aws = SyntheticAws({("*", "*", "kms", "ListAliases"): answer})
        self.ops, self.clock = ops, clock
        ops.parts._embedder = EvenEmbedder()
        ops.parts.sessions = AccountSessions(aws.accounts, events=aws.events())
        at(ops.schedule, ops.storage, clock)._scheduler.run_due()

    def due(self) -> None:
        """Let the time of the incremental scan come."""
        self.clock.now += 15 * MINUTE


@pytest.fixture
def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    for name, value in SyntheticAws().environment.items():
        monkeypatch.setenv(name, value)
    options = {"regions": ["eu-west-1"], "services": ["kms_alias"], "key_file": str(tmp_path / "key")}
    with CloudOps(tmp_path / "store", **options) as ops:
        yield Estate(ops, Clock())


def test_a_scheduled_scan_and_one_started_by_hand_do_not_harm_each_other(estate: Estate) -> None:
    together = threading.Barrier(2, timeout=30)
    estate.answering = together.wait
    estate.due()
    scheduled: list[str] = []
    thread = threading.Thread(target=lambda: scheduled.extend(estate.ops.schedule._scheduler.run_due()))
    thread.start()
    made_by_hand = estate.ops.scan()
    thread.join()

    assert scheduled == [INCREMENTAL_SCAN]
    assert not made_by_hand.failures
    told = estate.ops.schedule.status()["tasks"][1]
    assert (told["error"], told["note"]) == ("", "")
    assert len(estate.ops.resources()) == 3
    assert set(estate.ops.resources().cell_state) == {"ok"}
    assert [each.body["status"] for each in estate.ops.storage.journal.records(kind="scan_ended")] == ["completed"] * 2


def test_who_closes_the_client_ends_its_regular_scans_and_the_one_under_way(estate: Estate) -> None:
    ops, begun = estate.ops, threading.Event()

    def answering() -> None:
        begun.set()
        assert ops.schedule._closed.wait(30)

    estate.answering = answering
    estate.due()
    ops.schedule.start()
    assert begun.wait(30)
    ops.close()
    assert "cloudops-scan-schedule" not in {thread.name for thread in threading.enumerate()}
    assert ops.storage.journal.records(kind="scan_ended")[-1].body["status"] == "interrupted"
    assert CellState.RUNNING not in {cell.state for cell in ops.storage.scan_state.cells()}
    assert "the scan was stopped" in ops.schedule.status()["tasks"][1]["error"]

    estate.answering = lambda: None
    ops.schedule._closed.clear()
    estate.clock.now += 30 * MINUTE
    assert ops.schedule._scheduler.run_due() == [INCREMENTAL_SCAN]
    assert len(ops.resources()) == 3
