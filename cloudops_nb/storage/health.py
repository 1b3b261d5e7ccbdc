"""The health of the store, in one look."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cloudops_nb.storage.backup.status import BackupHealth, ScheduleStatus
    from cloudops_nb.storage.engines.vector_store import VectorStore

#: Below this much free disk there is a warning.
LEAST_FREE_BYTES = 1_000_000_000
#: A newest backup that is older than this is a warning.
OLDEST_BACKUP = timedelta(hours=48)


class CollectionHealth(TypedDict):
    """A collection's state, ``ok`` or the error in one line, and its number of points, ``None`` if not known."""

    status: str
    points: int | None


class S3Health(TypedDict):
    """Whether backups go to S3, whether it answers (``None`` if it is not configured), and what is wrong."""

    configured: bool
    reachable: bool | None
    problem: str


class Health(TypedDict):
    """What a look at the store showed.

    ``newest_backup`` is ``None`` where there is none; ``decrypt_failures`` counts since the store was opened.
    """

    reachable: bool
    collections: dict[str, CollectionHealth]
    free_bytes: int
    newest_backup: datetime | None
    s3: S3Health
    schedule: ScheduleStatus
    decrypt_failures: int
    warnings: list[str]


def check_health(
    store: VectorStore,
    data_path: Path,
    backups: Callable[[], BackupHealth],
    *,
    decrypt_failures: int = 0,
    now: datetime | None = None,
) -> Health:
    """Look at every collection, the backups and the disk; an error of the store is reported, not raised.

    Args:
        store: The engine.
        data_path: The store's folder.
        backups: Looks at the backups.
        decrypt_failures: How many envelopes did not open.
        now: The time to compare the backups with.
    """
    collections = {name: _collection(store, name) for name in COLLECTIONS}
    free = shutil.disk_usage(data_path).free
    found, problem = _backups(backups)
    newest = [created for created in found["newest"].values() if created is not None]
    warnings = [
        *_collection_warnings(collections),
        *([problem] if problem else _backup_warnings(found, now or datetime.now(UTC))),
    ]
    if free < LEAST_FREE_BYTES:
        warnings.append(f"only {free // 1_000_000} MB are free on the store's disk")
    if decrypt_failures:
        warnings.append(f"{decrypt_failures} encrypted values did not open")
    return Health(
        reachable=any(health["points"] is not None for health in collections.values()),
        collections=collections,
        free_bytes=free,
        newest_backup=max(newest, default=None),
        s3=S3Health(configured=found["s3_configured"], reachable=found["s3_reachable"], problem=found["s3_problem"]),
        schedule=found["schedule"],
        decrypt_failures=decrypt_failures,
        warnings=warnings,
    )


def _collection(store: VectorStore, name: str) -> CollectionHealth:
    try:
        return CollectionHealth(status="ok", points=store.count(name, EVERY_POINT))
    except StorageError as error:
        return CollectionHealth(status=str(error), points=None)


def _backups(look: Callable[[], BackupHealth]) -> tuple[BackupHealth, str]:
    """Look at the backups; returns what is known, and the error in one line if that is nothing."""
    try:
        return look(), ""
    except StorageError as error:
        schedule: ScheduleStatus = {"running": False, "trouble": str(error), "tasks": []}
        nothing: BackupHealth = {
            "s3_configured": False, "s3_reachable": None, "s3_problem": "", "newest": {}, "schedule": schedule,
        }  # fmt: skip
        return nothing, str(error)


def _collection_warnings(collections: Mapping[str, CollectionHealth]) -> Iterator[str]:
    for name, health in collections.items():
        if health["points"] is None:
            yield f"{name}: {health['status']}"


def _backup_warnings(backups: BackupHealth, now: datetime) -> Iterator[str]:
    newest = backups["newest"]
    if not any(newest.values()):
        yield "there is no backup"
    else:
        for kind, created in newest.items():
            if created is None:
                yield f"there is no backup of {kind}"
            elif now - created > OLDEST_BACKUP:
                yield f"the newest backup of {kind} is {(now - created) // timedelta(hours=1)} hours old"
    if backups["s3_problem"]:
        yield backups["s3_problem"]
    if backups["schedule"]["trouble"]:
        yield f"regular backups do not run: {backups['schedule']['trouble']}"
    yield from (f"{task['task']}: {task['error']}" for task in backups["schedule"]["tasks"] if task["error"])
