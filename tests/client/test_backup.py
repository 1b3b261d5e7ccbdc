"""Backup and restore through the front door: objects that were returned before still work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb import CloudOps
from cloudops_nb.errors import BackupError, StoreUnavailableError
from tests.storage.conftest import ended_owners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ops(tmp_path: Path) -> Iterator[CloudOps]:
    with ended_owners(tmp_path), CloudOps(tmp_path / "store", key_file=tmp_path / "encryption.key") as ops:
        yield ops


def said(ops: CloudOps) -> list[str]:
    return [message.content for message in ops.storage.chat.history("talk")]


@pytest.mark.parametrize("door", ["ops", "ops.backups"])
def test_a_restore_brings_back_the_snapshot_and_ops_still_works(ops: CloudOps, door: str) -> None:
    ops.storage.chat.append("talk", "user", "before")
    assert ops.backup().ok
    ops.storage.chat.append("talk", "user", "after")
    restored = (ops if door == "ops" else ops.backups).restore("latest", "chat_history")
    assert restored.ok
    assert said(ops) == ["before"]
    assert ops.history().empty
    assert ops.ledger().empty
    assert ops.preview("list all databases") == b""


def test_nothing_is_restored_while_an_approved_plan_runs(ops: CloudOps, monkeypatch) -> None:
    ops.storage.chat.append("talk", "user", "before")
    assert ops.backup("chat_history").ok
    monkeypatch.setattr(type(ops.engine), "running", ("an execution",))
    for restore in (ops.restore, ops.backups.restore):
        with pytest.raises(StoreUnavailableError, match="an approved plan is running here"):
            restore("latest", "chat_history")
    monkeypatch.undo()
    assert said(ops) == ["before"]


def test_the_journal_of_a_closed_client_takes_no_record(ops: CloudOps) -> None:
    journal = ops.storage.journal
    ops.close()
    with pytest.raises(StoreUnavailableError, match="was closed"):
        journal.append("note", "", {})


def test_an_unknown_snapshot_is_one_clear_line(ops: CloudOps) -> None:
    with pytest.raises(BackupError, match="there is no snapshot"):
        ops.restore("aws_estate_2020-01-01T00-00-00.snapshot")
