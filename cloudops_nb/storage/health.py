"""The health check of the store: collections, backups, free disk, failed decryptions."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from cloudops_nb.errors import CloudOpsError, StoreUnavailableError
from cloudops_nb.storage.deadline import LOOK_SECONDS, within
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.schedule.scheduler import error_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cloudops_nb.storage.backup.backup_report import BackupHealth
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.schedule.schedule_status import ScheduleStatus

#: Less free disk than this is a warning.
LEAST_FREE_BYTES = 1_000_000_000
#: An older newest backup is a warning.
OLDEST_BACKUP = timedelta(hours=48)


class CollectionHealth(TypedDict):
    """A collection's status, ``ok`` or the error in one line, and its number of points, ``None`` if unknown."""

    status: str
    points: int | None


class S3Health(TypedDict):
    """Whether backups to S3 are configured, whether S3 answers (``None`` if not configured), and the problem."""

    configured: bool
    reachable: bool | None
    problem: str


class Health(TypedDict):
    """The result of a health check.

    ``newest_backup`` is ``None`` if there is no backup; ``decrypt_failures`` counts from the opening of the store.
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
    store: Callable[[], VectorStore],
    data_path: Path,
    backups: Callable[[], BackupHealth],
    *,
    decrypt_failures: Callable[[], int] = lambda: 0,
    remote: bool = False,
    now: datetime | None = None,
) -> Health:
    """Check every collection, the backups and the disk; problems are reported, not raised.

    Args:
        store: Returns the engine.
        data_path: The store's folder.
        backups: Checks the backups.
        decrypt_failures: Returns the number of envelopes that failed to decrypt.
        remote: Whether the engine is a server, for which the wait is limited.
        now: The time to compare the backups' ages with.
    """
    collections = _check_collections(store, remote=remote)
    free = _free_bytes(data_path)
    found, problem = _check_backups(backups)
    failures = _failure_count(decrypt_failures)
    newest = [created for created in found["newest"].values() if created is not None]
    warnings = [
        *_collection_warnings(collections),
        *([problem] if problem else _backup_warnings(found, now or datetime.now(UTC))),
    ]
    if free < LEAST_FREE_BYTES:
        warnings.append(f"only {free // 1_000_000} MB are free on the store's disk")
    if failures:
        warnings.append(f"{failures} encrypted values did not open")
    return Health(
        reachable=any(health["points"] is not None for health in collections.values()),
        collections=collections,
        free_bytes=free,
        newest_backup=max(newest, default=None),
        s3=S3Health(configured=found["s3_configured"], reachable=found["s3_reachable"], problem=found["s3_problem"]),
        schedule=found["schedule"],
        decrypt_failures=failures,
        warnings=warnings,
    )


def _check_collections(store: Callable[[], VectorStore], *, remote: bool) -> dict[str, CollectionHealth]:
    """Check each collection; after the engine did not answer once, it is not asked again."""
    found: dict[str, CollectionHealth] = {}
    unreachable = ""
    for name in COLLECTIONS:
        try:
            points = None if unreachable else _count_points(store, name, remote=remote)
            found[name] = CollectionHealth(status=unreachable or "ok", points=points)
        except Exception as error:  # noqa: BLE001 - reported: a health check always returns an answer
            unreachable = error_line(error) if isinstance(error, StoreUnavailableError) else ""
            found[name] = CollectionHealth(status=error_line(error), points=None)
    return found


def _count_points(store: Callable[[], VectorStore], name: str, *, remote: bool) -> int:
    def look() -> int:
        return store().count(name, EVERY_POINT, seconds=LOOK_SECONDS)

    points = within(LOOK_SECONDS, look, None) if remote else look()
    if points is None:
        why = f"the Qdrant server does not answer within {LOOK_SECONDS:.0f} seconds"
        raise StoreUnavailableError(f"{name} cannot be counted", why, "Is it running, and the address right?")
    return points


def _failure_count(failures: Callable[[], int]) -> int:
    try:
        return failures()
    except CloudOpsError:  # the status of the collections reports a store that does not open
        return 0


def _free_bytes(data_path: Path) -> int:
    try:
        return shutil.disk_usage(data_path).free
    except OSError:  # a folder that cannot be read counts as full
        return 0


def _check_backups(look: Callable[[], BackupHealth]) -> tuple[BackupHealth, str]:
    """Check the backups; returns their status, and the error in one line if the check failed."""
    try:
        return look(), ""
    except Exception as error:  # noqa: BLE001 - reported: a health check always returns an answer
        schedule: ScheduleStatus = {"running": False, "trouble": error_line(error), "tasks": []}
        nothing: BackupHealth = {
            "s3_configured": False, "s3_reachable": None, "s3_problem": "", "newest": {}, "schedule": schedule,
        }  # fmt: skip
        return nothing, error_line(error)


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
    for task in backups["schedule"]["tasks"]:
        yield from (f"{task['task']}: {line}" for line in (task["error"], task["note"]) if line)
