"""The services whose resources changed in an account and region, by the writing calls that CloudTrail recorded.

CloudTrail keeps management events of the last 90 days in every account and region, and shows them within minutes:
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html.
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
from cloudops_nb.scanner.calls.call_errors import AnswerError, failure_of
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cloudops_nb.scanner.calls.aws_calls import AwsCalls
    from cloudops_nb.specs.model import ResourceSpec

SERVICE: Final = "cloudtrail"
OPERATION: Final = "LookupEvents"
#: How far before the last reading a lookup starts: events may appear 15 minutes late, and the local clock may differ
#: from AWS's by 5 minutes; AWS refuses signatures with a larger difference.
OVERLAP: Final = timedelta(minutes=15 + 5)
#: Pages of events after which a region counts as changed altogether: reading its cells again is cheaper.
MOST_PAGES: Final = 20
_EVENTS_PER_PAGE: Final = 50
_SUFFIX: Final = ".amazonaws.com"
_WRITES: Final = [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]


@dataclass(frozen=True, slots=True)
class RecordedChanges:
    """The newest event of each event source in one account and region.

    ``unknown`` is the reason why everything may have changed, empty if the record was read to its end. ``pages`` counts
    the calls that were made.
    """

    sources: Mapping[str, datetime] = field(default_factory=dict)
    unknown: str = ""
    pages: int = 0

    def may_affect(self, spec: ResourceSpec, since: datetime) -> bool:
        """Return whether resources of a type may have changed since a moment; if in doubt, they may."""
        if self.unknown or spec.service not in _services_with_known_source():
            return True
        newest = (self.sources.get(source) for source in event_sources(spec.service))
        return any(at is not None and at > since for at in newest)


def changes_since(calls: AwsCalls, region: str, moment: datetime) -> RecordedChanges:
    """Look up the changes in an account and region since a moment; a failed lookup counts as a change of everything.

    Args:
        calls: The paced calls into the account.
        region: The region; global services record their events in the partition's home region.
        moment: The start of the period, UTC.

    Raises:
        ScanStoppedError: The scan was stopped.
    """
    given = {"LookupAttributes": _WRITES, "StartTime": moment}
    sources: dict[str, datetime] = {}
    read = 0
    try:
        pages = calls.pages(SERVICE, region, OPERATION, given, _EVENTS_PER_PAGE)
        for page in islice(pages, MOST_PAGES):
            read += 1
            for event in page.get("Events", ()):
                source = str(event.get("EventSource", "")).removesuffix(_SUFFIX)
                sources[source] = max(sources.get(source, moment), event["EventTime"])
        # A further page exists, so the record was not read to its end.
        if next(pages, None) is not None:
            return RecordedChanges(
                unknown=f"more than {MOST_PAGES * _EVENTS_PER_PAGE} changes were recorded", pages=read + 1
            )
    except (ClientError, BotoCoreError, AwsError, AnswerError) as error:
        why = failure_of(error, region=region).detail
        return RecordedChanges(unknown=f"its changes cannot be looked up: {why}", pages=read + 1)
    if anything := sorted(_event_source_table()["anything"] & sources.keys()):
        return RecordedChanges(unknown=f"{anything[0]} may have changed anything", pages=read)
    return RecordedChanges(sources, pages=read)


def event_sources(service: str) -> frozenset[str]:
    """Return the event sources under which CloudTrail records a service."""
    sources: Iterable[str] = _event_source_table()["sources"].get(service, (service,))
    return frozenset(sources)


@cache
def _services_with_known_source() -> frozenset[str]:
    """Return the services whose event sources are known."""
    return frozenset(spec.service for spec in bundled_specs())


@cache
def _event_source_table() -> dict[str, Any]:
    table = bundled_table(__package__, "event_sources.yaml")
    return {"sources": table["sources"], "anything": frozenset(table["anything"])}
