"""The health of the store, in one look."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from cloudops_nb.errors import CloudOpsError, StoreUnavailableError
from cloudops_nb.storage.deadline import LOOK_SECONDS, within
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cloudops_nb.storage.backup.backup_report import BackupHealth
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.schedule.status import ScheduleStatus

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
    store: Callable[[], VectorStore],
    data_path: Path,
    backups: Callable[[], BackupHealth],
    *,
    decrypt_failures: Callable[[], int] = lambda: 0,
    remote: bool = False,
    now: datetime | None = None,
) -> Health:
    """Look at every collection, the backups and the disk; whatever is wrong is reported, not raised.

    Args:
        store: Returns the engine.
        data_path: The store's folder.
        backups: Looks at the backups.
        decrypt_failures: Returns how many envelopes did not open.
        remote: Whether the engine is a server, which is not waited for long.
        now: The time to compare the backups with.
    """
    collections = _collections(store, remote=remote)
    free = _free_bytes(data_path)
    found, problem = _backups(backups)
    failures = _count(decrypt_failures)
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


def _collections(store: Callable[[], VectorStore], *, remote: bool) -> dict[str, CollectionHealth]:
    """Look at each collection; an engine that does not answer for one is not asked for the next."""
    found: dict[str, CollectionHealth] = {}
    unreachable = ""
    for name in COLLECTIONS:
        try:
            points = None if unreachable else _points(store, name, remote=remote)
            found[name] = CollectionHealth(status=unreachable or "ok", points=points)
        except Exception as error:  # noqa: BLE001 - recorded: whoever asks how things are wants an answer
            unreachable = _line(error) if isinstance(error, StoreUnavailableError) else ""
            found[name] = CollectionHealth(status=_line(error), points=None)
    return found


def _points(store: Callable[[], VectorStore], name: str, *, remote: bool) -> int:
    def look() -> int:
        return store().count(name, EVERY_POINT, seconds=LOOK_SECONDS)

    points = within(LOOK_SECONDS, look, None) if remote else look()
    if points is None:
        why = f"the Qdrant server does not answer within {LOOK_SECONDS:.0f} seconds"
        raise StoreUnavailableError(f"{name} cannot be counted", why, "Is it running, and the address right?")
    return points


def _count(failures: Callable[[], int]) -> int:
    try:
        return failures()
    except CloudOpsError:  # a store that does not open is reported by its collections
        return 0


def _free_bytes(data_path: Path) -> int:
    try:
        return shutil.disk_usage(data_path).free
    except OSError:  # a store that cannot be reached has no room
        return 0


def _line(error: Exception) -> str:
    # Whoever else raises may quote what nobody should read here.
    return str(error) if isinstance(error, CloudOpsError) else type(error).__name__


def _backups(look: Callable[[], BackupHealth]) -> tuple[BackupHealth, str]:
    """Look at the backups; returns what is known, and the error in one line if that is nothing."""
    try:
        return look(), ""
    except Exception as error:  # noqa: BLE001 - recorded: whoever asks how things are wants an answer
        schedule: ScheduleStatus = {"running": False, "trouble": _line(error), "tasks": []}
        nothing: BackupHealth = {
            "s3_configured": False, "s3_reachable": None, "s3_problem": "", "newest": {}, "schedule": schedule,
        }  # fmt: skip
        return nothing, _line(error)


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
