"""What a scan does while it waits to be let in costs no call, hides no error, and changes nothing of what it finds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import CredentialsError
from cloudops_nb.model import Account
from cloudops_nb.scanner import AccountSessions, PageRead, Scanner, bundled_specs
from cloudops_nb.scanner.preparation import prepared_meanwhile
from cloudops_nb.scanner.tasks import Selection, ended_together, tasks
from tests.synthetic_aws import EstateOfSpecs, Fault, SyntheticAws

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.fast

REGIONS = ("eu-west-1", "us-east-1")
SPECS = [spec for spec in bundled_specs() if spec.resource_type in ("ec2_instance", "lambda_function", "s3_bucket")]
CHOSEN = Selection(tuple(SPECS), None, None)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> SyntheticAws:
    made = SyntheticAws(
        otherwise=EstateOfSpecs(SPECS, regions=REGIONS, count=2),
        accounts=["111122223333", "444455556666"],
        regions=REGIONS,
    )
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def sessions(aws: SyntheticAws) -> Iterator[AccountSessions]:
    made = AccountSessions(aws.accounts, threads=4, events=aws.events())
    yield made
    made.close()


def _prepared(sessions: AccountSessions, clients: int) -> None:
    """Prepare until there are so many clients, or nothing is left to be done."""
    Scanner(sessions, threads=4, specs=SPECS)
    with prepared_meanwhile(CHOSEN, sessions):
        preparing = [each for each in threading.enumerate() if each.name.startswith("cloudops-preparation")]
        while any(each.is_alive() for each in preparing) and _clients(sessions) < clients:
            preparing[0].join(0.01)


def _clients(sessions: AccountSessions) -> int:
    return sum(len(session._clients) for session in sessions.likely())


def test_no_call_is_made(aws: SyntheticAws, sessions: AccountSessions) -> None:
    _prepared(sessions, clients=20)
    assert _clients(sessions) >= 20
    assert not aws.calls


def test_a_scan_finds_the_same_with_the_same_calls(aws: SyntheticAws, sessions: AccountSessions) -> None:
    def scanned(through: AccountSessions) -> tuple[set[str], Any]:
        aws.forget_calls()
        items = list(Scanner(through, threads=4, specs=SPECS).scan())
        rows = {row.canonical_key for page in items if isinstance(page, PageRead) for row in page.resources}
        return rows, dict(aws.calls)

    unprepared = AccountSessions(aws.accounts, threads=4, events=aws.events())
    unprepared.accounts()
    rows, _ = scanned(unprepared)
    _prepared(sessions, clients=40)
    found, calls = scanned(sessions)
    assert rows
    assert found == rows
    for account in ("111122223333", "444455556666"):
        asked = [number for place, number in calls.items() if place[0] == account and place[3] == "DescribeRegions"]
        assert asked == [1], "the regions of an account are asked for once"
    unprepared.close()


def test_who_may_not_ask_for_regions_is_asked_once_a_scan(aws: SyntheticAws, sessions: AccountSessions) -> None:
    aws.faults.append(Fault("denied", operation="DescribeRegions"))
    todo = tasks(CHOSEN, sessions)
    assert {task.region for task in todo} > set(REGIONS), "the default regions stand in"
    assert all("regions assumed" in task.note for task in todo)
    assert aws.count("DescribeRegions") == len(aws.accounts)


def test_an_account_that_cannot_be_opened_says_so_as_ever(aws: SyntheticAws) -> None:
    sessions = AccountSessions([Account(name="gone", profile="no-such-profile")], events=aws.events())
    with pytest.raises(CredentialsError, match="no-such-profile"):
        tasks(CHOSEN, sessions)


def test_what_takes_several_calls_does_not_begin_last(sessions: AccountSessions) -> None:
    todo = tasks(CHOSEN, sessions)
    for threads in (1, 2, 64):
        ordered = ended_together(todo, threads)
        assert sorted(map(repr, ordered)) == sorted(map(repr, todo)), "no task is lost"
        assert list(ordered[: -2 * threads]) == list(todo[: -2 * threads]), "regions end one after the other"
    one_call = [not task.spec.details and not (task.spec.tags and task.spec.tags.filter) for task in ordered]
    assert one_call == sorted(one_call), "what takes one call ends the scan"
