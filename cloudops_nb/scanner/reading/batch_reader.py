"""Reads the details that one call returns for many items."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.selectors import select
from cloudops_nb.scanner.calls.call_errors import READ_FAILURES, BrokenAnswerError, failure_unless_expired
from cloudops_nb.scanner.reading.detail_reader import DetailedItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.scanner.reading.resource_listing import FanOut
    from cloudops_nb.scanner.task import ScanTask
    from cloudops_nb.specs.model import BatchCall


class BatchReader:
    """Reads the batch calls of one task's items; if a call fails, its items lack the answer.

    Expired credentials are raised, because they concern the whole task.
    """

    def __init__(self, task: ScanTask, calls: AwsCalls, fan_out: FanOut) -> None:
        self._spec = task.spec
        self._region = task.call_region
        self._calls = calls
        self._fan_out = fan_out

    def read(self, items: Sequence[Mapping[str, Any]]) -> Sequence[DetailedItem]:
        """Return the items with the answers of their batch calls, without items that were deleted in between."""
        read: Sequence[DetailedItem] = [DetailedItem(item) for item in items]
        for batch in self._spec.batches:
            groups = list(_call_groups(batch, read))
            answers = self._fan_out(partial(self._with_batch_answers, batch), groups)
            read = [each for group in answers for each in group]
        return read

    def _with_batch_answers(self, batch: BatchCall, group: Sequence[DetailedItem]) -> Sequence[DetailedItem]:
        try:
            found = self._answers_by_key(batch, group)
        except READ_FAILURES as error:
            failure = failure_unless_expired(error, self._region)
            return [each.without_answer(batch.into, failure) for each in group]
        return [
            each.with_answer(batch.into, found[key])
            for each in group
            if (key := str(select(batch.key, each.data))) in found
        ]

    def _answers_by_key(self, batch: BatchCall, group: Sequence[DetailedItem]) -> Mapping[str, Any]:
        """Make one call, and return its answers by key."""
        given = {name: select(selector, group[0].data) for name, selector in batch.parameters.items()}
        # All items of a group have equal parameters, so those of the first one are used.
        given[batch.keys] = [select(batch.key, each.data) for each in group]
        answer = self._calls.call(self._spec.called, self._region, batch.operation, given)
        items = select(batch.items, answer)
        if items is None:
            raise BrokenAnswerError(f"{batch.operation} returned no {batch.items}")
        found = {str(select(batch.match, item)): item for item in items}
        if len(group) > 1 and found.keys().isdisjoint(map(str, given[batch.keys])):
            # One item may have been deleted since it was listed; all of several at once points to a broken answer.
            raise BrokenAnswerError(f"{batch.operation} returned none of {len(group)} requested items")
        return found


def _call_groups(batch: BatchCall, read: Sequence[DetailedItem]) -> Iterator[Sequence[DetailedItem]]:
    """Yield the items that share a call: items with equal parameters, at most as many as a call accepts."""
    alike: dict[str, list[DetailedItem]] = {}
    for each in read:
        given = [select(selector, each.data) for selector in batch.parameters.values()]
        alike.setdefault(json.dumps(given, default=str), []).append(each)
    for members in alike.values():
        yield from (members[start : start + batch.size] for start in range(0, len(members), batch.size))
