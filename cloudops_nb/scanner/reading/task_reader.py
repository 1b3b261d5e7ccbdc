"""Reads one task, a list call with the details of its items, and yields resources and a result for each cell.

A cell is one resource type in one account and region.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.error_states import Failure
from cloudops_nb.declarations.selectors import select
from cloudops_nb.model import CellKey, CellResult, CellState, Resource
from cloudops_nb.scanner.calls.call_errors import ScanStoppedError, failure_of
from cloudops_nb.scanner.reading.batch_reader import BatchReader
from cloudops_nb.scanner.reading.detail_reader import DetailedItem, DetailReader
from cloudops_nb.scanner.reading.resource_builder import ListedItem, ListingContext, build_resource, has_identity
from cloudops_nb.scanner.reading.resource_listing import ResourceListing
from cloudops_nb.scanner.reading.tag_listing import TagListing, listed_tags
from cloudops_nb.specs import cloud_control

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.scanner.policies.verdicts import AccountVerdicts
    from cloudops_nb.scanner.reading.resource_listing import FanOut
    from cloudops_nb.scanner.task import ScanTask

_log = logging.getLogger(__name__)
#: The names of missing parts in the detail text of a result, for example "3 without tags (AccessDenied: …)".
_TAGS = "tags"
_REGION = "region"
_IDENTIFIER = "identifier"
#: The number of items whose details are read before their resources are yielded. The first resources of a long page
#: are thus yielded while the details of further items are read.
_ITEMS_PER_CHUNK = 100
#: Limits the number of threads that build resources at the same time. More threads would wait for each other, keep
#: their responses in memory, and delay threads with short work.
building_slots = threading.BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class PageRead:
    """Resources of one cell that arrived together; a cell has any number of pages before its :class:`CellResult`."""

    key: CellKey
    resources: tuple[Resource, ...]


class TaskReader:
    """Reads one task; a failure is recorded in the results of the task's cells.

    Args:
        task: The list call and its cells.
        sessions: The sessions of the configured accounts.
        calls: The paced calls into the task's account.
        fan_out: Maps a function over a sequence, in parallel where threads are free.
        verdicts: Evaluates IAM permissions on the account's resources.
    """

    def __init__(
        self, task: ScanTask, sessions: AccountSessions, calls: AwsCalls, fan_out: FanOut, verdicts: AccountVerdicts
    ) -> None:
        self._task = task
        self._spec = task.spec
        self._sessions = sessions
        self._calls = calls
        self._batches = BatchReader(task, calls, fan_out)
        self._details = DetailReader(task, calls)
        self._fan_out = fan_out
        self._verdicts = verdicts
        self._reset()

    def read(self) -> Iterator[PageRead | CellResult]:
        """Yield pages as they arrive, then one result per cell.

        If the credentials expire, they are renewed once, and the task is read again from its first page. Pages that
        were already yielded are then yielded again. The results contain the calls and retries of both attempts, but the
        resources and pages only of the second.

        Raises:
            ScanStoppedError: The scan was stopped; the task's cells have no result.
        """
        started, clock = datetime.now(UTC), time.monotonic()
        account_id = self._task.account.account_id
        for attempt in ("first", "with renewed credentials"):
            generation = self._sessions.generation(account_id)
            self._reset()
            failure = None
            try:
                for resources in self._resource_chunks():
                    yield from self._pages_by_cell(resources)
                failure = self._listing.failure
            except ScanStoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - recorded in the cell's result; a bug in one spec must not end the scan
                failure = self._failure(error)
            if failure is None or failure.state is not CellState.EXPIRED or attempt != "first":
                break
            if not self._sessions.renew(account_id, generation):
                break
        yield from self._results(failure, started, time.monotonic() - clock)

    def _reset(self) -> None:
        self._listing = ResourceListing(self._task, self._calls, self._fan_out)
        #: The keys of the resources of each cell; a listing that changes while it is read may repeat an item.
        self._found: dict[CellKey, set[str]] = {}
        self._missed: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._incomplete = False

    def _resource_chunks(self) -> Iterator[list[Resource]]:
        context = self._context()
        tags: TagListing | Failure | None = None
        tags_listed = False
        for items in self._listing.chunks():
            # List the tags only if there are items, because most cells are empty.
            if items and not tags_listed:
                tags, tags_listed = listed_tags(self._task, self._calls), True
            for start in range(0, len(items), _ITEMS_PER_CHUNK):
                yield self._resources_of_chunk(items[start : start + _ITEMS_PER_CHUNK], tags, context)

    def _context(self) -> ListingContext:
        return ListingContext(
            account=self._task.account,
            partition=self._sessions.partition(self._task.account.account_id),
            region=self._task.region,
            verdicts=self._verdicts,
            at=datetime.now(UTC),
        )

    def _resources_of_chunk(
        self,
        chunk: Sequence[Mapping[str, Any]],
        tags: TagListing | Failure | None,
        context: ListingContext,
    ) -> list[Resource]:
        with_batches = self._batches.read(chunk)
        if self._details.makes_calls:
            detailed: Sequence[DetailedItem | None] = self._fan_out(self._details.read, with_batches)
        else:
            detailed = [self._details.read(item) for item in with_batches]
        if self._spec.actions:
            self._verdicts.prepare()  # wait for the IAM policies here, not while this thread occupies a building slot
        with building_slots:
            return self._resources(detailed, tags, context)

    def _resources(
        self, detailed: Sequence[DetailedItem | None], tags: TagListing | Failure | None, context: ListingContext
    ) -> list[Resource]:
        tags_by_arn = tags if isinstance(tags, Mapping) else None
        resources = []
        for each in detailed:
            if each is None:  # the resource no longer exists
                continue
            read = each.without_response(_TAGS, tags) if isinstance(tags, Failure) else each
            self._note_failures(read.failures)
            self._note_unknown_region(read.data)
            item = ListedItem(read.data, read.unread, tags_by_arn)
            if has_identity(self._spec, item):
                resources.append(build_resource(self._spec, item, context))
            else:
                self._note_missing_field(_IDENTIFIER)
        return resources

    def _note_failures(self, failures: Mapping[str, Failure]) -> None:
        self._missed.update(failures.keys())
        self._reasons.update({name: failure.detail for name, failure in failures.items()})
        self._incomplete |= any(failure.transient for failure in failures.values())

    def _note_unknown_region(self, data: Mapping[str, Any]) -> None:
        """Mark every cell of the task as incomplete if an item has no region: the item could belong to any of them."""
        if self._spec.region is not None and not select(self._spec.region, data):
            self._note_missing_field(_REGION)

    def _note_missing_field(self, name: str) -> None:
        self._incomplete = True
        self._missed[name] += 1
        self._reasons[name] = "AWS did not return it"

    def _failure(self, error: Exception) -> Failure:
        failure = failure_of(error, region=self._task.region)
        if self._spec.called == cloud_control.SERVICE:
            failure = cloud_control.explained_failure(failure)
        if failure.state is CellState.ERROR:
            # The log is not encrypted, so it must not contain accounts or regions.
            _log.info("listing %s ended with the state %s", self._spec.resource_type, failure.state.value)
        return failure

    def _pages_by_cell(self, resources: Sequence[Resource]) -> Iterator[PageRead]:
        grouped: dict[CellKey, list[Resource]] = {}
        for resource in resources:
            if self._is_wanted(resource):
                grouped.setdefault(resource.cell, []).append(resource)
        for key, members in grouped.items():
            self._found.setdefault(key, set()).update(each.canonical_key for each in members)
            yield PageRead(key, tuple(members))

    def _is_wanted(self, resource: Resource) -> bool:
        task = self._task
        in_cells = task.every_region or resource.cell in task.keys
        return in_cells and (not task.identifiers or resource.identifier in task.identifiers)

    def _results(self, failure: Failure | None, started: datetime, duration: float) -> Iterator[CellResult]:
        state = self._end_state(failure)
        missed = [f"{count} without {name} ({self._reasons[name]})" for name, count in self._missed.items()]
        pages = self._listing.pages
        failed = [f"after {pages} pages: {failure.detail}" if pages else failure.detail] if failure else []
        detail = "; ".join(text for text in (*failed, *missed, self._task.note) if text)
        tally = self._calls.tally
        # Resources in further regions have cells too, in addition to the task's own cells.
        for index, key in enumerate(dict.fromkeys((*self._task.keys, *self._found))):
            found = len(self._found.get(key, ()))
            empty = state is CellState.OK and not found
            yield CellResult(
                key=key,
                state=CellState.OK_EMPTY if empty else state,
                started=started,
                duration=duration,
                resources=found,
                # One call may fill several cells. Only the first cell counts it, so that sums over cells are right.
                calls=0 if index else tally.calls,
                pages=pages,
                retries=0 if index else tally.retries,
                detail=detail,
            )

    def _end_state(self, failure: Failure | None) -> CellState:
        """Return the state of the task's cells; for empty cells, the caller changes ``ok`` to ``ok_empty``.

        If the listing failed after a first page, the cells are partial; if it failed earlier, they get the failure's
        state. But if the credentials expired before a resource was yielded, the cells are expired, even after a page.

        If the listing is complete, the cells are partial if reading a detail failed and may succeed later, or if an
        item has no region or identifier. A permanent failure, such as a denied read of tags, does not make the cells
        partial, because each resource records what it lacks.
        """
        if failure is not None:
            expired_without_resources = failure.state is CellState.EXPIRED and not self._found
            return CellState.PARTIAL if self._listing.pages and not expired_without_resources else failure.state
        return CellState.PARTIAL if self._incomplete else CellState.OK
