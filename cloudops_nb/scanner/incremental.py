"""Which list calls of a scan are worth making again: those of cells that may have changed since they were read.

A place (an account's region) has a cell of its own, of the type :data:`CHANGES`, for the look into its record of
changes. It counts only when everything was read that the look called for, so that a scan cut short is made up for.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.scanner.changes import DELAY, Changes
from cloudops_nb.scanner.regions import GLOBAL, home_region

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.scanner.tasks import Task

    Place = tuple[str, str]
    #: Looks into the record of a place since a moment.
    Look = Callable[[str, str, datetime], Changes]

#: The resource type of the cells that tell how far a place's record of changes was looked into.
CHANGES: Final = "cloudtrail_event"
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
    since = {
        place: moment
        for place in dict.fromkeys(each for task in todo for each in _places(task, partition))
        if (moment := _read_since(place, todo, last, partition)) is not None
    }
    with ThreadPoolExecutor(_LOOKERS, thread_name_prefix="cloudops-changes") as pool:
        looked = dict(zip(since, pool.map(lambda place: _looked(look, place, since[place]), since), strict=True))
    changes = {place: found for place, (found, _) in looked.items()}
    chosen = [task for task in todo if _worth_reading(task, last, changes, partition)]
    return Increment(chosen, [result for _, result in looked.values()])


def _looked(look: Look, place: Place, moment: datetime) -> tuple[Changes, CellResult]:
    started, clock = datetime.now(UTC), time.monotonic()
    found = look(*place, moment - DELAY)
    state = CellState.PARTIAL if found.unknown else CellState.OK if found.sources else CellState.OK_EMPTY
    key, seconds = CellKey(*place, CHANGES), time.monotonic() - clock
    return found, CellResult(key, state, started, seconds, calls=found.pages, pages=found.pages, detail=found.unknown)


def _places(task: Task, partition: str) -> list[Place]:
    """Return where what concerns a task is recorded."""
    regions = [key.region for key in task.keys] if task.spec.scope == "account" else [task.region]
    return [(task.account.account_id, home_region(partition) if each == GLOBAL else each) for each in regions]


def _read_since(
    place: Place, todo: Sequence[Task], last: Mapping[CellKey, CellResult], partition: str
) -> datetime | None:
    """Return since when a place's record is of interest, ``None`` if everything there is read anyway."""
    keys = [key for task in todo if place in _places(task, partition) for key in task.keys]
    read = [last[key].started for key in keys if key in last and last[key].state.complete]
    if not read:
        return None
    looked = last.get(CellKey(*place, CHANGES))
    # An unknown change has made everything be read, so the record is of interest from there on as well.
    return max(min(read), looked.started) if looked else min(read)


def _worth_reading(
    task: Task, last: Mapping[CellKey, CellResult], changes: Mapping[Place, Changes], partition: str
) -> bool:
    results = [last.get(key) for key in task.keys]
    if not all(result is not None and result.state.complete for result in results):
        return True
    read = min(result.started for result in results if result is not None)
    return any(
        place not in changes or changes[place].touch(task.spec, read - DELAY) for place in _places(task, partition)
    )
