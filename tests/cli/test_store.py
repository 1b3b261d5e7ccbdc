"""``cloudops-nb backup``, as a person types it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from cloudops_nb.cli.store import backup
from cloudops_nb.settings import load_settings
from cloudops_nb.storage.facade import StorageService
from tests.embedders import no_embedder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run one command of the group on a store of its own that has a journal of two records."""
    monkeypatch.setenv("CLOUDOPS_DATA_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("CLOUDOPS_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("CLOUDOPS_QDRANT_IDLE_SECONDS", "1")
    with StorageService(load_settings(), no_embedder) as storage:
        for number in range(2):
            storage.journal.append("scan", str(number), {})

    def run_one(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(backup, words, obj=None, **options)

    return run_one


def test_snapshots_are_taken_listed_and_restored(run: Callable[..., Result]) -> None:
    taken = run("now", "journal")
    assert taken.exit_code == 0, taken.output
    name = taken.output.split()[1]
    assert taken.output.startswith(f"journal: {name} on this disk, 2 rows")
    assert name in run("list").output

    restored = run("restore", name, "--yes")
    assert restored.exit_code == 0, restored.output
    assert restored.output.startswith(f"journal: kept from {name}")
    assert run("restore", "--kind", "journal", "--yes", "--merge").output == restored.output


def test_a_restore_asks_first(run: Callable[..., Result]) -> None:
    run("now", "journal")
    refused = run("restore", input="n\n")

    assert refused.exit_code == 1
    assert "Replace the store's content with the snapshots?" in refused.output


def test_a_failure_is_one_line_and_exit_code_1(run: Callable[..., Result], tmp_path: Path) -> None:
    run("now", "journal")
    (path,) = (tmp_path / "store" / "snapshots" / "journal").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    failed = run("restore", str(path), "--yes")

    assert failed.exit_code == 1
    assert "its checksum does not match" in failed.output


def test_nothing_to_list_is_said(run: Callable[..., Result]) -> None:
    assert run("list").output == "(nothing)\n"


def test_the_status_names_every_task(run: Callable[..., Result]) -> None:
    output = run("status").output

    for task in ("journal", "aws_estate", "chat_history", "chat_retention"):
        assert task in output


def test_an_unknown_kind_is_a_mistake_of_the_command_line(run: Callable[..., Result]) -> None:
    assert run("now", "everything").exit_code == 2
