"""CloudTrail's record decides what an incremental scan reads; a failed lookup counts as a change."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
from cloudops_nb.scanner.planning.cloudtrail_changes import MAX_PAGES, RecordedChanges, changes_since, event_sources
from cloudops_nb.specs.checks.botocore_models import service_model
from cloudops_nb.specs.files import bundled_specs
from tests.scanner.bundled import bundled_spec
from tests.synthetic_aws import SyntheticAws
from tests.synthetic_aws.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.fast

REGION = "eu-west-1"
MOMENT = datetime(2025, 1, 1, 12, tzinfo=UTC)
#: Sources that are neither what requests are signed for nor what the endpoint is called.
_NEITHER = {"mq": "amazonmq"}


@pytest.fixture(scope="module")
def entered() -> Iterator[tuple[SyntheticAws, AccountSessions]]:
    """An account whose record every test writes anew, and the way into it."""
    aws = SyntheticAws()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in aws.environment.items():
            environment.setenv(name, value)
        sessions = AccountSessions(aws.accounts, events=aws.events())
        sessions.accounts()
    yield aws, sessions
    sessions.close()


@pytest.fixture
def look(entered: tuple[SyntheticAws, AccountSessions], monkeypatch: pytest.MonkeyPatch) -> Any:
    aws, sessions = entered
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)

    def changes(events: Sequence[Any], faults: Sequence[Fault] = ()) -> tuple[RecordedChanges, list[dict[str, Any]]]:
        asked: list[dict[str, Any]] = []

        def answer(call: Any) -> Sequence[Any]:
            asked.append(dict(call.parameters))
            return events

        aws.estate["*", "*", "cloudtrail", "LookupEvents"] = answer
        aws.faults[:] = faults
        account = sessions.accounts()[0].account_id
        calls = AwsCalls(sessions, account, RateLimiter(), threading.Event())
        return changes_since(calls, REGION, MOMENT), asked

    return changes


def event(source: str, number: int = 0) -> dict[str, Any]:
    return {
        "EventId": str(number),
        "EventName": "Change",
        "EventSource": source,
        "EventTime": MOMENT + timedelta(minutes=1),
    }


def test_types_of_a_service_with_a_writing_call_may_have_changed(look: Any) -> None:
    changes, asked = look([event("ec2.amazonaws.com"), event("monitoring.amazonaws.com")])

    assert changes.may_affect(bundled_spec("ec2_instance"), MOMENT)
    assert not changes.may_affect(bundled_spec("rds_instance"), MOMENT)
    assert changes.may_affect(bundled_spec("cloudwatch_alarm"), MOMENT)
    assert asked[0]["LookupAttributes"] == [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]
    assert asked[0]["StartTime"] == MOMENT


def test_what_changed_before_a_cell_was_read_is_known_already(look: Any) -> None:
    changes, _ = look([event("ec2.amazonaws.com")])
    assert not changes.may_affect(bundled_spec("ec2_instance"), MOMENT + timedelta(minutes=2))


def test_the_newest_event_of_a_service_counts_in_any_order(look: Any) -> None:
    later = {**event("ec2.amazonaws.com", 1), "EventTime": MOMENT + timedelta(minutes=3)}
    for events in ([later, event("ec2.amazonaws.com")], [event("ec2.amazonaws.com"), later]):
        changes, _ = look(events)
        assert changes.may_affect(bundled_spec("ec2_instance"), MOMENT + timedelta(minutes=2))


def test_a_place_without_events_did_not_change(look: Any) -> None:
    changes, _ = look([])
    assert not any(changes.may_affect(spec, MOMENT) for spec in bundled_specs())


def test_a_call_that_may_concern_any_service_means_everything(look: Any) -> None:
    changes, _ = look([event("tagging.amazonaws.com")])
    assert all(changes.may_affect(spec, MOMENT) for spec in bundled_specs())
    assert changes.why_unknown == "tagging recorded a change that may concern any service"


def test_too_many_events_count_as_a_change_of_everything(look: Any) -> None:
    exactly = [event("ec2.amazonaws.com", number) for number in range(MAX_PAGES * 50)]
    assert not look(exactly)[0].why_unknown
    changes, asked = look([*exactly, event("rds.amazonaws.com")])
    assert changes.why_unknown == f"more than {MAX_PAGES * 50} changes were recorded"
    assert changes.may_affect(bundled_spec("s3_bucket"), MOMENT)
    assert len(asked) <= MAX_PAGES + 1


@pytest.mark.parametrize("kind", ["denied", "reset", "malformed", "half"])
def test_what_cannot_be_looked_up_counts_as_changed(look: Any, kind: str) -> None:
    changes, _ = look([event("ec2.amazonaws.com")], [Fault(kind, operation="LookupEvents")])
    assert changes.why_unknown.startswith("the recorded changes cannot be looked up: ")
    assert all(changes.may_affect(spec, MOMENT) for spec in bundled_specs())


def test_sources_are_what_services_sign_for_or_are_called() -> None:
    def known(service: str) -> set[str | None]:
        metadata = service_model(service).metadata
        return {metadata.get("signingName"), metadata["endpointPrefix"], _NEITHER.get(service)}

    services = {spec.service for spec in bundled_specs()}
    untold = sorted(service for service in services if not event_sources(service) & known(service))
    assert not untold, f"event_sources.yaml: add what CloudTrail calls the source of {', '.join(untold)}, under sources"
