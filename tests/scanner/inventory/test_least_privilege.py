"""The generated policy holds what a scan needs, every action under IAM's own name, and nothing else."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import requests
from moto.iam.aws_managed_policies import aws_managed_policies_data

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.model import Account, CellState
from cloudops_nb.scanner.inventory.least_privilege import (
    MANAGED_POLICY_CHARACTERS,
    iam_permission,
    managed_policies,
    scan_operations,
    scan_policy,
)
from cloudops_nb.scanner.policies.policy_calls import policy_operations
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.files import bundled_specs
from tests.scanner.policy_estate import Account as Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.model import CellResult, Resource

KEYS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
GUARDED = "999900001111"
#: AWS's own policies for those who only look; what they list is what IAM calls an action that reads.
LOOKING = ("ReadOnlyAccess", "SecurityAudit", "ViewOnlyAccess", "AWSOrganizationsReadOnlyAccess", "IAMReadOnlyAccess")

#: Reading actions of services that those policies lack, as moto has them; each is "Read" or "List" in AWS's Service
#: Authorization Reference.
ALSO_READING: frozenset[str] = frozenset()


@cache
def _reading_actions() -> re.Pattern[str]:
    policies = json.loads(aws_managed_policies_data)
    statements = [each for name in LOOKING for each in policies[name]["Document"]["Statement"]]
    listed = [action for each in statements for action in each.get("Action", ()) if each["Effect"] == "Allow"]
    patterns = (re.escape(action.lower()).replace(r"\*", ".*").replace(r"\?", ".") for action in listed)
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


def is_reading(action: str) -> bool:
    return action in ALSO_READING or bool(_reading_actions().fullmatch(action.lower()))


def _actions(document: dict[str, Any]) -> list[str]:
    return [action for each in document["Statement"] for action in each["Action"]]


@pytest.mark.fast
def test_every_call_is_authorised_by_an_action_that_aws_counts_as_reading() -> None:
    calls = {call for spec in bundled_specs() for call in scan_operations(spec, every_detail=True)}
    calls |= {(each.service, each.operation) for each in policy_operations()}
    assert len(calls) > len(bundled_specs()) / 2
    authorised = {call: iam_permission(*call)[0] for call in calls}
    other = {":".join(call): action for call, action in authorised.items() if not is_reading(action)}
    how = (
        "if IAM has another name, add it to iam_actions.yaml; if AWS lists the action as reading, to ALSO_READING here"
    )
    assert not other, f"AWS's policies for reading lack {other}: {how}"


@pytest.mark.fast
def test_policies_are_read_wherever_they_are() -> None:
    assert {iam_permission(each.service, each.operation)[1] for each in policy_operations()} == {"*"}


@pytest.mark.fast
@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("s3", "ListBuckets", ("s3:ListAllMyBuckets", "*")),
        ("s3", "HeadBucket", ("s3:ListBucket", "*")),
        ("s3", "GetPublicAccessBlock", ("s3:GetBucketPublicAccessBlock", "*")),
        ("s3", "GetBucketVersioning", ("s3:GetBucketVersioning", "*")),
        ("elbv2", "DescribeLoadBalancers", ("elasticloadbalancing:DescribeLoadBalancers", "*")),
        ("stepfunctions", "ListStateMachines", ("states:ListStateMachines", "*")),
        ("opensearch", "DescribeDomains", ("es:DescribeDomains", "*")),
        ("cloudwatch", "DescribeAlarms", ("cloudwatch:DescribeAlarms", "*")),
        ("efs", "DescribeFileSystems", ("elasticfilesystem:DescribeFileSystems", "*")),
        ("docdb", "DescribeDBClusters", ("rds:DescribeDBClusters", "*")),
        ("memorydb", "DescribeACLs", ("memorydb:DescribeAcls", "*")),
        ("resourcegroupstaggingapi", "GetResources", ("tag:GetResources", "*")),
        ("cloudcontrol", "ListResources", ("cloudformation:ListResources", "*")),
        ("apigateway", "GetRestApis", ("apigateway:GET", "arn:aws:apigateway:*::/restapis")),
        ("apigateway", "GetStages", ("apigateway:GET", "arn:aws:apigateway:*::/restapis/*/stages")),
        ("apigatewayv2", "GetApis", ("apigateway:GET", "arn:aws:apigateway:*::/apis")),
    ],
)
def test_iams_name_of_an_operation(service: str, operation: str, expected: tuple[str, str]) -> None:
    assert iam_permission(service, operation) == expected


@pytest.mark.fast
def test_the_policy_is_the_same_each_time_sorted_and_without_a_wildcard() -> None:
    specs = bundled_specs()
    document = scan_policy(specs)
    assert document == scan_policy(tuple(reversed(specs)))
    for statement in document["Statement"]:
        assert statement["Action"] == sorted(set(statement["Action"]))
        assert not any("*" in action for action in statement["Action"])


@pytest.mark.fast
def test_the_policy_allows_the_lookups_of_an_incremental_scan() -> None:
    assert "cloudtrail:LookupEvents" in _actions(scan_policy(bundled_specs()[:1]))
    assert is_reading("cloudtrail:LookupEvents")


@pytest.mark.fast
def test_managed_policies_together_are_the_policy_and_each_is_small_enough() -> None:
    specs = bundled_specs()
    documents = managed_policies(specs)
    assert sorted(action for each in documents for action in _actions(each)) == sorted(_actions(scan_policy(specs)))
    assert all(len(re.sub(r"\s", "", json.dumps(each))) <= MANAGED_POLICY_CHARACTERS for each in documents)


@pytest.mark.fast
def test_expensive_details_are_allowed_only_when_asked_for() -> None:
    plain, every = (set(_actions(scan_policy(bundled_specs(), every_detail=each))) for each in (False, True))
    assert plain <= every
    expensive = {
        iam_permission(spec.service, detail.operation)[0]
        for spec in bundled_specs()
        for detail in spec.details
        if detail.on_demand
    }
    assert every - plain <= expensive


TYPES = (
    "ec2_instance", "ec2_vpc", "rds_instance", "elbv2_load_balancer", "autoscaling_group", "sqs_queue", "iam_role",
    "dynamodb_table", "s3_bucket",
)  # fmt: skip
#: What the simulation asks for where AWS asks for tag:GetResources and s3:ListBucket.
SIMULATED = {"tagging:GetResources", "s3:HeadBucket"}


@pytest.fixture(scope="module")
def guarded(estate: Any) -> Any:
    """An account with one resource of most types, where a role may do only what its policy says."""
    place = Place(estate.endpoint, GUARDED, KEYS)
    place.client("s3").create_bucket(Bucket="guarded-bucket")
    place.client("sqs").create_queue(QueueName="guarded")
    place.client("dynamodb").create_table(
        TableName="guarded", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    place.role("Scan")
    return place


@contextmanager
def _enforced(endpoint: str) -> Iterator[None]:
    """Let the simulation refuse what no policy allows; it takes the number of calls for which it still does not."""

    def refuse_after(calls: str) -> None:
        requests.post(f"{endpoint}/moto-api/reset-auth", data=calls, timeout=10).raise_for_status()

    refuse_after("0")
    try:
        yield
    finally:
        refuse_after("inf")


@pytest.fixture
def scan_with(aws: Any, guarded: Any, make_scanner: Any) -> Iterator[Callable[..., Any]]:
    """Scans the guarded account with a policy, the simulation enforcing it; returns results and resources by type."""
    opened: list[AccountSessions] = []

    def run(document: dict[str, Any]) -> Any:
        statement = {"Effect": "Allow", "Action": sorted({*_actions(document), *SIMULATED}), "Resource": "*"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        guarded.client("iam").put_role_policy(RoleName="Scan", PolicyName="scan", PolicyDocument=text)
        account = Account(name="guarded", role_arn=f"arn:aws:iam::{GUARDED}:role/Scan", source_profile="prod")
        sessions = AccountSessions([account], threads=4)
        opened.append(sessions)
        sessions.accounts()
        results: dict[str, CellResult] = {}
        found: list[Resource] = []
        with _enforced(guarded.endpoint):
            for item in Scanner(sessions, threads=4).scan(regions=["us-east-1"], services=TYPES):
                if isinstance(item, PageRead):
                    found += item.resources
                else:
                    results[item.key.resource_type] = item
        return results, found

    yield run
    for sessions in opened:
        sessions.close()


def test_with_exactly_this_policy_no_cell_is_denied_and_no_detail_missing(scan_with: Any) -> None:
    specs = [spec for spec in bundled_specs() if spec.resource_type in TYPES]
    results, found = scan_with(scan_policy(specs))
    assert set(results) == set(TYPES)
    assert {name: result.detail for name, result in results.items() if not result.state.complete} == {}
    assert {each.resource_type: each.metadata.get("unread") for each in found if "unread" in each.metadata} == {}
    assert any(each.iam.principal.endswith("role/Scan") for each in found)


@pytest.mark.parametrize(
    "removed",
    ["ec2:DescribeInstances", "rds:DescribeDBInstances", "autoscaling:DescribeAutoScalingGroups", "s3:ListAllMyBuckets",
     "sqs:ListQueues", "dynamodb:ListTables"],
)  # fmt: skip
def test_without_one_action_exactly_its_cell_is_denied(scan_with: Any, removed: str) -> None:
    specs = [spec for spec in bundled_specs() if spec.resource_type in TYPES]
    document = scan_policy(specs)
    for statement in document["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != removed]
    results, _ = scan_with(document)
    (owner,) = [spec.resource_type for spec in specs if iam_permission(spec.service, spec.list.operation)[0] == removed]
    assert [name for name, result in results.items() if not result.state.complete] == [owner]
    assert results[owner].state is CellState.DENIED
