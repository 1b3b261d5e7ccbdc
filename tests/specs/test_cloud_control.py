"""Types without a bundled declaration, under their CloudFormation types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.model import CellResult, CellState, Ternary
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.cloud_control import spec_for
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws import SyntheticAws
from tests.synthetic_aws.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.fast

QUERY = "AWS::Athena::NamedQuery"
PROPERTIES = {
    "NamedQueryId": "q-1",
    "Name": "slow",
    "Tags": [{"Key": "team", "Value": "data"}],
    "Arn": "arn:aws:athena:eu-west-1:123456789012:query/q-1",
}
LISTED = [
    {"Identifier": "q-1", "Properties": json.dumps(PROPERTIES)},
    {"Identifier": "q-2", "Properties": json.dumps({"NamedQueryId": "q-2"})},
    {"Identifier": "q-3"},
]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: list[AccountSessions] = []

    def sessions(*faults: Fault, estate: Any = None) -> tuple[SyntheticAws, AccountSessions]:
        answers = {("*", "*", "cloudcontrol", "ListResources"): LISTED, **(estate or {})}
        aws = SyntheticAws(answers, faults=faults, regions=["eu-west-1", "us-east-1"])
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        made.append(AccountSessions(aws.accounts, events=aws.events()))
        return aws, made[-1]

    yield sessions
    for each in made:
        each.close()


def scanned(sessions: AccountSessions, type_name: str, **options: Any) -> tuple[dict[str, Any], list[CellResult]]:
    scanner = Scanner(sessions, threads=4, specs=[spec_for(type_name, bundled_specs())])
    items = list(scanner.scan(**options))
    resources = {each.identifier: each for item in items if not isinstance(item, CellResult) for each in item.resources}
    return resources, [item for item in items if isinstance(item, CellResult)]


def test_resources_of_any_type_are_listed_by_its_name(opened: Any) -> None:
    aws, sessions = opened()
    resources, cells = scanned(sessions, QUERY, regions=["eu-west-1"])
    one, two, three = (resources[name] for name in ("q-1", "q-2", "q-3"))

    assert [cell.state for cell in cells] == [CellState.OK]
    assert (one.resource_type, one.service, one.name) == ("athena_named_query", "athena", "slow")
    assert (one.arn, one.tags) == (PROPERTIES["Arn"], {"team": "data"})
    assert (two.name, two.arn, three.name) == ("q-2", "", "q-3")
    assert one.constraints.can_delete.value is Ternary.UNKNOWN
    assert aws.count("ListResources") == 1
    assert aws.count("GetResource") == 0


def test_all_properties_are_read_when_every_detail_is_asked_for(opened: Any) -> None:
    whole = {"TypeName": QUERY, "ResourceDescription": {"Properties": json.dumps({"QueryString": "SELECT 1"})}}
    _, sessions = opened(estate={("*", "*", "cloudcontrol", "GetResource"): whole})
    resources, _ = scanned(sessions, QUERY, regions=["eu-west-1"], every_detail=True)

    assert resources["q-1"].metadata["properties"] == {"QueryString": "SELECT 1"}


def test_a_type_that_cannot_be_listed_is_a_failed_cell(opened: Any) -> None:
    _, sessions = opened(Fault("denied", operation="ListResources"))
    resources, cells = scanned(sessions, QUERY, regions=["eu-west-1"])

    assert not resources
    assert [cell.state for cell in cells] == [CellState.DENIED]


def test_a_type_of_no_region_is_listed_once(opened: Any) -> None:
    aws, sessions = opened()
    _, cells = scanned(sessions, "AWS::NetworkManager::GlobalNetwork")

    assert [cell.key.region for cell in cells] == ["global"]
    assert {region for (_, region, service, _) in aws.calls if service == "cloudcontrol"} == {"us-west-2"}


def test_a_curated_type_is_read_by_its_own_spec() -> None:
    assert spec_for("AWS::EC2::Instance", bundled_specs()).resource_type == "ec2_instance"


@pytest.mark.parametrize(
    ("type_name", "resource_type"),
    [
        ("AWS::EC2::VPCEndpointService", "ec2_vpc_endpoint_service"),
        ("AWS::S3ObjectLambda::AccessPoint", "s3objectlambda_access_point"),
        ("AWS::RDS::DBShardGroup", "rds_db_shard_group"),
        ("AWS::WAFv2::IPSet2", "wafv2_ip_set2"),
    ],
)
def test_names_are_made_of_words(type_name: str, resource_type: str) -> None:
    assert spec_for(type_name, ()).resource_type == resource_type


@pytest.mark.parametrize("text", ["AWS::EC2", "ec2_instance", "AWS::EC2::Instance::More", "Custom::EC2::Instance", ""])
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a CloudFormation type looks like AWS::Athena::NamedQuery"):
        spec_for(text, ())
