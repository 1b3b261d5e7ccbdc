"""The health of a store: what is wrong becomes a warning, and nothing is raised."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import BackupError, StorageError
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.health import Health, check_health

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.storage.backup.backup_report import BackupHealth
    from cloudops_nb.storage.engines.vector_store import PointFilter

pytestmark = pytest.mark.fast

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Store(OwnerClient):
    """An engine with seven points in one collection, and another that is damaged."""

    def __init__(self) -> None:
        """Start no owner process."""

    def count(self, collection: str, where: PointFilter, *, seconds: float | None = None) -> int:
        if collection == "aws_estate":
            raise StorageError("aws_estate cannot be opened", "it is damaged")
        return 7


def backups(hours: float = 1, **changes: Any) -> BackupHealth:
    made = NOW - timedelta(hours=hours)
    found: BackupHealth = {
        "s3_configured": True,
        "s3_reachable": True,
        "s3_problem": "",
        "newest": {"journal": made, "aws_estate": made, "chat_history": made},
        "schedule": {"running": True, "trouble": "", "tasks": []},
    }
    changed: Any = changes
    found.update(changed)
    return found


def look(path: Path, found: Any = None, **options: Any) -> Health:
    return check_health(Store, path, lambda: found or backups(), now=NOW, **options)


def test_each_collection_tells_its_points_or_what_is_wrong(tmp_path: Path) -> None:
    health = look(tmp_path)

    assert health["reachable"]
    assert health["collections"] == {
        "chat_history": {"status": "ok", "points": 7},
        "aws_estate": {"status": "aws_estate cannot be opened: it is damaged.", "points": None},
    }
    assert health["warnings"] == ["aws_estate: aws_estate cannot be opened: it is damaged."]
    assert health["newest_backup"] == NOW - timedelta(hours=1)


@pytest.mark.parametrize(("hours", "old"), [(47.9, False), (48.1, True)])
def test_a_backup_of_more_than_two_days_is_a_warning(tmp_path: Path, hours: float, old: bool) -> None:
    warnings = look(tmp_path, backups(hours))["warnings"]

    assert ("the newest backup of journal is 48 hours old" in warnings) is old


def test_every_trouble_with_backups_is_a_warning(tmp_path: Path) -> None:
    task = {"task": "journal", "every_hours": 6.0, "due": NOW, "last": NOW, "error": "it failed", "note": ""}
    schedule = {"running": True, "trouble": "the store is locked", "tasks": [task]}
    warnings = look(tmp_path, backups(s3_reachable=False, s3_problem="S3 does not answer", schedule=schedule))[
        "warnings"
    ]

    assert warnings[1:] == [
        "S3 does not answer", "regular backups do not run: the store is locked", "journal: it failed",
    ]  # fmt: skip


def test_backups_that_cannot_be_looked_at_are_a_warning(tmp_path: Path) -> None:
    def failing() -> BackupHealth:
        raise BackupError("the snapshots cannot be listed", "Permission denied")

    health = check_health(Store, tmp_path, failing, now=NOW)
    assert health["warnings"][1:] == ["the snapshots cannot be listed: Permission denied."]
    assert health["newest_backup"] is None


def test_little_room_and_values_that_do_not_open_are_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 999_000_000}))
    health = look(tmp_path, decrypt_failures=lambda: 3)

    assert health["free_bytes"] == 999_000_000
    assert health["decrypt_failures"] == 3
    _, room, failures = health["warnings"]
    assert room == "only 999 MB are free on the store's disk"
    assert failures.startswith("3 decryptions failed since the store was opened: ")
