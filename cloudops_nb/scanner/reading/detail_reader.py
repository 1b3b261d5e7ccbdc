"""Reads the details of items that their listing does not include, by one call per item and detail."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cloudops_nb.aws.error_states import error_code
from cloudops_nb.declarations.selectors import fields, holds, select
from cloudops_nb.scanner.calls.call_errors import READ_FAILURES, failure_unless_expired
from cloudops_nb.scanner.reading.resource_builder import NOT_ASKED, region_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.aws.error_states import Failure
    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.scanner.task import ScanTask
    from cloudops_nb.specs.model import DetailCall


@dataclass(frozen=True, slots=True)
class DetailedItem:
    """An item with the answers of its further calls, the failures of others, and the names of those not made."""

    data: Mapping[str, Any]
    failures: Mapping[str, Failure] = field(default_factory=dict)
    not_asked: frozenset[str] = frozenset()

    @property
    def unread(self) -> Mapping[str, str]:
        """The reasons for the missing answers, by the answers' names."""
        if not self.failures and not self.not_asked:
            return {}
        failed = {name: failure.detail for name, failure in self.failures.items()}
        return {**failed, **dict.fromkeys(self.not_asked, NOT_ASKED)}

    def with_answer(self, into: str, answer: Any) -> DetailedItem:
        """Return the item with an answer added."""
        return replace(self, data={**self.data, into: answer})

    def without_answer(self, into: str, failure: Failure) -> DetailedItem:
        """Return the item with the reason for a missing answer."""
        return replace(self, failures={**self.failures, into: failure})


class DetailReader:
    """Reads the details of one task's items; thread-safe.

    Expired credentials are raised, because they concern the whole task; any other failure is part of the item.
    """

    def __init__(self, task: ScanTask, calls: AwsCalls) -> None:
        self._spec = task.spec
        self._region = task.call_region
        self._cell_region = task.region
        self._every_detail = task.every_detail
        self._calls = calls

    @property
    def makes_calls(self) -> bool:
        """Whether the task's type has details to read at all."""
        return any(self._every_detail or not detail.on_demand for detail in self._spec.details)

    def read(self, item: DetailedItem) -> DetailedItem | None:
        """Return an item with the answers of its detail calls, ``None`` if the resource was deleted in between."""
        # In the order of the spec, because a detail may depend on earlier answers.
        for detail in self._spec.details:
            found = self._with_detail(detail, item)
            if found is None:
                return None
            item = found
        return item

    def _with_detail(self, detail: DetailCall, item: DetailedItem) -> DetailedItem | None:
        needed = _needed_fields(detail)
        if (detail.on_demand and not self._every_detail) or needed & item.not_asked:
            return replace(item, not_asked=item.not_asked | {detail.into})
        if missing := needed & item.failures.keys():
            return item.without_answer(detail.into, item.failures[min(missing)])
        return self._with_detail_answer(detail, item)

    def _with_detail_answer(self, detail: DetailCall, item: DetailedItem) -> DetailedItem | None:
        try:
            needless = detail.when is not None and not holds(detail.when, item.data)
            return item if needless else item.with_answer(detail.into, self._detail_answer(detail, item.data))
        except READ_FAILURES as error:
            code = error_code(error) if isinstance(error, ClientError) else ""
            if code in detail.gone:
                return None
            if code in detail.absent:
                return item.with_answer(detail.into, {})
            return item.without_answer(detail.into, failure_unless_expired(error, self._region))

    def _detail_answer(self, detail: DetailCall, data: Mapping[str, Any]) -> dict[str, Any]:
        # S3 answers the calls about a bucket's details only in the bucket's region.
        region = self._region if self._spec.region is None else region_of(self._spec, data, self._cell_region)
        given = {name: select(selector, data) for name, selector in detail.parameters.items()}
        answer = self._calls.joined_pages(self._spec.called, region, detail.operation, given)
        answer.pop("ResponseMetadata", None)
        return answer


def _needed_fields(detail: DetailCall) -> frozenset[str]:
    """Return the fields, earlier answers among them, that a detail call depends on."""
    asked = fields(detail.when) if detail.when else frozenset[str]()
    return asked.union(*(fields(selector) for selector in detail.parameters.values()))
