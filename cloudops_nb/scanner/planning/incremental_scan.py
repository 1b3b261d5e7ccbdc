"""Chooses the list calls of an incremental scan: those whose resources may have changed since they were last read.

A cell is one resource type in one account and region. The CloudTrail lookup in an account and region also has a cell,
whose type begins with :data:`LOOKUP_TYPE_PREFIX`. The scan yields the result of this lookup cell after the results of
all list calls. If the scan is interrupted, the lookup cell gets no result, so the next lookup covers the same period
again. A later scan uses the result only if that scan covers the same cells, because this scan did not read any other
cells again.
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

#: The type of a lookup cell begins with this prefix; no resource type does.
LOOKUP_TYPE_PREFIX: Final = "cloudtrail_event/"
#: The longest period of a lookup; CloudTrail keeps events for 90 days. If a lookup in an account and region would have
#: to cover a longer period, no lookup is made, and all cells of that account and region are read.
_LONGEST_PERIOD: Final = timedelta(days=89)
_LOOKUP_THREADS: Final = 16


@dataclass(frozen=True)
class IncrementalTasks:
    """The list calls of an incremental scan, and the results of its lookups.

    The scan must yield the results of the lookups after the results of all list calls.
    """

    tasks: Sequence[ScanTask]
    lookups: Sequence[CellResult]


def incremental_tasks(
    tasks: Sequence[ScanTask], last: Mapping[CellKey, CellResult], look_up: ChangeLookup, partition: str
) -> IncrementalTasks:
    """Look up the recorded changes, and return the list calls whose resources may have changed.

    A list call is made if the latest result of one of its cells is not complete, or if resources of its service may
    have changed since that result. Changes shortly before the latest result count too: events appear late, and a
    resource's state may change some time after the event.

    Args:
        tasks: The list calls of a full scan.
        last: The latest result of each cell.
        look_up: Looks up the changes in an account and region.
        partition: The partition of the accounts. CloudTrail records events of global services in its home region.

    Raises:
        CloudOpsError: A lookup failed for a reason other than a failed AWS call.
    """
    # If the local clock was set back, a result may have a time in the future, which cannot be the start of a lookup.
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
    """Return, for each account and region, the cells whose changes CloudTrail records in it."""
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
        # After an interrupt, start no further lookup, and do not wait for those that are running.
        pool.shutdown(wait=False, cancel_futures=True)
    changes_by_region = {account_region: changes for account_region, (changes, _) in found.items()}
    return changes_by_region, [result for _, result in found.values()]


def _lookup_key(account_region: AccountRegion, keys: Sequence[CellKey]) -> CellKey:
    # The type contains a hash of the cells that the lookup covers, because its result applies only to them.
    covered = " ".join(sorted(map(str, keys)))
    return CellKey(*account_region, f"{LOOKUP_TYPE_PREFIX}{hashlib.sha256(covered.encode()).hexdigest()[:8]}")


def _recording_regions(task: ScanTask, partition: str) -> list[AccountRegion]:
    """Return the account-region pairs in which CloudTrail records changes of a task's resources."""
    called = home_region(partition) if task.call_region == GLOBAL else task.call_region
    # If one call lists the resources of all regions, CloudTrail may record a change of a resource in the region of that
    # call or in the region of the resource.
    regions = [key.region for key in task.keys] if task.spec.scope == "account" else []
    return [(task.account.account_id, region) for region in dict.fromkeys((called, *regions))]


def _lookup_start(
    account_region: AccountRegion, keys: Sequence[CellKey], complete: Mapping[CellKey, CellResult]
) -> datetime | None:
    """Return the time from which a lookup must cover changes, or ``None`` if no lookup is made.

    No lookup is made if none of its cells has a complete result, or if it would have to start too long ago. The scan
    then reads all these cells.
    """
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
