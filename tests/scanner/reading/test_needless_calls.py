"""Needless calls are not made, and a call that was not made never counts as an empty answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.error_states import NOT_OFFERED
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.model import CellResult, CellState
from cloudops_nb.scanner.reading.resource_builder import UNREAD
from cloudops_nb.scanner.reading.tag_listing import TAGGING_SERVICE
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws import EstateOfSpecs, Fault, SyntheticAws
from tests.synthetic_aws.errors import error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloudops_nb.model import Resource
    from tests.synthetic_aws import Answer, Call
    from tests.synthetic_aws.faults import Served

PROD = "123456789012"
#: Where App Runner is not offered.
WITHOUT, WITH = "af-south-1", "eu-west-1"
Scanned = tuple[SyntheticAws, dict[str, CellResult], "list[Resource]"]


@pytest.fixture
def scan(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scanned]]:
    """Scans types in regions of a synthetic AWS with so many resources of each."""
    opened = []
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)

    def run(*types: str, items: int = 1, regions: tuple[str, ...] = (WITH,), faults: Any = ()) -> Scanned:
        specs = [spec for spec in bundled_specs() if spec.resource_type in types]
        aws = SyntheticAws(otherwise=EstateOfSpecs(specs, regions=regions, count=items), regions=regions, faults=faults)
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        opened.append(AccountSessions(aws.accounts, threads=2, events=aws.events()))
        found = list(Scanner(opened[-1], threads=2, specs=specs).scan(regions=regions))
        results = {str(each.key): each for each in found if isinstance(each, CellResult)}
        return aws, results, [each for page in found if not isinstance(page, CellResult) for each in page.resources]

    yield run
    for sessions in opened:
        sessions.close()


# --- tags


@pytest.mark.parametrize(("items", "asked"), [(0, 0), (3, 1)])
def test_tags_are_listed_only_where_there_is_something_that_has_them(scan: Any, items: int, asked: int) -> None:
    aws, results, resources = scan("lambda_function", items=items)
    assert results[f"{PROD}/{WITH}/lambda_function"].state is (CellState.OK if items else CellState.OK_EMPTY)
    assert aws.count(service=TAGGING_SERVICE) == asked
    assert all(each.tags == {"Environment": "production"} for each in resources)


@pytest.mark.parametrize(
    ("trouble", "state", "rows"),
    [("denied", CellState.OK, 2), ("timeout", CellState.PARTIAL, 2), ("expired", CellState.EXPIRED, 0)],
)
def test_tags_that_fail_after_the_first_page_leave_the_cell_as_if_they_had_come_first(
    *, scan: Any, trouble: str, state: CellState, rows: int
) -> None:
    _, results, resources = scan("lambda_function", items=2, faults=[Fault(trouble, service=TAGGING_SERVICE)])
    assert results[f"{PROD}/{WITH}/lambda_function"].state is state
    assert len(resources) == rows
    assert all("tags" in each.metadata[UNREAD] for each in resources)


# --- regions without the service


def test_a_service_is_not_asked_where_it_is_not_offered(scan: Any) -> None:
    aws, results, _ = scan("apprunner_service", "sqs_queue", regions=(WITHOUT, WITH))
    absent = results[f"{PROD}/{WITHOUT}/apprunner_service"]
    assert (absent.state, absent.detail, absent.calls) == (CellState.SERVICE_UNAVAILABLE, NOT_OFFERED, 0)
    assert not any(where == WITHOUT and service == "apprunner" for _, where, service, _ in aws.calls)
    assert [each.state for key, each in results.items() if each is not absent] == [CellState.OK] * 3


def own_endpoint(folder: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how.startswith("AWS_"):
        monkeypatch.setenv(how, "http://localhost:1")
        return
    config = folder / "config"
    config.write_text(f"[default]\n{how}\n[services local]\napprunner =\n  endpoint_url = http://localhost:1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


@pytest.mark.parametrize(
    "how", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_APPRUNNER", "endpoint_url = http://localhost:1", "services = local"]
)
def test_an_endpoint_of_the_users_own_is_asked_everywhere(
    scan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    own_endpoint(tmp_path, monkeypatch, how)
    _, results, _ = scan("apprunner_service", regions=(WITHOUT,))
    assert results[f"{PROD}/{WITHOUT}/apprunner_service"].state is CellState.OK


# --- what says that a service is not in use


@pytest.mark.parametrize(
    ("message", "state"),
    [
        (f"Account {PROD} is not subscribed to AWS Security Hub", CellState.OK_EMPTY),
        ("The account doesn't have permission to perform this action", CellState.DENIED),
    ],
)
def test_one_code_of_security_hub_says_two_things(scan: Any, message: str, state: CellState) -> None:
    def refused(call: Call, _: Served) -> Answer:
        return error(call, "InvalidAccessException", 401, message)

    _, results, _ = scan("securityhub_hub", faults=[Fault(refused, service="securityhub")])
    assert results[f"{PROD}/{WITH}/securityhub_hub"].state is state


def test_what_another_account_owns_is_left_to_its_own_scan(scan: Any) -> None:
    def shared(call: Call, served: Served) -> Answer:
        answer = served.real()
        owner = f"<ownerId>{PROD}</ownerId>".encode()
        return replace(answer, body=answer.body.replace(owner, b"<ownerId>999988887777</ownerId>", 1))

    _, results, _ = scan("ec2_vpc", items=2, faults=[Fault(shared, operation="DescribeVpcs")])
    result = results[f"{PROD}/{WITH}/ec2_vpc"]
    assert (result.state, result.resources) == (CellState.OK, 1)


# --- credentials that nobody can renew


def test_credentials_that_stay_expired_are_not_renewed_for_every_cell(scan: Any) -> None:
    types = ("sqs_queue", "sns_topic", "lambda_function", "dynamodb_table", "ec2_vpc", "kinesis_stream")
    faults = [Fault("expired", service=service) for service in ("sqs", "sns", "lambda", "dynamodb", "ec2", "kinesis")]
    aws, results, _ = scan(*types, faults=faults)
    assert {each.state for each in results.values()} == {CellState.EXPIRED}
    assert len(results) == len(types)
    assert aws.count("AssumeRole") <= 3
