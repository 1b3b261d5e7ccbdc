"""Finds the services whose resources may have changed in an account and region, from CloudTrail's record of calls.

In every account and region, CloudTrail keeps the management events of the last 90 days. A new event appears within
minutes: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import AwsError
from cloudops_nb.scanner.calls.call_errors import ResponseError, failure_of
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.specs.model import ResourceSpec

SERVICE: Final = "cloudtrail"
OPERATION: Final = "LookupEvents"
#: The time by which a lookup starts before the resources were last read. Events may appear 15 minutes late, and the
#: local clock may differ from AWS's clock by 5 minutes. If the clocks differ by more, AWS refuses the signatures.
OVERLAP: Final = timedelta(minutes=15 + 5)
#: The largest number of pages of events to read. If there are more, everything in the region counts as changed, because
#: it is cheaper to read all its resources again.
MAX_PAGES: Final = 20
_EVENTS_PER_PAGE: Final = 50
_SOURCE_SUFFIX: Final = ".amazonaws.com"
_WRITE_EVENTS: Final = [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]


@dataclass(frozen=True, slots=True)
class RecordedChanges:
    """The changes that CloudTrail recorded in one account and region.

    Attributes:
        sources: The time of the newest event of each event source, by the source's name without ``.amazonaws.com``.
        why_unknown: The reason why any resource may have changed; empty if ``sources`` covers all changes.
        pages: The number of calls that were made.
    """

    sources: Mapping[str, datetime] = field(default_factory=dict)
    why_unknown: str = ""
    pages: int = 0

    def may_affect(self, spec: ResourceSpec, since: datetime) -> bool:
        """Return whether resources of a type may have changed since a time; true if in doubt."""
        if self.why_unknown or spec.service not in _services_with_known_source():
            return True
        newest = (self.sources.get(source) for source in event_sources(spec.service))
        return any(at is not None and at > since for at in newest)


def changes_since(calls: AwsCalls, region: str, since: datetime) -> RecordedChanges:
    """Look up the changes in an account and region since a time; if a call fails, ``why_unknown`` says why.

    Args:
        calls: The paced calls into the account.
        region: The region to look in. CloudTrail records events of global services in the partition's home region.
        since: The start of the period, in UTC.

    Raises:
        ConfigurationError: The account is not configured, or its credentials are now another account's.
        ScanStoppedError: The scan was stopped.
    """
    parameters = {"LookupAttributes": _WRITE_EVENTS, "StartTime": since}
    sources: dict[str, datetime] = {}
    page_count = 0
    try:
        pages = calls.pages(SERVICE, region, OPERATION, parameters, _EVENTS_PER_PAGE)
        for page in islice(pages, MAX_PAGES):
            page_count += 1
            for event in page.get("Events", ()):
                source = str(event.get("EventSource", "")).removesuffix(_SOURCE_SUFFIX)
                sources[source] = max(sources.get(source, since), event["EventTime"])
        if next(pages, None) is not None:
            why = f"more than {MAX_PAGES * _EVENTS_PER_PAGE} changes were recorded"
            return RecordedChanges(why_unknown=why, pages=page_count + 1)
    except (ClientError, BotoCoreError, AwsError, ResponseError) as error:
        why = f"the recorded changes cannot be looked up: {failure_of(error, region=region).detail}"
        return RecordedChanges(why_unknown=why, pages=page_count + 1)
    if of_any_service := sorted(_event_source_table()["any_service"] & sources.keys()):
        why = f"{of_any_service[0]} recorded a change that may concern any service"
        return RecordedChanges(why_unknown=why, pages=page_count)
    return RecordedChanges(sources, pages=page_count)


def event_sources(service: str) -> frozenset[str]:
    """Return the event sources of a service in CloudTrail: ``monitoring`` for botocore's service ``cloudwatch``."""
    sources: Iterable[str] = _event_source_table()["sources"].get(service, (service,))
    return frozenset(sources)


@cache
def _services_with_known_source() -> frozenset[str]:
    """Return the services of the bundled types; for all other services, the event source may be unknown."""
    return frozenset(spec.service for spec in bundled_specs())


@cache
def _event_source_table() -> dict[str, Any]:
    table = bundled_table(__package__, "event_sources.yaml")
    return {"sources": table["sources"], "any_service": frozenset(table["any_service"])}
