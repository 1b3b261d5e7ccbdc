"""Reads details of listed items with batch calls, each of which returns the details of several items."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.selectors import select
from cloudops_nb.scanner.calls.call_errors import READ_FAILURES, BrokenResponseError, failure_unless_expired
from cloudops_nb.scanner.reading.detail_reader import DetailedItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.scanner.reading.resource_listing import FanOut
    from cloudops_nb.scanner.task import ScanTask
    from cloudops_nb.specs.model import BatchCall


class BatchReader:
    """Makes the batch calls for one task's items.

    If a call fails, each item of that call records why its details are missing. But if the credentials expired, the
    error is raised, because the whole task must then be repeated.
    """

    def __init__(self, task: ScanTask, calls: AwsCalls, fan_out: FanOut) -> None:
        self._spec = task.spec
        self._region = task.call_region
        self._calls = calls
        self._fan_out = fan_out

    def read(self, items: Sequence[Mapping[str, Any]]) -> Sequence[DetailedItem]:
        """Return the items, each with its details from the batch calls.

        Items that were deleted after they were listed are left out.
        """
        detailed: Sequence[DetailedItem] = [DetailedItem(item) for item in items]
        for batch in self._spec.batches:
            groups = list(_call_groups(batch, detailed))
            completed_groups = self._fan_out(partial(self._with_responses, batch), groups)
            detailed = [item for group in completed_groups for item in group]
        return detailed

    def _with_responses(self, batch: BatchCall, group: Sequence[DetailedItem]) -> Sequence[DetailedItem]:
        try:
            by_key = self._descriptions_by_key(batch, group)
        except READ_FAILURES as error:
            failure = failure_unless_expired(error, self._region)
            return [item.without_response(batch.into, failure) for item in group]
        return [
            item.with_response(batch.into, by_key[key])
            for item in group
            if (key := str(select(batch.key, item.data))) in by_key
        ]

    def _descriptions_by_key(self, batch: BatchCall, group: Sequence[DetailedItem]) -> Mapping[str, Any]:
        """Make one batch call, and return a mapping from each item's key to the response's element for that item."""
        # All items of a group have equal parameters, so those of the first item are used.
        parameters = {name: select(selector, group[0].data) for name, selector in batch.parameters.items()}
        parameters[batch.keys] = [select(batch.key, item.data) for item in group]
        response = self._calls.call(self._spec.called, self._region, batch.operation, parameters)
        descriptions = select(batch.items, response)
        if descriptions is None:
            raise BrokenResponseError(f"{batch.operation} returned no {batch.items}")
        by_key = {str(select(batch.match, each)): each for each in descriptions}
        if len(group) > 1 and by_key.keys().isdisjoint(map(str, parameters[batch.keys])):
            # A single item may have been deleted after it was listed. But if all of several items are missing, the
            # response is probably broken.
            raise BrokenResponseError(f"{batch.operation} returned none of {len(group)} requested items")
        return by_key


def _call_groups(batch: BatchCall, items: Sequence[DetailedItem]) -> Iterator[Sequence[DetailedItem]]:
    """Yield the items in groups, one for each call: items with equal parameters, at most as many as a call accepts."""
    by_parameters: dict[str, list[DetailedItem]] = {}
    for item in items:
        parameters = [select(selector, item.data) for selector in batch.parameters.values()]
        by_parameters.setdefault(json.dumps(parameters, default=str), []).append(item)
    for members in by_parameters.values():
        yield from (members[start : start + batch.size] for start in range(0, len(members), batch.size))
