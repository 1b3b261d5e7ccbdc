"""Reads details of listed items with detail calls, each of which returns one detail of one item."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cloudops_nb.aws.error_states import error_code
from cloudops_nb.declarations.selectors import fields, holds, select
from cloudops_nb.scanner.calls.call_errors import READ_FAILURES, failure_unless_expired
from cloudops_nb.scanner.reading.resource_builder import NOT_REQUESTED, region_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.aws.error_states import Failure
    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.scanner.task import ScanTask
    from cloudops_nb.specs.model import DetailCall


@dataclass(frozen=True, slots=True)
class DetailedItem:
    """A listed item with the responses of its batch and detail calls.

    The declaration of each call gives a name to the response: ``into``.

    Attributes:
        data: The item's fields, and the responses by name.
        failures: The failures of calls, each under the name of the response that is missing.
        not_requested: The names of responses that this scan does not request, because it does not read every detail.
    """

    data: Mapping[str, Any]
    failures: Mapping[str, Failure] = field(default_factory=dict)
    not_requested: frozenset[str] = frozenset()

    @property
    def unread(self) -> Mapping[str, str]:
        """The name of each missing response, and why it is missing."""
        if not self.failures and not self.not_requested:
            return {}
        failed = {name: failure.detail for name, failure in self.failures.items()}
        return {**failed, **dict.fromkeys(self.not_requested, NOT_REQUESTED)}

    def with_response(self, name: str, response: Any) -> DetailedItem:
        """Return a copy of the item with a response added."""
        return replace(self, data={**self.data, name: response})

    def without_response(self, name: str, failure: Failure) -> DetailedItem:
        """Return a copy of the item that records why a response is missing."""
        return replace(self, failures={**self.failures, name: failure})


class DetailReader:
    """Reads the details of one task's items; thread-safe.

    If the credentials expired, the error is raised, because the whole task must then be repeated. Any other failure is
    recorded in the item.
    """

    def __init__(self, task: ScanTask, calls: AwsCalls) -> None:
        self._spec = task.spec
        self._region = task.call_region
        self._cell_region = task.region
        self._every_detail = task.every_detail
        self._calls = calls

    @property
    def makes_calls(self) -> bool:
        """Whether this scan reads any details of the task's type."""
        return any(self._every_detail or not detail.on_demand for detail in self._spec.details)

    def read(self, item: DetailedItem) -> DetailedItem | None:
        """Return an item with the responses of its detail calls, ``None`` if the resource no longer exists."""
        # Keep the order of the spec, because a detail call may depend on earlier responses.
        for detail in self._spec.details:
            extended = self._with_detail(detail, item)
            if extended is None:
                return None
            item = extended
        return item

    def _with_detail(self, detail: DetailCall, item: DetailedItem) -> DetailedItem | None:
        needed = _needed_fields(detail)
        if (detail.on_demand and not self._every_detail) or needed & item.not_requested:
            return replace(item, not_requested=item.not_requested | {detail.into})
        if missing := needed & item.failures.keys():
            return item.without_response(detail.into, item.failures[min(missing)])
        return self._with_response(detail, item)

    def _with_response(self, detail: DetailCall, item: DetailedItem) -> DetailedItem | None:
        try:
            needless = detail.when is not None and not holds(detail.when, item.data)
            return item if needless else item.with_response(detail.into, self._response(detail, item.data))
        except READ_FAILURES as error:
            code = error_code(error) if isinstance(error, ClientError) else ""
            if code in detail.gone:
                return None
            if code in detail.absent:
                return item.with_response(detail.into, {})
            return item.without_response(detail.into, failure_unless_expired(error, self._region))

    def _response(self, detail: DetailCall, data: Mapping[str, Any]) -> dict[str, Any]:
        # If a resource has a region of its own, call that region: S3 serves bucket details only in the bucket's region.
        region = self._region if self._spec.region is None else region_of(self._spec, data, self._cell_region)
        parameters = {name: select(selector, data) for name, selector in detail.parameters.items()}
        response = self._calls.joined_pages(self._spec.called, region, detail.operation, parameters)
        response.pop("ResponseMetadata", None)
        return response


def _needed_fields(detail: DetailCall) -> frozenset[str]:
    """Return the fields of an item that a detail call depends on; these may include earlier responses."""
    of_condition = fields(detail.when) if detail.when else frozenset[str]()
    return of_condition.union(*(fields(selector) for selector in detail.parameters.values()))
