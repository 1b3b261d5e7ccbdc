"""Lists the tags of all resources of a type in a region, for types whose own list call returns no tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cloudops_nb.scanner.calls.call_errors import READ_FAILURES, BrokenResponseError, failure_unless_expired

if TYPE_CHECKING:
    from cloudops_nb.aws.error_states import Failure
    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.scanner.task import ScanTask

TAGGING_SERVICE = "resourcegroupstaggingapi"
TAGGING_OPERATION = "GetResources"
#: The largest page size that AWS allows.
_PAGE_SIZE = 100

#: Tags by ARN.
TagListing = Mapping[str, Mapping[str, str]]


def listed_tags(task: ScanTask, calls: AwsCalls) -> TagListing | Failure | None:
    """Return the tags of the task's resources by ARN, or the failure that explains why they are missing.

    Returns ``None`` if the type's tags do not come from the tagging API. If the credentials expired, the error is
    raised, because the whole task must then be repeated.
    """
    source = task.spec.tags
    if source is None or not source.filter:
        return None
    parameters = {"ResourceTypeFilters": [source.filter]}
    try:
        return {
            mapping["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in mapping["Tags"]}
            for page in calls.pages(TAGGING_SERVICE, task.call_region, TAGGING_OPERATION, parameters, _PAGE_SIZE)
            for mapping in _tag_mappings(page)
        }
    except READ_FAILURES as error:
        return failure_unless_expired(error, task.call_region)


def _tag_mappings(page: Mapping[str, Any]) -> Any:
    mappings = page.get("ResourceTagMappingList")
    if mappings is None:
        raise BrokenResponseError(f"{TAGGING_OPERATION} returned no ResourceTagMappingList")
    return mappings
