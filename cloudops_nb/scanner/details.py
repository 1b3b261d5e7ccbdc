"""Reads what a listing does not say of its items: detail calls, and tags that come from a listing of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.errors import AwsError
from cloudops_nb.model import CellState
from cloudops_nb.scanner.calls import AwsCalls, TruncatedError
from cloudops_nb.scanner.cells import Failure, classify, error_code
from cloudops_nb.scanner.resources import Item, region_of
from cloudops_nb.scanner.selectors import holds, select

if TYPE_CHECKING:
    from cloudops_nb.scanner.spec import DetailCall, ResourceSpec

TAGGING_SERVICE = "resourcegroupstaggingapi"
TAGGING_OPERATION = "GetResources"
_TAGGING_PAGE = 100

#: Tags by ARN.
TagListing = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Detailed:
    """An item with its details, and why some are missing; ``item`` is ``None`` if the resource was gone by then."""

    item: Item | None
    failures: Mapping[str, Failure]


class DetailReader:
    """Reads the details of one task's items; thread-safe.

    Expired credentials concern the whole task, so they are raised; any other failure is returned beside what was read.
    """

    def __init__(self, spec: ResourceSpec, region: str, calls: AwsCalls) -> None:
        self._spec = spec
        self._region = region
        self._calls = calls

    def tags(self) -> TagListing | Failure | None:
        """Return the tags of the task's region by ARN, or why they are missing; ``None`` if tags come another way."""
        source = self._spec.tags
        if source is None or not source.filter:
            return None
        given = {"ResourceTypeFilters": [source.filter]}
        try:
            return {
                mapping["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in mapping["Tags"]}
                for page in self._calls.pages(TAGGING_SERVICE, self._region, TAGGING_OPERATION, given, _TAGGING_PAGE)
                for mapping in page["ResourceTagMappingList"]
            }
        except TruncatedError as error:
            return Failure(CellState.PARTIAL, str(error))
        except (ClientError, BotoCoreError, AwsError) as error:
            return self._unless_expired(error)

    def details(self, listed: Mapping[str, Any]) -> Detailed:
        """Return a listed item with the answers of its detail calls put in."""
        data, failures = dict(listed), {}
        for detail in self._spec.details:
            if detail.when and not holds(detail.when, data):
                continue
            try:
                data[detail.into] = self._detail(detail, data)
            except ClientError as error:
                code = error_code(error)
                if code in detail.gone:
                    return Detailed(None, {})
                if code in detail.absent:
                    data[detail.into] = {}
                else:
                    failures[detail.into] = self._unless_expired(error)
            except (BotoCoreError, AwsError) as error:
                failures[detail.into] = self._unless_expired(error)
        return Detailed(Item(data), failures)

    def _detail(self, detail: DetailCall, data: Mapping[str, Any]) -> dict[str, Any]:
        region = region_of(self._spec, data, self._region)
        given = {name: select(selector, data) for name, selector in detail.parameters.items()}
        answer = self._calls.call(self._spec.service, region, detail.operation, given)
        answer.pop("ResponseMetadata", None)
        return answer

    def _unless_expired(self, error: Exception) -> Failure:
        failure = classify(error, region=self._region)
        if failure.state is CellState.EXPIRED:
            raise error
        return failure
