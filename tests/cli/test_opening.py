"""What the command line does without a store, without streams, and in places where nothing can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import cloudops_nb
from cloudops_nb.cli.main import main

COMMANDS = (
    "status", "history", "ledger", "search words", "depends name", "may name", "ask words", "prepare name", "apply p",
    "approve p --reason r", "reject p", "accept-clock --reason r", "rollback e",
    "backup now", "backup list", "backup status", "forget-account 123456789012 --yes",
    "forget-unscanned --yes", "move --to embedded",
    "key show", "key export file", "key rotate", "key rekey --yes", "key remove 00 --yes",
)  # fmt: skip


@pytest.fixture(autouse=True)
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDOPS_KEY_FILE", str(tmp_path / "config" / "key"))
    return tmp_path / "config" / "key"


#: Commands that make a store, or need none.
OTHERS = {"scan", "demo", "iam-policy", "types", "playbook"}


def test_every_command_that_needs_a_store_is_tried_without_one() -> None:
    tried = {command.split()[0] for command in COMMANDS}
    assert tried == set(main.commands) - OTHERS, "add the new command to COMMANDS, or to OTHERS if it needs no store"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_a_store_is_one_line_and_makes_nothing(command: str, tmp_path: Path, key_file: Path) -> None:
    result = CliRunner().invoke(main, ["--data-path", str(tmp_path / "nothing"), *command.split()])

    assert result.exit_code == 1
    assert f"there is no store in {tmp_path / 'nothing'}" in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "nothing").exists()
    assert not key_file.parent.exists()


def shell(line: str, path: Path) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -c 'from cloudops_nb.cli import run; run()' --data-path {path}"
    environment = {**os.environ, "PYTHONPATH": str(Path(cloudops_nb.__file__).parents[1])}
    return subprocess.run(
        ["/bin/sh", "-c", f"{program} {line}"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("backup restore <&-", "\n"),
        ("--help >/dev/full", ""),
        ("status >/dev/full", "there is no store"),
    ],
)
def test_streams_that_are_closed_or_full_are_no_traceback(line: str, said: str, tmp_path: Path) -> None:
    done = shell(line, tmp_path / "nothing")

    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
