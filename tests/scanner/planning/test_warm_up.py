"""A warm-up makes no call, hides no error, and changes nothing that the scan finds."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.errors import CredentialsError
from cloudops_nb.model import Account
from cloudops_nb.scanner.planning.scan_tasks import scan_tasks, short_tasks_last
from cloudops_nb.scanner.planning.warm_up import background_warm_up
from cloudops_nb.scanner.policies.verdicts import AccountVerdicts
from cloudops_nb.scanner.reading.task_reader import PageRead, building_slots
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.scanner.task import Selection
from cloudops_nb.specs.files import bundled_specs
from tests.scanner.bundled import bundled_spec
from tests.synthetic_aws import EstateOfSpecs, Fault, SyntheticAws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.specs.model import ResourceSpec


REGIONS = ("eu-west-1", "us-east-1")
TYPES = ("ec2_instance", "lambda_function", "s3_bucket")


def few() -> list[ResourceSpec]:
    """Return the declarations of the types that are scanned here."""
    return [bundled_spec(name) for name in TYPES]


def selection() -> Selection:
    """Return the selection of those types in every account and region."""
    return Selection(tuple(few()), None, None)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> SyntheticAws:
    made = SyntheticAws(
        otherwise=EstateOfSpecs(few(), regions=REGIONS, count=2),
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
    """Prepare until there are so many clients."""
    Scanner(sessions, threads=4, specs=few())
    deadline = time.monotonic() + 60
    with background_warm_up(selection(), sessions):
        while _clients(sessions) < clients and time.monotonic() < deadline:
            threading.Event().wait(0.01)


def _clients(sessions: AccountSessions) -> int:
    return sum(len(session._clients) for session in sessions.likely_sessions())


def test_no_call_is_made(aws: SyntheticAws, sessions: AccountSessions) -> None:
    _prepared(sessions, clients=20)
    assert _clients(sessions) >= 20
    assert not aws.calls


def test_no_call_is_made_to_learn_whose_renewed_credentials_are(aws: SyntheticAws, sessions: AccountSessions) -> None:
    first, _ = sessions.accounts()
    sessions.renew(first.account_id, sessions.generation(first.account_id))
    aws.forget_calls()
    _prepared(sessions, clients=1)  # the second account's, which comes after
    assert not aws.calls


def test_a_failed_preparation_is_left_to_the_scan(sessions: AccountSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        message = "a file of botocore's is broken"
        raise ValueError(message)

    monkeypatch.setattr(sessions, "preload_model", broken)
    _prepared(sessions, clients=3)
    assert _clients(sessions) >= 3


def test_clients_of_regions_that_an_account_has_not_are_not_kept(
    sessions: AccountSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*arguments: Any, **keywords: Any) -> Any:
        deadline = time.monotonic() + 60
        while _clients(sessions) < 20 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        return entered(*arguments, **keywords)

    entered = sessions.accounts
    monkeypatch.setattr(sessions, "accounts", late)
    scan_tasks(selection(), sessions)
    assert {place for session in sessions.likely_sessions() for _, place, _ in session._clients} == set(REGIONS)


def test_a_scan_finds_the_same_with_the_same_calls(aws: SyntheticAws, sessions: AccountSessions) -> None:
    def scanned(through: AccountSessions) -> tuple[set[str], Any]:
        aws.forget_calls()
        items = list(Scanner(through, threads=4, specs=few()).scan())
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


def test_denied_regions_are_asked_for_once_per_scan(aws: SyntheticAws, sessions: AccountSessions) -> None:
    aws.faults.append(Fault("denied", operation="DescribeRegions"))
    todo = scan_tasks(selection(), sessions)
    assert {task.region for task in todo} > set(REGIONS), "the default regions stand in"
    assert all("regions assumed" in task.note for task in todo)
    assert aws.count("DescribeRegions") == len(aws.accounts)


def test_an_account_that_cannot_be_opened_says_so_as_ever(aws: SyntheticAws) -> None:
    sessions = AccountSessions([Account(name="gone", profile="no-such-profile")], events=aws.events())
    with pytest.raises(CredentialsError, match="no-such-profile"):
        scan_tasks(selection(), sessions)


def test_what_takes_several_calls_does_not_begin_last(sessions: AccountSessions) -> None:
    kinds = ("ec2_key_pair", "ec2_instance", "ec2_placement_group", "lambda_function", "s3_bucket")
    chosen = [spec for name in kinds for spec in bundled_specs() if spec.resource_type == name]
    todo = scan_tasks(Selection(tuple(chosen), REGIONS, None), sessions)
    for threads in (1, 2, 64):
        ordered = short_tasks_last(todo, threads)
        assert sorted(map(repr, ordered)) == sorted(map(repr, todo)), "no task is lost"
        assert list(ordered[: -2 * threads]) == list(todo[: -2 * threads]), "regions end one after the other"
        simple = [
            task.spec.resource_type in ("ec2_key_pair", "ec2_placement_group") for task in ordered[-2 * threads :]
        ]
        assert simple == sorted(simple), "what takes one call ends the scan"
        assert len(set(simple)) == 2, "there are both kinds"


def test_the_regions_are_asked_for_while_an_account_is_entered(
    aws: SyntheticAws, sessions: AccountSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(account_ids: Any) -> Any:
        asked.append(aws.count("DescribeRegions"))
        return regions_of(account_ids)

    asked: list[int] = []
    regions_of = sessions.regions_of
    monkeypatch.setattr(sessions, "regions_of", noted)
    scan_tasks(selection(), sessions)
    assert [*asked, aws.count("DescribeRegions")] == [len(aws.accounts), len(aws.accounts)]


def test_clients_are_made_for_what_is_chosen_and_where_it_is_asked(
    sessions: AccountSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ("wafv2_global_web_acl", "globalaccelerator_accelerator", "apprunner_service", "ec2_instance")
    chosen = [spec for name in kinds for spec in bundled_specs() if spec.resource_type == name]
    Scanner(sessions, threads=4, specs=chosen)
    last, deadline = threading.Event(), time.monotonic() + 60
    made = sessions.likely_sessions()[0].client

    def noted(service: str, *rest: Any) -> Any:
        client = made(service, *rest)
        if service == "ec2":
            last.set()
        return client

    monkeypatch.setattr(sessions.likely_sessions()[0], "client", noted)
    with background_warm_up(Selection(tuple(chosen), ("eu-north-1",), ("account-1",)), sessions):
        assert last.wait(deadline - time.monotonic())
    first, second = sessions.likely_sessions()
    places = {(service, region) for service, region, _ in first._clients}
    assert places == {("wafv2", "us-east-1"), ("globalaccelerator", "us-west-2"), ("ec2", "eu-north-1")}
    assert all(edition for _, _, edition in first._clients), "they have only what is expected"
    assert not second._clients


def test_entry_waits_for_at_most_one_preparation_step(
    sessions: AccountSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended, steps = threading.Event(), threading.Event(), []

    class Pool(ThreadPoolExecutor):
        """Lets the step end only when the block has ended."""

        def shutdown(self, *arguments: Any, **keywords: Any) -> None:
            ended.set()
            super().shutdown(*arguments, **keywords)

    def read(service: str) -> None:
        steps.append(service)
        begun.set()
        ended.wait(30)

    monkeypatch.setattr(sessions, "preload_model", read)
    with background_warm_up(selection(), sessions):
        begun.wait(30)
        threading.Timer(0.2, ended.set).start()
    assert len(steps) == 1


def test_waiting_for_policies_takes_no_building_turn(
    sessions: AccountSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: list[int] = []
    prepare = AccountVerdicts.prepare

    def noted(verdicts: AccountVerdicts) -> Any:
        if threading.current_thread().name.startswith("cloudops-scan"):
            turns = 0
            while building_slots.acquire(blocking=False):
                turns += 1
            for _ in range(turns):
                building_slots.release()
            free.append(turns)
        return prepare(verdicts)

    monkeypatch.setattr(AccountVerdicts, "prepare", noted)
    list(Scanner(sessions, threads=1, specs=few()[:1]).scan(regions=["eu-west-1"]))
    assert free[0] > min(free), "whoever waits for policies takes nobody's turn"
