"""What the commands print shows hostile characters, and no terminal makes them fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cloudops_nb.cli.render import print_frame, print_health

ROOT = Path(__file__).parents[2]
HOSTILE = "web\u202e1\u200b\nrunning \x1b[2J"
SHOWN = "web⟨U+202E⟩1⟨U+200B⟩⟨U+000A⟩running ⟨U+001B⟩[2J"


@pytest.mark.fast
def test_a_table_shows_hidden_characters_and_keeps_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"name": [HOSTILE, "plain"], "why": [["x\u202e"], None], "score": [1.0, 0.5]})
    print_frame(frame)
    printed = capsys.readouterr().out
    assert SHOWN[:40] in printed
    assert len(printed.splitlines()) == 3
    assert frame["name"][0] == HOSTILE


@pytest.mark.fast
def test_the_status_shows_hidden_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_health({"warnings": [HOSTILE], "name": HOSTILE})
    assert capsys.readouterr().out.splitlines() == ["warnings:", f"  {SHOWN}", f"name: {SHOWN}"]


def test_a_terminal_that_is_not_utf_8_shows_what_it_can() -> None:
    program = "import sys; sys.argv = ['cloudops-nb', 'search', 'x']; from cloudops_nb.cli import run; run()"
    variables = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1", "CLOUDOPS_DATA_PATH": "/nowhere/→"}
    command, environment = [sys.executable, "-c", program], {**os.environ, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
    assert done.returncode == 1
    assert b"there is no store in /nowhere/\\u2192" in done.stderr
    assert b"Traceback" not in done.stderr
