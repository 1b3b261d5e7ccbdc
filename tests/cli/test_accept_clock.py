"""``cloudops-nb accept-clock``, as a person types it in a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.settings import load_settings
from cloudops_nb.storage.facade import StorageService
from tests.embedders import no_embedder

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from cloudops_nb.cli import run; run()", "accept-clock", "--reason", "NTP was wrong"]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Add a record to the journal of a store of its own, at a time from now."""
    monkeypatch.setenv("CLOUDOPS_DATA_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("CLOUDOPS_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("CLOUDOPS_QDRANT_IDLE_SECONDS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def add(ahead: timedelta) -> None:
        with StorageService(load_settings(), no_embedder) as storage:
            storage.journal._clock = lambda: datetime.now(UTC) + ahead
            storage.journal.append("scan", "s1", {})

    return add


def in_terminal(answer: str) -> str:
    """Run the command with a terminal as its input, type an answer, and return what it printed."""
    controller, terminal = os.openpty()
    try:
        process = subprocess.Popen(COMMAND, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        os.write(controller, f"{answer}\n".encode())
        return process.communicate(timeout=120)[0]
    finally:
        os.close(controller)
        os.close(terminal)


def latest_kind() -> str:
    with StorageService(load_settings(), no_embedder) as storage:
        return storage.journal.records(limit=1)[0].kind


def test_a_person_at_a_terminal_accepts_the_clock(record: Callable[[timedelta], None]) -> None:
    record(timedelta(hours=3))
    output = in_terminal("accept")
    assert "The journal's latest record:" in output
    assert "Accepted, and recorded in the journal." in output
    with StorageService(load_settings(), no_embedder) as storage:
        (accepted,) = storage.journal.records(kind="clock_accepted")
        latest = storage.journal.latest_time()
    assert accepted.body["reason"] == "NTP was wrong"
    assert latest == accepted.at < datetime.now(UTC)


def test_another_answer_or_no_terminal_accepts_nothing(record: Callable[[timedelta], None]) -> None:
    record(timedelta(hours=3))
    assert "nothing was recorded" in in_terminal("yes")
    piped = subprocess.run(COMMAND, input="accept\n", capture_output=True, text=True, check=False, timeout=120)
    assert piped.returncode == 1
    assert "interactive terminal" in piped.stderr
    assert latest_kind() == "scan"


def test_a_clock_that_is_not_behind_needs_no_acceptance(record: Callable[[timedelta], None]) -> None:
    record(timedelta(0))
    assert "nothing to accept" in in_terminal("accept")
    assert latest_kind() == "scan"
