"""The health check of the store: collections, backups, free disk space, failed decryptions."""

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
    from cloudops_nb.storage.estate.integrity import IntegrityReport
    from cloudops_nb.storage.schedule.schedule_status import ScheduleStatus

#: The check warns if fewer bytes than this are free on the store's disk.
LEAST_FREE_BYTES = 1_000_000_000
#: The check warns if the newest backup of the estate, the conversations or the journal is older than this.
OLDEST_BACKUP = timedelta(hours=48)
#: How long the check waits for a Qdrant server to send the estate's rows, in seconds.
ESTATE_SECONDS = 30.0


class CollectionHealth(TypedDict):
    """A collection's status (``ok``, or the error in one line) and its number of points (``None`` if unknown)."""

    status: str
    points: int | None


class S3Health(TypedDict):
    """The state of the backups in S3.

    ``configured`` is true if the settings name a bucket. ``reachable`` is true if the store's snapshots in S3 could be
    listed, and ``None`` if no bucket is configured or the check failed. ``problem`` is the error of listing them, or
    empty.
    """

    configured: bool
    reachable: bool | None
    problem: str


class EstateHealth(TypedDict):
    """The numbers of cells by the result of comparing their rows with the scan state.

    The keys are explained in :class:`~cloudops_nb.storage.estate.integrity.IntegrityReport`.
    """

    verified: int
    altered: int
    unfinished: int
    unrecorded: int


class Health(TypedDict):
    """The result of a health check.

    ``estate`` is ``None`` if the estate's rows could not be compared with the scan state. ``reachable`` is true if the
    points of at least one collection could be counted. ``newest_backup`` is ``None`` if there is no backup.
    ``decrypt_failures`` is the number of decryptions that failed since the store was opened.
    """

    reachable: bool
    collections: dict[str, CollectionHealth]
    estate: EstateHealth | None
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
    unreadable_results: Callable[[], int] = lambda: 0,
    integrity: Callable[[], IntegrityReport] | None = None,
    remote: bool = False,
    now: datetime | None = None,
) -> Health:
    """Check every collection, the backups and the free disk space; problems are reported, not raised.

    Args:
        store: Returns the vector store.
        data_path: The store's folder.
        backups: Checks the backups.
        decrypt_failures: Returns the number of failed decryptions.
        unreadable_results: Returns the number of scan results and learned rates that cannot be decrypted.
        integrity: Compares the estate's rows with the scan state; ``None`` to leave this out.
        remote: True if the vector store is a Qdrant server; the time for connecting to the server is then limited, too.
        now: The current time, to compute the age of backups; by default, the system's time.
    """
    collections = _check_collections(store, remote=remote)
    free = _free_bytes(data_path)
    backup, problem = _check_backups(backups)
    failures = _failure_count(decrypt_failures)
    estate, differences = _check_estate(integrity, remote=remote)
    newest = [created for created in backup["newest"].values() if created is not None]
    warnings = [
        *_collection_warnings(collections),
        *differences,
        *([problem] if problem else _backup_warnings(backup, now or datetime.now(UTC))),
    ]
    if free < LEAST_FREE_BYTES:
        warnings.append(f"only {free // 1_000_000} MB are free on the store's disk")
    warnings += _unreadable_warnings(failures, _failure_count(unreadable_results))
    return Health(
        reachable=any(health["points"] is not None for health in collections.values()),
        collections=collections,
        estate=estate,
        free_bytes=free,
        newest_backup=max(newest, default=None),
        s3=S3Health(configured=backup["s3_configured"], reachable=backup["s3_reachable"], problem=backup["s3_problem"]),
        schedule=backup["schedule"],
        decrypt_failures=failures,
        warnings=warnings,
    )


def _unreadable_warnings(failures: int, lost: int) -> Iterator[str]:
    if failures:
        why = "the values are damaged, altered, or under another key"
        fix = "a full scan writes damaged resources again"
        yield f"{failures} decryptions failed since the store was opened: {why}; {fix}"
    if lost:
        yield f"{lost} scan results cannot be decrypted; a full scan writes them again"


def _check_collections(store: Callable[[], VectorStore], *, remote: bool) -> dict[str, CollectionHealth]:
    """Check each collection.

    Once a check finds the vector store unavailable, the remaining collections get the same error, unchecked.
    """
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
        fix = "Check that the server is running and that qdrant_url is right."
        raise StoreUnavailableError(f"the points of {name} cannot be counted", why, fix)
    return points


def _check_estate(
    integrity: Callable[[], IntegrityReport] | None, *, remote: bool
) -> tuple[EstateHealth | None, list[str]]:
    """Compare the estate's rows with the scan state; returns the numbers of cells, and a line for each difference."""
    if integrity is None:
        return None, []
    try:
        report = within(ESTATE_SECONDS, integrity, None) if remote else integrity()
    except CloudOpsError as error:
        return None, [f"the estate could not be compared with the scan state: {error_line(error)}"]
    if report is None:
        why = f"the Qdrant server did not send its rows within {ESTATE_SECONDS:.0f} seconds"
        return None, [f"the estate could not be compared with the scan state: {why}"]
    counts = EstateHealth(
        verified=report.verified,
        altered=len(report.altered),
        unfinished=len(report.unfinished),
        unrecorded=len(report.unrecorded),
    )
    return counts, report.warnings()


def _failure_count(failures: Callable[[], int]) -> int:
    try:
        return failures()
    except CloudOpsError:  # the store cannot be opened; the collections' status reports that
        return 0


def _free_bytes(data_path: Path) -> int:
    try:
        return shutil.disk_usage(data_path).free
    except OSError:  # the folder cannot be read; report 0 free bytes, so that the check warns
        return 0


def _check_backups(look: Callable[[], BackupHealth]) -> tuple[BackupHealth, str]:
    """Check the backups; returns their status, and the check's own error in one line (empty if the check succeeded)."""
    try:
        return look(), ""
    except Exception as error:  # noqa: BLE001 - reported: a health check always returns an answer
        schedule: ScheduleStatus = {"running": False, "trouble": error_line(error), "tasks": []}
        unknown: BackupHealth = {
            "s3_configured": False, "s3_reachable": None, "s3_problem": "", "newest": {}, "schedule": schedule,
        }  # fmt: skip
        return unknown, error_line(error)


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
