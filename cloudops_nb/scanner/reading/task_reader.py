"""Reads one task: its pages, the details of their items, and how the task's cells ended."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.error_states import Failure
from cloudops_nb.aws.fast_botocore.process_tuning import building_slots
from cloudops_nb.declarations.selectors import select
from cloudops_nb.model import CellKey, CellResult, CellState, Resource
from cloudops_nb.scanner.calls.aws_calls import AwsCalls, ScanStoppedError
from cloudops_nb.scanner.reading.batches import BatchReader
from cloudops_nb.scanner.reading.details import Detailed, DetailReader, TagListing
from cloudops_nb.scanner.reading.listing import Listing, failure_of
from cloudops_nb.scanner.reading.resource_builder import Item, Surroundings, build, identified
from cloudops_nb.specs import cloud_control

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.scanner.planning.tasks import Task
    from cloudops_nb.scanner.policies.verdicts import AccountVerdicts
    from cloudops_nb.scanner.reading.listing import FanOut

_log = logging.getLogger(__name__)
_TAGS = "tags"
_REGION = "region"
_IDENTIFIER = "identifier"
#: Items whose details are read before they are handed on, so that rows flow while a long page is worked through.
_CHUNK = 100


@dataclass(frozen=True, slots=True)
class PageRead:
    """Resources of one cell, as they arrived; a cell gives any number of these before its :class:`CellResult`."""

    key: CellKey
    resources: tuple[Resource, ...]


class TaskReader:
    """Reads one task, once. What fails is told in the cells' results and never raised.

    Args:
        task: The list call and its cells.
        sessions: The ways into the accounts.
        calls: The paced calls into the task's account.
        fan_out: Maps a function over items, in parallel where there are free threads.
        verdicts: Judges the account's resources.
    """

    def __init__(
        self, task: Task, sessions: AccountSessions, calls: AwsCalls, fan_out: FanOut, verdicts: AccountVerdicts
    ) -> None:
        self._task = task
        self._spec = task.spec
        self._sessions = sessions
        self._calls = calls
        self._batches = BatchReader(task, calls, fan_out)
        self._details = DetailReader(task, calls)
        self._fan_out = fan_out
        self._verdicts = verdicts
        self._begin()

    def read(self) -> Iterator[PageRead | CellResult]:
        """Yield pages as they arrive, then one result a cell; expired credentials are renewed once and the task reread.

        Raises:
            ScanStoppedError: The scan was stopped; the task's cells have no result.
        """
        started, clock = datetime.now(UTC), time.monotonic()
        account_id = self._task.account.account_id
        for attempt in ("first", "with renewed credentials"):
            generation = self._sessions.generation(account_id)
            self._begin()
            failure = None
            try:
                for resources in self._chunks():
                    yield from self._by_cell(resources)
                failure = self._listing.failure
            except ScanStoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - recorded as the cell's end; a bug in one spec must not end the scan
                failure = self._failure(error)
            if failure is None or failure.state is not CellState.EXPIRED or attempt != "first":
                break
            if not self._sessions.renew(account_id, generation):
                break
        yield from self._results(failure, started, time.monotonic() - clock)

    def _begin(self) -> None:
        self._listing = Listing(self._task, self._calls, self._fan_out)
        self._found: Counter[CellKey] = Counter()
        self._missed: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._incomplete = False

    def _chunks(self) -> Iterator[list[Resource]]:
        around = self._surroundings()
        tags: TagListing | Failure | None = None
        asked = False
        for items in self._listing.chunks():
            if items and not asked:
                # Most cells are empty, and have no tags to be listed.
                tags, asked = self._details.tags(), True
            for start in range(0, len(items), _CHUNK):
                yield self._built(items[start : start + _CHUNK], tags, around)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            account=self._task.account,
            partition=self._sessions.partition(self._task.account.account_id),
            region=self._task.region,
            verdicts=self._verdicts,
            at=datetime.now(UTC),
        )

    def _built(
        self,
        chunk: Sequence[Mapping[str, Any]],
        tags: TagListing | Failure | None,
        around: Surroundings,
    ) -> list[Resource]:
        described = self._batches.read(chunk)
        if self._details.calls_any:
            read: Sequence[Detailed | None] = self._fan_out(self._details.read, described)
        else:
            read = [self._details.read(item) for item in described]
        if self._spec.actions:
            self._verdicts.prepare()  # whoever waits for policies takes nobody's turn
        with building_slots:
            return self._resources(read, tags, around)

    def _resources(
        self, read: Sequence[Detailed | None], tags: TagListing | Failure | None, around: Surroundings
    ) -> list[Resource]:
        by_arn = tags if isinstance(tags, Mapping) else None
        resources = []
        for each in read:
            if each is None:
                continue
            whole = each.without(_TAGS, tags) if isinstance(tags, Failure) else each
            self._note_missing(whole.failures)
            self._note_unplaced(whole.data)
            item = Item(whole.data, whole.unread, by_arn)
            if identified(self._spec, item):
                resources.append(build(self._spec, item, around))
            else:
                self._note_untold(_IDENTIFIER)
        return resources

    def _note_missing(self, failures: Mapping[str, Failure]) -> None:
        self._missed.update(failures.keys())
        self._reasons.update({name: failure.detail for name, failure in failures.items()})
        self._incomplete |= any(failure.transient for failure in failures.values())

    def _note_unplaced(self, data: Mapping[str, Any]) -> None:
        """An item whose region nobody told may lie in any of the task's cells, so none of them is complete."""
        if self._spec.region is not None and not select(self._spec.region, data):
            self._note_untold(_REGION)

    def _note_untold(self, what: str) -> None:
        self._incomplete = True
        self._missed[what] += 1
        self._reasons[what] = "AWS did not tell it"

    def _failure(self, error: Exception) -> Failure:
        failure = failure_of(error, region=self._task.region)
        if self._spec.called == cloud_control.SERVICE:
            failure = cloud_control.explained_failure(failure)
        if failure.state is CellState.ERROR:
            # Neither accounts nor regions: a log is plaintext.
            _log.info("%s: a listing ended with %s", self._spec.resource_type, failure.state.value)
        return failure

    def _by_cell(self, resources: Sequence[Resource]) -> Iterator[PageRead]:
        grouped: dict[CellKey, list[Resource]] = {}
        for resource in resources:
            if self._task.every_region or resource.cell in self._task.keys:
                grouped.setdefault(resource.cell, []).append(resource)
        for key, members in grouped.items():
            self._found[key] += len(members)
            yield PageRead(key, tuple(members))

    def _results(self, failure: Failure | None, started: datetime, duration: float) -> Iterator[CellResult]:
        state = self._end_state(failure)
        missed = [f"{count} without {name} ({self._reasons[name]})" for name, count in self._missed.items()]
        pages = self._listing.pages
        why = [f"after {pages} pages: {failure.detail}" if pages else failure.detail] if failure else []
        detail = "; ".join(text for text in (*why, *missed, self._task.note) if text)
        tally = self._calls.tally
        for index, key in enumerate(dict.fromkeys((*self._task.keys, *self._found))):
            empty = state is CellState.OK and not self._found[key]
            yield CellResult(
                key=key,
                state=CellState.OK_EMPTY if empty else state,
                started=started,
                duration=duration,
                resources=self._found[key],
                # One call may fill many cells; counting it once keeps the sums right.
                calls=0 if index else tally.calls,
                pages=pages,
                retries=0 if index else tally.retries,
                detail=detail,
            )

    def _end_state(self, failure: Failure | None) -> CellState:
        """Return the end of every cell of the task; a passing failure in the details leaves a cell partial.

        A lasting one, as a denied read of tags, does not: the listing was complete, and the rows say what they lack;
        unless it was the region that was denied. Of a page that was lost to expired credentials nothing is there.
        """
        if failure is not None:
            nothing = failure.state is CellState.EXPIRED and not self._found
            return CellState.PARTIAL if self._listing.pages and not nothing else failure.state
        return CellState.PARTIAL if self._incomplete else CellState.OK
