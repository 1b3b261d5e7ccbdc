"""Progress and runs on every kind of screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.notebook.progress_display import ProgressDisplay, duration_text, shown_progress
from cloudops_nb.notebook.run_display import RunDisplay, follow
from cloudops_nb.presentation.mime_types import HTML, PLAIN
from tests.notebook.fake_cloudops import FakeExecution, progress_of
from tests.sample_plans import stop_database

if TYPE_CHECKING:
    from tests.notebook.conftest import ShownScreen

pytestmark = pytest.mark.fast


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_front_end_gets_at_most_four_updates_a_second_in_one_display(screen: ShownScreen) -> None:
    clock = Clock()
    display = ProgressDisplay(screen, "Scan", clock=clock)
    for done in range(1000):
        clock.now = done / 100
        display(progress_of(done, 1000))
    assert len(screen.bundles) <= 4 * 10
    assert len(screen.displays) == 1
    assert [update for _, _, update in screen.bundles] == [False] + [True] * (len(screen.bundles) - 1)


def test_a_plain_stream_gets_one_line_in_ten_seconds(screen: ShownScreen) -> None:
    screen.rich = False
    clock = Clock()
    display = ProgressDisplay(screen, "Scan", clock=clock)
    for done in range(60):
        clock.now = float(done)
        display(progress_of(done, 60))
    assert len(screen.lines) == 6
    assert screen.lines[:2] == [
        "Scan: 0 of 60 cells, 0 resources, 0 calls, 0.0 cells/s · staging/eu-west-1/rds_instance",
        "Scan: 10 of 60 cells, 0 resources, 0 calls, 2.5 cells/s, 20 s left · staging/eu-west-1/rds_instance",
    ]


def test_a_terminal_rewrites_one_line(screen: ShownScreen, capsys: pytest.CaptureFixture[str]) -> None:
    screen.rich, screen.terminal = False, True
    with shown_progress(screen, "Scan") as display:
        display(progress_of(1, 2))
        display(progress_of(2, 2))
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.split("\r")[-1].startswith("Scan done: 2 of 2 cells")


def test_an_interrupted_call_says_how_far_it_came(screen: ShownScreen) -> None:
    def scan() -> None:
        with shown_progress(screen, "Scan") as display:
            display(progress_of(1, 4, resources=7))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan()
    (bundle,) = screen.displays.values()
    assert bundle[PLAIN].startswith("Scan interrupted: 1 of 4 cells, 7 resources")


def test_a_call_that_never_began_shows_nothing(screen: ShownScreen) -> None:
    with pytest.raises(OSError, match="gone"), shown_progress(screen, "Scan"):
        raise OSError("gone")
    assert not screen.bundles


def test_a_hostile_cell_name_is_inert(screen: ShownScreen) -> None:
    ProgressDisplay(screen, "Scan", clock=Clock())(progress_of(1, 2, current="<img src=x>\u202e"))
    (bundle,) = screen.displays.values()
    assert "<img" not in bundle[HTML]
    assert "\u202e" not in bundle[PLAIN]


@pytest.mark.parametrize(("seconds", "words"), [(0.42, "0.4 s"), (12.4, "12 s"), (200, "3 min 20 s")])
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words


def test_a_run_is_one_display_that_ends_with_its_outcome(screen: ShownScreen) -> None:
    clock = Clock()
    execution = FakeExecution(stop_database())
    follow(execution, RunDisplay(screen, execution, clock=clock))
    assert len(screen.displays) == 1
    assert len(screen.bundles) == 2  # the first event and the end: the clock stood still
    (bundle,) = screen.displays.values()
    assert "co-status" in bundle[HTML]
    assert bundle[PLAIN].startswith("completed")


def test_a_run_without_a_front_end_is_a_line_an_event(screen: ShownScreen) -> None:
    screen.rich = False
    execution = FakeExecution(stop_database())
    follow(execution, RunDisplay(screen, execution, clock=Clock()))
    assert sum("step completed" in line for line in screen.lines) == 3
    assert screen.lines[-1].startswith("completed: Stop RDS instance")
