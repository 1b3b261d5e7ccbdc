"""An unchanged resource is equal at the next scan; otherwise every row would be written again each time."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.declarations.selectors import fields, select
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws import SyntheticAws

if TYPE_CHECKING:
    from cloudops_nb.model import Resource

pytestmark = pytest.mark.fast

#: Fields that AWS changes by itself all the time, or whenever somebody uses a resource.
MOVING = {
    "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible",
    "AvailableIpAddressCount", "EstimatedNumberOfUsers", "ItemCount", "LastCrawl", "LastExecutionDate",
    "LastLaunchedTime", "LastPingDateTime", "LastProcessingResult", "LastSeen", "LastUsedDate",
    "LatestDeliveryTime", "LatestRestorableTime", "PasswordLastUsed", "SizeInBytes", "TableSizeBytes",
    "lastStatusChangeTime", "storedBytes",
}  # fmt: skip
#: What makes such a field stand still: a day, two digits, or a yes or no.
STILL = re.compile(r"^(day\(|roughly\(|!)|starts_with\(|LastCrawl\.Status")


def test_no_type_keeps_what_moves_all_the_time() -> None:
    moving = [
        f"{spec.resource_type} {name}: {selector}"
        for spec in bundled_specs()
        for name, selector in (spec.facts | spec.metadata).items()
        if fields(selector) & MOVING and not STILL.search(selector)
    ]
    assert not moving, f"write day(…) or roughly(…) around what changes by itself in: {', '.join(moving)}"


@pytest.mark.parametrize(
    ("before", "after"), [(0, 0), (None, None), (7, 7), (99, 99), (251, 250), (4091, 4100), (123_456_789, 120_000_000)]
)
def test_a_rough_number_has_two_digits(before: int | None, after: int | None) -> None:
    assert select("roughly(x)", {"x": before}) == after


@pytest.mark.parametrize("moment", [datetime(2025, 1, 31, 23, tzinfo=UTC), "2025-01-31T23:00:00Z"])
def test_a_day_is_what_a_time_begins_with(moment: Any) -> None:
    assert select("day(x)", {"x": moment}) == "2025-01-31"
    assert select("day(x)", {}) is None


def scanned(answers: dict[Any, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Resource]:
    """Return the resources of an estate by type, without when they were read."""
    aws = SyntheticAws(answers)
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    types = ("rds_instance", "sqs_queue")
    sessions = AccountSessions(aws.accounts, events=aws.events())
    scanner = Scanner(sessions, threads=4, specs=[spec for spec in bundled_specs() if spec.resource_type in types])
    pages = [item for item in scanner.scan(regions=["eu-west-1"]) if isinstance(item, PageRead)]
    sessions.close()
    return {each.resource_type: replace(each, last_synced=None) for page in pages for each in page.resources}


def test_what_is_only_used_is_the_same_at_the_next_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(minutes: int, messages: int, groups: list[str]) -> dict[Any, Any]:
        database = {
            "DBInstanceIdentifier": "pg-main",
            "DBInstanceArn": "arn:aws:rds:eu-west-1:123456789012:db:pg-main",
            "DBInstanceStatus": "available",
            "LatestRestorableTime": datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes),
            "VpcSecurityGroups": [{"VpcSecurityGroupId": name} for name in groups],
        }
        counted = {"ApproximateNumberOfMessages": str(messages)}
        return {
            ("*", "*", "rds", "DescribeDBInstances"): [database],
            ("*", "*", "sqs", "ListQueues"): ["https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"],
            ("*", "*", "sqs", "GetQueueAttributes"): {"Attributes": counted},
        }

    first = scanned(answers(0, 3, ["sg-1", "sg-2"]), monkeypatch)
    assert set(first) == {"rds_instance", "sqs_queue"}
    assert scanned(answers(15, 40, ["sg-2", "sg-1"]), monkeypatch) == first
    assert scanned(answers(15, 40, ["sg-2", "sg-3"]), monkeypatch) != first
