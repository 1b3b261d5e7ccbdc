"""Reads the tags of a type's resources in a region by one listing, for types whose own listing has no tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cloudops_nb.scanner.calls.call_errors import READ_FAILURES, BrokenAnswerError, failure_unless_expired

if TYPE_CHECKING:
    from cloudops_nb.aws.error_states import Failure
    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.scanner.task import ScanTask

TAGGING_SERVICE = "resourcegroupstaggingapi"
TAGGING_OPERATION = "GetResources"
#: The largest page that AWS allows.
_TAGGING_PAGE = 100

#: Tags by ARN.
TagListing = Mapping[str, Mapping[str, str]]


def listed_tags(task: ScanTask, calls: AwsCalls) -> TagListing | Failure | None:
    """Return the tags of the task's resources by ARN, or why they are missing; ``None`` if tags come another way.

    Expired credentials are raised, because they concern the whole task.
    """
    source = task.spec.tags
    if source is None or not source.filter:
        return None
    given = {"ResourceTypeFilters": [source.filter]}
    try:
        return {
            mapping["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in mapping["Tags"]}
            for page in calls.pages(TAGGING_SERVICE, task.call_region, TAGGING_OPERATION, given, _TAGGING_PAGE)
            for mapping in _tag_mappings(page)
        }
    except READ_FAILURES as error:
        return failure_unless_expired(error, task.call_region)


def _tag_mappings(page: Mapping[str, Any]) -> Any:
    found = page.get("ResourceTagMappingList")
    if found is None:
        raise BrokenAnswerError(f"{TAGGING_OPERATION} returned no ResourceTagMappingList")
    return found
