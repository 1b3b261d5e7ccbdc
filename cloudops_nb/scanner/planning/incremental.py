"""Which list calls of a scan are worth making again: those of cells that may have changed since they were read.

A place (an account's region) has a cell of its own, of a type that begins with :data:`CHANGES`, for the look into its
record of changes. It counts only when everything was read that the look called for, so that a scan cut short is made up
for; and only for scans of the same cells, because what changed in others was not read.
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cloudops_nb.aws.regions import GLOBAL, home_region
from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.scanner.planning.cloudtrail_changes import OVERLAP, Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.scanner.task import Task

    Place = tuple[str, str]
    #: Looks into the record of a place since a moment.
    Look = Callable[[str, str, datetime], Changes]

#: How the type of a cell begins that tells how far a place's record of changes was looked into; no resource has it.
CHANGES: Final = "cloudtrail_event/"
#: The record reaches back for 90 days; what was read longer ago is read anew.
_REACH: Final = timedelta(days=89)
_LOOKERS: Final = 16


@dataclass(frozen=True)
class Increment:
    """What is left to read, and how the looks ended, which counts only when that has been read."""

    tasks: Sequence[Task]
    looks: Sequence[CellResult]


def increment(todo: Sequence[Task], last: Mapping[CellKey, CellResult], look: Look, partition: str) -> Increment:
    """Return the list calls that are worth making again.

    A cell that was never read, or not to its end, always is. Another one is if its service changed something since;
    what changed shortly before counts too, because the record shows late and states go on changing by themselves.

    Args:
        todo: The list calls of a whole scan.
        last: The latest results, by cell.
        look: Looks into the record of a place.
        partition: The accounts' partition, for the region in which global services record.

    Raises:
        CloudOpsError: As the look.
    """
    # After the clock was put back, a result from the future does not tell since when to look.
    known = {
        key: result for key, result in last.items() if result.state.complete and result.started <= datetime.now(UTC)
    }
    cells = _cells(todo, partition)
    since = {place: moment for place, keys in cells.items() if (moment := _read_since(place, keys, known)) is not None}
    found, looks = _looked(look, cells, since)
    return Increment([task for task in todo if _worth_reading(task, known, found, partition)], looks)


def _cells(todo: Sequence[Task], partition: str) -> dict[Place, list[CellKey]]:
    """Return every place with the cells of which it records changes."""
    cells: dict[Place, list[CellKey]] = {}
    for task in todo:
        for place in _places(task, partition):
            cells.setdefault(place, []).extend(task.keys)
    return cells


def _looked(
    look: Look, cells: Mapping[Place, Sequence[CellKey]], since: Mapping[Place, datetime]
) -> tuple[dict[Place, Changes], list[CellResult]]:
    def looked(place: Place) -> tuple[Changes, CellResult]:
        started, clock = datetime.now(UTC), time.monotonic()
        found = look(*place, since[place] - OVERLAP)
        state = CellState.PARTIAL if found.unknown else CellState.OK if found.sources else CellState.OK_EMPTY
        seconds, pages = time.monotonic() - clock, found.pages
        key = _look_key(place, cells[place])
        return found, CellResult(key, state, started, seconds, calls=pages, pages=pages, detail=found.unknown)

    pool = ThreadPoolExecutor(_LOOKERS, thread_name_prefix="cloudops-changes")
    try:
        results = dict(zip(since, pool.map(looked, since), strict=True))
    finally:
        # Who interrupts does not wait for looks that nobody has begun.
        pool.shutdown(wait=False, cancel_futures=True)
    return {place: found for place, (found, _) in results.items()}, [result for _, result in results.values()]


def _look_key(place: Place, keys: Sequence[CellKey]) -> CellKey:
    covered = " ".join(sorted(map(str, keys)))
    return CellKey(*place, f"{CHANGES}{hashlib.sha256(covered.encode()).hexdigest()[:8]}")


def _places(task: Task, partition: str) -> list[Place]:
    """Return where what concerns a task is recorded."""
    called = home_region(partition) if task.call_region == GLOBAL else task.call_region
    # What lies in many regions may be changed through the endpoint that lists it, as well as where it lies.
    regions = [key.region for key in task.keys] if task.spec.scope == "account" else []
    return [(task.account.account_id, region) for region in dict.fromkeys((called, *regions))]


def _read_since(place: Place, keys: Sequence[CellKey], known: Mapping[CellKey, CellResult]) -> datetime | None:
    """Return since when a place's record is of interest, ``None`` if everything there is read anyway."""
    read = [known[key].started for key in keys if key in known]
    if not read:
        return None
    looked = known.get(_look_key(place, keys))
    moment = max(min(read), looked.started) if looked else min(read)
    return moment if datetime.now(UTC) - moment < _REACH else None


def _worth_reading(
    task: Task, known: Mapping[CellKey, CellResult], changes: Mapping[Place, Changes], partition: str
) -> bool:
    if any(key not in known for key in task.keys):
        return True
    read = min(known[key].started for key in task.keys)
    return any(
        place not in changes or changes[place].touch(task.spec, read - OVERLAP) for place in _places(task, partition)
    )
