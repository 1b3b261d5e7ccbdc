"""Up, status, down: one server a folder, found again by every process, and never mistaken for a dead one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloudops_nb import demo as simulation
from cloudops_nb.errors import ConfigurationError
from tests.demo.inventory import inventory

if TYPE_CHECKING:
    from cloudops_nb.demo import Demo

ROOT = Path(__file__).parents[2]
UP = "import sys, json; from cloudops_nb import demo; d = demo.up(sys.argv[1]); print(json.dumps([d.endpoint, d.seed]))"


def test_a_running_demo_is_found_again(running: Demo) -> None:
    again = simulation.up(running.path)
    found = simulation.status(running.path)

    assert again.endpoint == running.endpoint
    assert (found.state, found.endpoint, found.seed) == ("running", running.endpoint, running.seed)
    assert simulation.find(running.path).accounts == running.accounts


@pytest.mark.parametrize("options", [{"seed": 7}, {"transition_seconds": 0.25}])
def test_a_demo_with_other_options_is_not_taken_over(running: Demo, options: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="other options"):
        simulation.up(running.path, **options)


def test_a_folder_without_a_demo_is_down(tmp_path: Path) -> None:
    assert simulation.status(tmp_path / "none").state == "down"
    assert not simulation.down(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(ConfigurationError, match="no demo runs"):
        simulation.find(tmp_path / "none")


def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    (tmp_path / "broken" / "werkzeug").mkdir(parents=True)
    (tmp_path / "broken" / "werkzeug" / "__init__.py").write_text("raise RuntimeError('no werkzeug today')")

    with pytest.raises(ConfigurationError, match="no werkzeug today"):
        simulation.up(tmp_path / "home")

    assert simulation.status(tmp_path / "home").state == "down"


def test_two_at_once_get_one_server_which_survives_them_and_a_killed_one_is_replaced(
    running: Demo, tmp_path: Path, restored_environ: None
) -> None:
    home = tmp_path / "home"
    starters = [
        subprocess.Popen([sys.executable, "-c", UP, str(home)], cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)
    ]
    answers = [json.loads(starter.communicate()[0]) for starter in starters]
    first = simulation.status(home)
    try:
        assert answers[0] == answers[1]
        assert (first.state, first.endpoint) == ("running", answers[0][0])
        same_seed = _seen(simulation.find(home))

        os.kill(first.pid, signal.SIGKILL)
        _wait_until_down(home)
        with pytest.raises(ConfigurationError, match="no demo runs"):
            simulation.find(home)

        other_seed = _seen(simulation.up(home, seed=7, transition_seconds=0))
        assert simulation.status(home).pid != first.pid
    finally:
        assert simulation.down(home)

    assert simulation.status(home).state == "down"
    assert not (home / "aws-config").exists()
    assert same_seed == _seen(running)
    _assert_same_names_other_ids(same_seed, other_seed)


def _seen(demo: Demo) -> list[tuple[str, ...]]:
    """Return a demo's inventory: without states and nameless machines, which other tests change."""
    demo.apply(os.environ)
    return [row[:5] for row in inventory(demo) if row.name or row.kind not in {"instance", "volume"}]


def _wait_until_down(home: Path) -> None:
    deadline = time.monotonic() + 60
    while simulation.status(home).state != "down":
        assert time.monotonic() < deadline


def _assert_same_names_other_ids(one: list[tuple[str, ...]], other: list[tuple[str, ...]]) -> None:
    def column(rows: list[tuple[str, ...]], kind: str, index: int) -> set[str]:
        return {row[index] for row in rows if row[0] == kind}

    for kind in ("instance", "vpc", "function"):
        assert column(one, kind, 4) == column(other, kind, 4)
    assert not column(one, "vpc", 3) & column(other, "vpc", 3)
