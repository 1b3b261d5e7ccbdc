"""Regular tasks: each due run is made once, by one of all kernels, whatever the clock does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.schedule import scheduler as module
from cloudops_nb.storage.schedule.due_times import LEASE_SECONDS, RETRY_SECONDS, Schedule, TaskState
from cloudops_nb.storage.schedule.scheduler import ScheduledTask, Scheduler
from tests.embedders import no_embedder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.settings import Settings

pytestmark = pytest.mark.fast
HOUR = 3600.0


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(key_settings: Settings) -> Iterator[StorageService]:
    """A store of which only the journal's file is used."""
    with StorageService(key_settings, no_embedder) as service:
        yield service


@pytest.fixture
def schedule(storage: StorageService, clock: Clock) -> Schedule:
    return Schedule(storage, clock)


def scheduler_of(schedule: Schedule, run: Callable[[], object], every: float = HOUR) -> Scheduler:
    def task() -> str:
        run()
        return ""

    return Scheduler(schedule, {"task": ScheduledTask(every, task)}, lambda: True)


def state_of(schedule: Schedule) -> TaskState:
    state = schedule.state("task")
    assert state
    return state


def test_a_new_task_is_due_after_one_interval_and_then_again(schedule: Schedule, clock: Clock) -> None:
    runs: list[float] = []
    scheduler = scheduler_of(schedule, lambda: runs.append(clock.now))
    began = clock.now
    for minutes in range(0, 200, 10):
        clock.now = began + 60 * minutes
        scheduler.run_due()

    assert runs == [began + HOUR, began + 2 * HOUR, began + 3 * HOUR]


def test_missed_runs_are_made_up_for_once(schedule: Schedule, clock: Clock) -> None:
    runs: list[float] = []
    scheduler = scheduler_of(schedule, lambda: runs.append(clock.now))
    assert scheduler.run_due() == []
    clock.now += 100 * HOUR

    assert scheduler.run_due() == ["task"]
    assert scheduler.run_due() == []
    assert len(runs) == 1
    assert state_of(schedule).due == clock.now + HOUR


def test_two_kernels_that_see_a_due_run_at_once_make_it_once(
    schedule: Schedule, key_settings: Settings, clock: Clock, storage: StorageService
) -> None:
    together = threading.Barrier(2)

    class Racing(Schedule):
        def state(self, task: str) -> TaskState | None:
            found = super().state(task)
            together.wait(30)
            return found

    schedule.claim("task", HOUR)
    clock.now += 2 * HOUR
    runs: list[str] = []
    with StorageService(key_settings, no_embedder) as other:
        racers = [scheduler_of(Racing(one, clock), lambda: runs.append("run")) for one in (storage, other)]
        threads = [threading.Thread(target=racer.run_due) for racer in racers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert runs == ["run"]


def test_a_run_in_progress_is_left_alone_until_its_kernel_counts_as_dead(schedule: Schedule, clock: Clock) -> None:
    schedule.claim("task", HOUR)
    clock.now += 2 * HOUR
    first = schedule.claim("task", HOUR)
    assert first
    clock.now += LEASE_SECONDS - 1
    assert schedule.claim("task", HOUR) == ""

    clock.now += 2
    second = schedule.claim("task", HOUR)
    assert second
    schedule.finish("task", first, HOUR, "the dead one reports")
    assert state_of(schedule).error == ""
    schedule.finish("task", second, HOUR)
    assert state_of(schedule).due == clock.now + HOUR


@pytest.mark.parametrize("back", [HOUR, 1000 * HOUR])
def test_a_clock_that_was_put_back_delays_by_one_interval_at_most(
    schedule: Schedule, clock: Clock, back: float
) -> None:
    schedule.claim("task", HOUR)
    clock.now -= back
    assert schedule.claim("task", HOUR) == ""
    clock.now += HOUR

    assert schedule.claim("task", HOUR)


def test_a_run_that_seems_to_be_in_the_future_blocks_no_run(schedule: Schedule, clock: Clock) -> None:
    schedule.claim("task", HOUR)
    clock.now += HOUR
    assert schedule.claim("task", HOUR)
    clock.now -= 1000 * HOUR
    schedule.claim("task", HOUR)
    clock.now += HOUR

    assert schedule.claim("task", HOUR)


def test_a_shorter_interval_counts_at_once(schedule: Schedule, clock: Clock) -> None:
    schedule.claim("task", 24 * HOUR)
    assert schedule.claim("task", HOUR) == ""

    assert state_of(schedule).due == clock.now + HOUR


def test_a_failure_is_recorded_and_tried_again_sooner(schedule: Schedule, clock: Clock) -> None:
    problems = [StorageError("the bucket is gone", "it was deleted"), ValueError("arn:aws:s3:::secret"), None]

    def run() -> None:
        if problem := problems.pop(0):
            raise problem

    scheduler = scheduler_of(schedule, run)
    scheduler.run_due()
    errors = []
    clock.now += HOUR
    for _ in range(3):
        assert scheduler.run_due() == ["task"]
        errors.append(state_of(schedule).error)
        clock.now += RETRY_SECONDS

    assert errors == ["the bucket is gone: it was deleted.", "ValueError", ""]
    assert scheduler.run_due() == []


def test_the_state_is_encrypted_and_an_altered_state_starts_again(
    schedule: Schedule, storage: StorageService, clock: Clock
) -> None:
    schedule.claim("task", HOUR)
    with storage.journal.database.writing() as connection:
        (sealed,) = connection.execute("SELECT envelope FROM schedule").fetchone()
        connection.execute("UPDATE schedule SET envelope = ?", (sealed[:-1] + b"\x00",))

    assert b"due" not in sealed
    assert schedule.state("task") is None
    clock.now += 2 * HOUR
    assert schedule.claim("task", HOUR) == ""
    assert state_of(schedule).due == clock.now + HOUR


def test_nothing_is_done_or_made_where_there_is_no_store(key_settings: Settings) -> None:
    service = StorageService(key_settings, no_embedder)
    assert service.backup._scheduler.run_due() == []
    assert [task["due"] for task in service.backup.status()["tasks"]] == [None] * 4

    assert not key_settings.data_path.exists()


def test_the_thread_makes_due_runs_until_it_is_stopped(
    schedule: Schedule, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    ran = threading.Event()
    schedule.claim("task", HOUR)
    clock.now += HOUR
    scheduler = scheduler_of(schedule, ran.set)
    assert not scheduler.running
    scheduler.start()
    scheduler.start()

    assert ran.wait(30)
    assert scheduler.running
    scheduler.stop()
    assert not scheduler.running
    ran.clear()
    clock.now += 10 * HOUR
    scheduler.stop()
    assert not ran.is_set()


def test_the_thread_outlives_a_schedule_that_cannot_be_read(
    schedule: Schedule, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    failed, ran = threading.Event(), threading.Event()
    claim = schedule.claim

    def failing(task: str, every: float) -> str:
        if not failed.is_set():
            failed.set()
            raise StorageError("the store is locked")
        return claim(task, every)

    schedule.claim("task", HOUR)
    clock.now += HOUR
    monkeypatch.setattr(schedule, "claim", failing)
    scheduler = scheduler_of(schedule, ran.set)
    scheduler.start()

    assert failed.wait(30)
    assert ran.wait(30)
    scheduler.stop()
    assert scheduler.trouble == ""


def test_no_tasks_need_no_thread(schedule: Schedule) -> None:
    scheduler = Scheduler(schedule, {}, lambda: True)
    scheduler.start()

    assert not scheduler.running
