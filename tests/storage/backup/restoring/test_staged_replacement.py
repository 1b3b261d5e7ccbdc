"""Restores that fail, or are killed, half-way: the store is as it was, or as it was to be."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import StorageError, StoreUnavailableError
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.opening import usage_lock
from tests.storage.backup.store_contents import change, contents, fill, paths, restored

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from cloudops_nb.settings import Settings

LIMITED = """
import json, resource, signal, sys
from pathlib import Path
from cloudops_nb.settings import Settings
from cloudops_nb.storage.facade import StorageService
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
settings = Settings(data_path=Path(sys.argv[1]), key_file=Path(sys.argv[2]), qdrant_idle_seconds=1)
with StorageService(settings, lambda: None) as storage:
    print(json.dumps(storage.backup.restore("latest", *sys.argv[3:]).problems))
"""
KILLED_BEFORE_THE_HANDOVER = """
import sys
from pathlib import Path
from cloudops_nb.settings import Settings
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.backup.restoring import staged_replacement
def stand_still(*_):
    print("staged", flush=True)
    sys.stdin.readline()
staged_replacement.hand_over = stand_still
settings = Settings(data_path=Path(sys.argv[1]), key_file=Path(sys.argv[2]), qdrant_idle_seconds=1)
StorageService(settings, lambda: None).backup.restore()
"""


def test_a_handover_that_fails_halfway_is_finished_at_the_next_opening(
    filled: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(filled)
    change(filled)

    def failing(*_: Any) -> None:
        raise StorageError("the disk failed")

    with monkeypatch.context() as patch:
        patch.setattr(OwnerClient, "adopt", failing)
        (row,) = restored(filled.backup.restore("latest", "aws_estate"))

    assert (row.outcome, row.note) == ("failed", "the disk failed.")
    assert [hit.resource for hit in filled.estate.resources()] == before["resources"]
    assert filled.scan_state.cells() == before["cells"]


def test_too_little_room_is_said_before_anything_is_written(
    filled: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(filled)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 50}))
    restored, taken = filled.backup.restore("latest", "aws_estate"), filled.backup.snapshot("aws_estate")

    for report in (restored, taken):
        (problem,) = report.problems
        assert "the disk has 0 MB free" in problem
    assert contents(filled) == before
    assert len(paths(filled)) == 3


@pytest.mark.parametrize("kind", ["aws_estate", "chat_history"])
def test_a_disk_that_fills_up_leaves_what_was_there(
    storage: StorageService,
    key_settings: Settings,
    start_python: Callable[..., subprocess.Popen[str]],
    kind: str,
) -> None:
    fill(storage, resources=200)
    for _ in range(200):
        storage.chat.append("long", "user", os.urandom(2000).hex())
    assert storage.backup.snapshot().ok
    change(storage)
    before = contents(storage)
    storage.close()
    kill_owner(key_settings)

    output, _ = start_python(LIMITED, key_settings.data_path, key_settings.key_file, kind).communicate(timeout=120)
    problems = json.loads(output)
    assert len(problems) == 1
    assert "\n" not in problems[0]
    kill_owner(key_settings)
    assert contents(storage) == before


def kill_owner(settings: Settings) -> None:
    endpoint = Endpoint.read(OwnerPaths(settings.data_path).endpoint)
    if endpoint is not None:
        with suppress(ProcessLookupError):
            os.kill(endpoint.pid, signal.SIGKILL)


def test_a_restore_that_is_killed_leaves_what_was_there(
    filled: StorageService, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    change(filled)
    before = contents(filled)
    filled.close()
    process = start_python(KILLED_BEFORE_THE_HANDOVER, key_settings.data_path, key_settings.key_file)
    assert process.stdout is not None
    assert process.stdout.readline() == "staged\n"
    process.kill()
    process.wait()

    assert contents(filled) == before
    assert filled.backup.restore("latest", "aws_estate").ok
    assert not list(key_settings.data_path.glob("*.next*"))
    assert not list(key_settings.data_path.glob("qdrant/*.staged"))


def test_a_restore_does_not_wait_for_other_programs_with_the_store_open(
    filled: StorageService, key_settings: Settings, embedder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_lock, "ALONE_SECONDS", 0.1)
    with StorageService(key_settings, lambda: embedder) as other:
        before = contents(other)
        with pytest.raises(StoreUnavailableError, match="the store is in use"):
            filled.backup.restore()
        assert contents(other) == before


def test_rows_that_are_lost_on_the_way_are_noticed(filled: StorageService, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(filled)
    upsert = OwnerClient.upsert
    with monkeypatch.context() as patch:
        patch.setattr(OwnerClient, "upsert", lambda self, name, points: upsert(self, name, points[1:]))
        (row,) = restored(filled.backup.restore("latest", "aws_estate"))

    assert row.outcome == "failed"
    assert "only 4 of 5 rows are in the store" in row.note
    assert contents(filled) == before
    assert not list(filled.vault.data_path.glob("qdrant/*.staged"))
