"""Chooses the list calls of an incremental scan: those whose cells may have changed since they were last read.

Each account and region has a cell of its own for the lookup in its CloudTrail record, with a type that begins with
:data:`LOOKUP_TYPE_PREFIX`. That cell counts only after everything that the lookup called for was read, so that an
interrupted scan is made up for. It counts only for scans of the same cells, because changes in other cells were not
read.
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
from cloudops_nb.scanner.planning.cloudtrail_changes import OVERLAP, RecordedChanges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.scanner.task import ScanTask

    AccountRegion = tuple[str, str]
    #: Returns the changes recorded in an account and region since a moment.
    ChangeLookup = Callable[[str, str, datetime], RecordedChanges]

#: The type prefix of lookup cells; no resource type has it.
LOOKUP_TYPE_PREFIX: Final = "cloudtrail_event/"
#: CloudTrail keeps events for 90 days; cells that were read before that are read again.
_REACH: Final = timedelta(days=89)
_LOOKUP_THREADS: Final = 16


@dataclass(frozen=True)
class IncrementalTasks:
    """The list calls to make, and the results of the lookups, which count only after those calls were made."""

    tasks: Sequence[ScanTask]
    lookups: Sequence[CellResult]


def incremental_tasks(
    todo: Sequence[ScanTask], last: Mapping[CellKey, CellResult], look: ChangeLookup, partition: str
) -> IncrementalTasks:
    """Return the list calls that are worth making again.

    A cell that was never read to its end is read. Any other cell is read if its service recorded a change since.
    Changes shortly before the last reading count too: events appear late, and a state may still change after its event.

    Args:
        todo: The list calls of a whole scan.
        last: The latest results by cell.
        look: Looks up the changes in an account and region.
        partition: The accounts' partition, for the region in which global services record their events.

    Raises:
        CloudOpsError: A lookup failed.
    """
    # If the clock was set back, a result from the future gives no start for a lookup.
    known = {
        key: result for key, result in last.items() if result.state.complete and result.started <= datetime.now(UTC)
    }
    cells = _cells_by_region(todo, partition)
    since = {
        place: moment for place, keys in cells.items() if (moment := _lookup_start(place, keys, known)) is not None
    }
    found, lookups = _looked_up(look, cells, since)
    return IncrementalTasks([task for task in todo if _may_have_changed(task, known, found, partition)], lookups)


def _cells_by_region(todo: Sequence[ScanTask], partition: str) -> dict[AccountRegion, list[CellKey]]:
    """Return each account and region with the cells whose changes it records."""
    cells: dict[AccountRegion, list[CellKey]] = {}
    for task in todo:
        for place in _recording_regions(task, partition):
            cells.setdefault(place, []).extend(task.keys)
    return cells


def _looked_up(
    look: ChangeLookup, cells: Mapping[AccountRegion, Sequence[CellKey]], since: Mapping[AccountRegion, datetime]
) -> tuple[dict[AccountRegion, RecordedChanges], list[CellResult]]:
    def looked(place: AccountRegion) -> tuple[RecordedChanges, CellResult]:
        started, clock = datetime.now(UTC), time.monotonic()
        found = look(*place, since[place] - OVERLAP)
        state = CellState.PARTIAL if found.unknown else CellState.OK if found.sources else CellState.OK_EMPTY
        seconds, pages = time.monotonic() - clock, found.pages
        key = _lookup_key(place, cells[place])
        return found, CellResult(key, state, started, seconds, calls=pages, pages=pages, detail=found.unknown)

    pool = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="cloudops-changes")
    try:
        results = dict(zip(since, pool.map(looked, since), strict=True))
    finally:
        # An interrupt must not wait for lookups that have not started.
        pool.shutdown(wait=False, cancel_futures=True)
    return {place: found for place, (found, _) in results.items()}, [result for _, result in results.values()]


def _lookup_key(place: AccountRegion, keys: Sequence[CellKey]) -> CellKey:
    # The type includes a hash of the covered cells, so that a scan of other cells starts a lookup of its own.
    covered = " ".join(sorted(map(str, keys)))
    return CellKey(*place, f"{LOOKUP_TYPE_PREFIX}{hashlib.sha256(covered.encode()).hexdigest()[:8]}")


def _recording_regions(task: ScanTask, partition: str) -> list[AccountRegion]:
    """Return the accounts and regions that record the changes of a task's resources."""
    called = home_region(partition) if task.call_region == GLOBAL else task.call_region
    # A resource of an account-wide listing may be changed through the listing's endpoint or in its own region.
    regions = [key.region for key in task.keys] if task.spec.scope == "account" else []
    return [(task.account.account_id, region) for region in dict.fromkeys((called, *regions))]


def _lookup_start(
    place: AccountRegion, keys: Sequence[CellKey], known: Mapping[CellKey, CellResult]
) -> datetime | None:
    """Return the start of a lookup, or ``None`` if all its cells are read anyway."""
    read = [known[key].started for key in keys if key in known]
    if not read:
        return None
    looked = known.get(_lookup_key(place, keys))
    moment = max(min(read), looked.started) if looked else min(read)
    return moment if datetime.now(UTC) - moment < _REACH else None


def _may_have_changed(
    task: ScanTask,
    known: Mapping[CellKey, CellResult],
    changes: Mapping[AccountRegion, RecordedChanges],
    partition: str,
) -> bool:
    if any(key not in known for key in task.keys):
        return True
    read = min(known[key].started for key in task.keys)
    return any(
        place not in changes or changes[place].may_affect(task.spec, read - OVERLAP)
        for place in _recording_regions(task, partition)
    )
