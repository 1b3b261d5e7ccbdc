"""The synthetic AWS behaves as AWS does in what the scanner is tested with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.model import CellResult, CellState
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws import DocumentedBuckets, EstateOfSpecs, Fault, Latency, Listing, SyntheticAws
from tests.synthetic_aws.models import loader
from tests.synthetic_aws.samples import NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROD, STAGE = "123456789012", "111122223333"
INSTANCES = [{"Instances": [{"InstanceId": f"i-{NUMBER}", "State": {"Name": "running"}}]}]


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def models_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One loader reads botocore's models for the simulation and for all sessions."""
    monkeypatch.setattr("cloudops_nb.aws.credentials.data_loader", loader)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    opened = []
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)

    def make(aws: SyntheticAws, service: str, account: str = PROD, region: str = "eu-west-1") -> Any:
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        opened.append(AccountSessions(aws.accounts, events=aws.events(), threads=4))
        return opened[-1].client(account, service, region)

    yield make
    for sessions in opened:
        sessions.close()


def test_pages_hold_what_was_asked_for_and_lead_to_the_end(client: Callable[..., Any]) -> None:
    aws = SyntheticAws({(PROD, "eu-west-1", "ec2", "DescribeInstances"): Listing(INSTANCES, 1_234)})
    pages = list(client(aws, "ec2").get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 500}))
    assert [len(page["Reservations"]) for page in pages] == [500, 500, 234]
    ids = {each["InstanceId"] for page in pages for group in page["Reservations"] for each in group["Instances"]}
    assert len(ids) == 1_234
    assert aws.count("DescribeInstances") == 3


def test_a_token_of_another_question_leads_nowhere(client: Callable[..., Any]) -> None:
    aws = SyntheticAws({("*", "*", "ec2", "DescribeInstances"): Listing(INSTANCES, 20)})
    ec2 = client(aws, "ec2")
    token = ec2.describe_instances(MaxResults=10)["NextToken"]
    with pytest.raises(ClientError, match="page token"):
        ec2.describe_instances(MaxResults=10, NextToken=token, Filters=[{"Name": "vpc-id", "Values": ["vpc-1"]}])


def test_concrete_items_arrive_as_they_were_given(client: Callable[..., Any]) -> None:
    tables = [f"table-{number}" for number in range(7)]
    aws = SyntheticAws({(PROD, "eu-west-1", "dynamodb", "ListTables"): tables}, largest_page=3)
    pages = client(aws, "dynamodb").get_paginator("list_tables").paginate()
    assert [name for page in pages for name in page["TableNames"]] == tables


def test_accounts_and_regions_are_apart(client: Callable[..., Any]) -> None:
    aws = SyntheticAws({(PROD, "*", "ec2", "DescribeInstances"): Listing(INSTANCES, 1)}, accounts=(PROD, STAGE))
    assert client(aws, "sts", STAGE).get_caller_identity()["Account"] == STAGE
    assert client(aws, "ec2", PROD).describe_instances()["Reservations"]
    assert client(aws, "ec2", STAGE).describe_instances()["Reservations"] == []


def test_an_answer_takes_the_way_to_the_region_and_what_the_service_needs(client: Callable[..., Any]) -> None:
    clock = Clock()
    aws = SyntheticAws(latency=Latency({"eu-west-1": 0.02, "us-east-1": 0.5}, 0.08, clock.sleep))
    ec2 = client(aws, "ec2")
    ec2.describe_instances()
    before = clock.now
    ec2.describe_instances()
    assert clock.now - before == pytest.approx(0.1)


def test_what_comes_faster_than_aws_documents_is_refused_by_the_services_own_code(client: Callable[..., Any]) -> None:
    clock = Clock()
    aws = SyntheticAws(buckets=DocumentedBuckets(clock))
    function = client(aws, "lambda")
    for _ in range(15):
        function.list_functions()
    with pytest.raises(ClientError) as raised:
        function.list_functions()
    assert raised.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert aws.throttles.total() == 5, "each of botocore's attempts"
    clock.now = 1.0
    assert function.list_functions()["ResponseMetadata"]["RetryAttempts"] == 0


def test_both_generations_of_load_balancers_draw_from_one_bucket() -> None:
    from tests.synthetic_aws import Call

    buckets = DocumentedBuckets(Clock())
    calls = [Call(PROD, "eu-west-1", service, "DescribeLoadBalancers", {}) for service in ("elb", "elbv2") * 20]
    assert all(buckets.admits(call) for call in calls)
    assert not buckets.admits(calls[0])


def test_a_fault_meets_the_calls_it_is_for(client: Callable[..., Any]) -> None:
    fault = Fault("reset", PROD, "eu-west-1", "ec2", "DescribeInstances", calls=range(2, 99))
    aws = SyntheticAws(faults=[fault])
    ec2 = client(aws, "ec2")
    ec2.describe_instances()
    with pytest.raises(ConnectionClosedError):
        ec2.describe_instances()
    aws.faults.clear()
    ec2.describe_instances()


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("ec2", "describe_vpcs", "UnauthorizedOperation"), ("rds", "describe_db_instances", "AccessDenied"),
        ("s3", "list_buckets", "AccessDenied"), ("sqs", "list_queues", "AccessDeniedException"),
        ("eks", "list_clusters", "AccessDeniedException"), ("sns", "list_topics", "AuthorizationError"),
    ],
)  # fmt: skip
def test_a_refusal_speaks_the_services_protocol(
    client: Callable[..., Any], service: str, operation: str, code: str
) -> None:
    aws = SyntheticAws(faults=[Fault("denied", service=service)])
    with pytest.raises(ClientError) as raised:
        getattr(client(aws, service), operation)()
    assert raised.value.response["Error"]["Code"] == code
    assert PROD in raised.value.response["Error"]["Message"]


def test_an_estate_of_specs_has_as_many_resources_as_it_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = {"ec2_instance": 12, "s3_bucket": 5}
    regions = ["eu-west-1", "us-east-1"]
    specs = [spec for spec in bundled_specs() if spec.resource_type in (*counts, "rds_instance")]
    estate = EstateOfSpecs(specs, regions=regions, count=lambda spec, *_: counts.get(spec.resource_type, 0))
    aws = SyntheticAws(otherwise=estate, regions=regions)
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    sessions = AccountSessions(aws.accounts, events=aws.events(), threads=4)
    items = Scanner(sessions, threads=4, specs=specs).scan()
    results = {str(item.key): item for item in items if isinstance(item, CellResult)}
    sessions.close()
    for region in regions:
        assert results[f"{PROD}/{region}/ec2_instance"].resources == 12
        assert results[f"{PROD}/{region}/s3_bucket"].resources == 5
        assert results[f"{PROD}/{region}/rds_instance"].state is CellState.OK_EMPTY
