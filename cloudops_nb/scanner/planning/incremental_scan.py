"""Chooses the list calls of an incremental scan: those whose cells may have changed since they were last read.

The CloudTrail lookup in an account and region has a cell of its own, whose type begins with :data:`LOOKUP_TYPE_PREFIX`.
The cell's result comes after those of all list calls that the lookup selected. If the scan is interrupted, the result
is missing, so the next lookup covers the same period again. The result applies only to later scans of the same cells,
because changes in other cells were not read.
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
    #: Takes an account id, a region and a time; returns the changes that were recorded since that time.
    ChangeLookup = Callable[[str, str, datetime], RecordedChanges]

#: The prefix of the types of lookup cells; no resource type begins with it.
LOOKUP_TYPE_PREFIX: Final = "cloudtrail_event/"
#: The longest period of a lookup. CloudTrail keeps events for 90 days. Cells that were last read earlier are all read.
_LONGEST_PERIOD: Final = timedelta(days=89)
_LOOKUP_THREADS: Final = 16


@dataclass(frozen=True)
class IncrementalTasks:
    """The list calls to make, and the results of the lookups, to be yielded only after the list calls were made."""

    tasks: Sequence[ScanTask]
    lookups: Sequence[CellResult]


def incremental_tasks(
    tasks: Sequence[ScanTask], last: Mapping[CellKey, CellResult], look_up: ChangeLookup, partition: str
) -> IncrementalTasks:
    """Return the list calls whose resources may have changed.

    A cell is read if its latest result is not complete, or if its service may have changed since that result. Changes
    shortly before the latest result count too: events appear late, and a resource's state may change some time after
    the event.

    Args:
        tasks: The list calls of a full scan.
        last: The latest result of each cell.
        look_up: Looks up the changes in an account and region.
        partition: The accounts' partition, whose home region records the events of global services.

    Raises:
        CloudOpsError: A lookup failed for a reason other than a failed AWS call.
    """
    # If the clock was set back, a result may have a time in the future, which cannot be the start of a lookup.
    complete = {
        key: result for key, result in last.items() if result.state.complete and result.started <= datetime.now(UTC)
    }
    cells = _cells_by_recording_region(tasks, partition)
    starts = {
        account_region: start
        for account_region, keys in cells.items()
        if (start := _lookup_start(account_region, keys, complete)) is not None
    }
    changes, lookups = _look_up_all(look_up, cells, starts)
    return IncrementalTasks([task for task in tasks if _may_have_changed(task, complete, changes, partition)], lookups)


def _cells_by_recording_region(tasks: Sequence[ScanTask], partition: str) -> dict[AccountRegion, list[CellKey]]:
    """Return the cells by the accounts and regions in which CloudTrail records their changes."""
    cells: dict[AccountRegion, list[CellKey]] = {}
    for task in tasks:
        for account_region in _recording_regions(task, partition):
            cells.setdefault(account_region, []).extend(task.keys)
    return cells


def _look_up_all(
    look_up: ChangeLookup, cells: Mapping[AccountRegion, Sequence[CellKey]], starts: Mapping[AccountRegion, datetime]
) -> tuple[dict[AccountRegion, RecordedChanges], list[CellResult]]:
    def changes_and_result(account_region: AccountRegion) -> tuple[RecordedChanges, CellResult]:
        started, clock = datetime.now(UTC), time.monotonic()
        changes = look_up(*account_region, starts[account_region] - OVERLAP)
        state = CellState.PARTIAL if changes.why_unknown else CellState.OK if changes.sources else CellState.OK_EMPTY
        seconds, pages = time.monotonic() - clock, changes.pages
        key = _lookup_key(account_region, cells[account_region])
        return changes, CellResult(key, state, started, seconds, calls=pages, pages=pages, detail=changes.why_unknown)

    pool = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="cloudops-changes")
    try:
        found = dict(zip(starts, pool.map(changes_and_result, starts), strict=True))
    finally:
        # An interrupt must not wait for lookups that have not started.
        pool.shutdown(wait=False, cancel_futures=True)
    changes_by_region = {account_region: changes for account_region, (changes, _) in found.items()}
    return changes_by_region, [result for _, result in found.values()]


def _lookup_key(account_region: AccountRegion, keys: Sequence[CellKey]) -> CellKey:
    # The type contains a hash of the cells that the lookup is for, because its result applies only to these cells.
    covered = " ".join(sorted(map(str, keys)))
    return CellKey(*account_region, f"{LOOKUP_TYPE_PREFIX}{hashlib.sha256(covered.encode()).hexdigest()[:8]}")


def _recording_regions(task: ScanTask, partition: str) -> list[AccountRegion]:
    """Return the accounts and regions in which CloudTrail records the changes of a task's resources."""
    called = home_region(partition) if task.call_region == GLOBAL else task.call_region
    # A resource of an account-wide listing may be changed through the listing's endpoint or in its own region.
    regions = [key.region for key in task.keys] if task.spec.scope == "account" else []
    return [(task.account.account_id, region) for region in dict.fromkeys((called, *regions))]


def _lookup_start(
    account_region: AccountRegion, keys: Sequence[CellKey], complete: Mapping[CellKey, CellResult]
) -> datetime | None:
    """Return the start of a lookup, or ``None`` if no lookup is needed because all its cells are read anyway."""
    read_times = [complete[key].started for key in keys if key in complete]
    if not read_times:
        return None
    last_lookup = complete.get(_lookup_key(account_region, keys))
    start = max(min(read_times), last_lookup.started) if last_lookup else min(read_times)
    return start if datetime.now(UTC) - start < _LONGEST_PERIOD else None


def _may_have_changed(
    task: ScanTask,
    complete: Mapping[CellKey, CellResult],
    changes: Mapping[AccountRegion, RecordedChanges],
    partition: str,
) -> bool:
    if any(key not in complete for key in task.keys):
        return True
    read_at = min(complete[key].started for key in task.keys)
    return any(
        account_region not in changes or changes[account_region].may_affect(task.spec, read_at - OVERLAP)
        for account_region in _recording_regions(task, partition)
    )
