"""Reads one task: its pages, the details of their items, and how the task's cells ended."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.iam.principal import acting_principal
from cloudops_nb.model import CellKey, CellResult, CellState, Resource
from cloudops_nb.scanner.calls import AwsCalls, BrokenAnswerError, ScanStoppedError, TruncatedError
from cloudops_nb.scanner.cells import Failure, classify
from cloudops_nb.scanner.details import Detailed, DetailReader, TagListing
from cloudops_nb.scanner.resources import Item, Surroundings, build
from cloudops_nb.scanner.selectors import select

if TYPE_CHECKING:
    from cloudops_nb.scanner.sessions import AccountSessions
    from cloudops_nb.scanner.tasks import Task

_log = logging.getLogger(__name__)
_TAGS = "tags"
_REGION = "region"
#: Items whose details are read before they are handed on, so that rows flow while a long page is worked through.
_CHUNK = 100

FanOut = Callable[[Callable[[Any], Any], Sequence[Any]], Sequence[Any]]


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
    """

    def __init__(self, task: Task, sessions: AccountSessions, calls: AwsCalls, fan_out: FanOut) -> None:
        self._task = task
        self._spec = task.spec
        self._sessions = sessions
        self._calls = calls
        self._details = DetailReader(task.spec, task.region, calls)
        self._fan_out = fan_out
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
            except ScanStoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - recorded as the cell's end; a bug in one spec must not end the scan
                failure = self._failure(error)
            if failure is None or failure.state is not CellState.EXPIRED or attempt != "first":
                break
            self._sessions.renew(account_id, generation)
        yield from self._results(failure, started, time.monotonic() - clock)

    def _begin(self) -> None:
        self._pages = 0
        self._found: Counter[CellKey] = Counter()
        self._missed: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._incomplete = False

    def _chunks(self) -> Iterator[list[Resource]]:
        spec, region = self._spec, self._task.region
        around = self._surroundings()
        tags = self._details.tags()
        for page in self._calls.pages(
            spec.service, region, spec.list.operation, spec.list.parameters, spec.list.page_size
        ):
            items = [item for item in self._listed(page) if self._is_own(item)]
            self._pages += 1
            for start in range(0, len(items), _CHUNK):
                yield self._built(items[start : start + _CHUNK], tags, around)

    def _surroundings(self) -> Surroundings:
        caller = self._sessions.caller(self._task.account.account_id)
        return Surroundings(
            account=self._task.account,
            partition=self._sessions.partition(self._task.account.account_id),
            region=self._task.region,
            principal=acting_principal(caller.arn).arn,
            at=datetime.now(UTC),
        )

    def _listed(self, page: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        found = select(self._spec.list.items, page)
        if found is None and not self._spec.list.omitted_when_empty:
            # An answer without its list is a broken answer; taken for an empty one, it would delete everything.
            raise BrokenAnswerError(f"{self._spec.list.operation} answered without {self._spec.list.items}")
        return found or ()

    def _is_own(self, item: Mapping[str, Any]) -> bool:
        owner = select(self._spec.owner, item) if self._spec.owner else None
        return owner is None or owner == self._task.account.account_id

    def _built(
        self,
        chunk: Sequence[Mapping[str, Any]],
        tags: TagListing | Failure | None,
        around: Surroundings,
    ) -> list[Resource]:
        detailed: Sequence[Detailed]
        if self._spec.details:
            detailed = self._fan_out(self._details.details, chunk)
        else:
            detailed = [Detailed(Item(data), {}) for data in chunk]
        resources = []
        for each in detailed:
            failures = dict(each.failures)
            if isinstance(tags, Failure):
                failures[_TAGS] = tags
            self._missed.update(failures.keys())
            self._reasons.update({name: failure.detail for name, failure in failures.items()})
            self._incomplete |= any(failure.transient for failure in failures.values())
            if each.item is not None:
                self._note_unplaced(each.item)
                resources.append(self._tagged(each.item, failures, tags, around))
        return resources

    def _note_unplaced(self, item: Item) -> None:
        """An item whose region nobody told may lie in any of the task's cells, so none of them is complete."""
        if self._spec.region is not None and not select(self._spec.region, item.data):
            self._incomplete = True
            self._missed[_REGION] += 1
            self._reasons[_REGION] = "AWS did not tell it"

    def _tagged(
        self,
        item: Item,
        failures: Mapping[str, Failure],
        tags: TagListing | Failure | None,
        around: Surroundings,
    ) -> Resource:
        unread = {name: failure.detail for name, failure in failures.items()}
        bare = build(self._spec, Item(item.data, unread), around)
        if not isinstance(tags, Mapping):
            return bare
        return build(self._spec, Item(item.data, unread, tags.get(bare.arn, {})), around)

    def _failure(self, error: Exception) -> Failure:
        if isinstance(error, TruncatedError | BrokenAnswerError):
            return Failure(CellState.ERROR, str(error))
        failure = classify(error, region=self._task.region)
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
        why = [f"after {self._pages} pages: {failure.detail}" if self._pages else failure.detail] if failure else []
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
                pages=self._pages,
                retries=0 if index else tally.retries,
                detail=detail,
            )

    def _end_state(self, failure: Failure | None) -> CellState:
        """Return the end of every cell of the task; a passing failure in the details leaves a cell partial.

        A lasting one, as a denied read of tags, does not: the listing was complete, and the rows say what they lack;
        unless it was the region that was denied.
        """
        if failure is not None:
            return CellState.PARTIAL if self._pages else failure.state
        return CellState.PARTIAL if self._incomplete else CellState.OK
