"""The demo's resources through boto3, each as (type, account, region, identifier, name, state)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import botocore.session
import jmespath

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.demo import Demo

NAME = "Tags[?Key=='Name'].Value|[0]"


class Listing(NamedTuple):
    """How to list a kind of resource, with JMESPath expressions for the items and for one item's fields."""

    service: str
    operation: str
    items: str
    identifier: str
    name: str
    state: str = "''"
    arguments: Mapping[str, Any] = MappingProxyType({})


REGIONAL = {
    "instance": Listing("ec2", "describe_instances", "Reservations[].Instances[]", "InstanceId", NAME, "State.Name"),
    "volume": Listing("ec2", "describe_volumes", "Volumes", "VolumeId", NAME, "State"),
    "vpc": Listing("ec2", "describe_vpcs", "Vpcs", "VpcId", NAME),
    "subnet": Listing("ec2", "describe_subnets", "Subnets", "SubnetId", "CidrBlock"),
    "security_group": Listing("ec2", "describe_security_groups", "SecurityGroups", "GroupId", "GroupName"),
    "database": Listing(
        "rds", "describe_db_instances", "DBInstances", "DBInstanceArn", "DBInstanceIdentifier", "DBInstanceStatus"
    ),
    "function": Listing("lambda", "list_functions", "Functions", "FunctionArn", "FunctionName"),
    "balancer": Listing("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn", "LoadBalancerName"),
    "scaling_group": Listing(
        "autoscaling",
        "describe_auto_scaling_groups",
        "AutoScalingGroups",
        "AutoScalingGroupARN",
        "AutoScalingGroupName",
    ),
    "table": Listing("dynamodb", "list_tables", "TableNames", "@", "@"),
    "queue": Listing("sqs", "list_queues", "QueueUrls", "@", "@"),
}
GLOBAL = {
    "bucket": Listing("s3", "list_buckets", "Buckets", "Name", "Name"),
    "role": Listing("iam", "list_roles", "Roles", "RoleId", "RoleName"),
    "policy": Listing(
        "iam", "list_policies", "Policies", "PolicyId", "PolicyName", arguments=MappingProxyType({"Scope": "Local"})
    ),
}


class EstateRow(NamedTuple):
    kind: str
    account: str
    region: str
    identifier: str
    name: str
    state: str


def client(account: str, service: str, region: str = "eu-west-1") -> Any:
    """Return a client of an account's profile, with the environment of the demo."""
    return boto3.Session(profile_name=account).client(service, region_name=region)  # type: ignore[call-overload]


def inventory(demo: Demo) -> list[EstateRow]:
    """List the whole estate through boto3, with the environment of the demo."""
    rows: list[EstateRow] = []
    loader = botocore.session.Session().get_component("data_loader")
    for account in demo.accounts:
        profile = botocore.session.Session(profile=account["profile"])
        profile.register_component("data_loader", loader)
        session = boto3.Session(botocore_session=profile)
        rows += _list_rows(session, GLOBAL, account["name"], "us-east-1")
        for region in demo.regions:
            rows += _list_rows(session, REGIONAL, account["name"], region)
    return rows


def _list_rows(
    session: boto3.Session, listings: Mapping[str, Listing], account: str, region: str
) -> Iterator[EstateRow]:
    for kind, listing in listings.items():
        service: Any = listing.service  # the stubs want a literal
        client = session.client(service, region_name=region)
        answer = getattr(client, listing.operation)(**listing.arguments)
        for item in jmespath.search(listing.items, answer) or []:
            columns = (listing.identifier, listing.name, listing.state)
            identifier, name, state = (jmespath.search(column, item) or "" for column in columns)
            yield EstateRow(kind, account, region, portless(identifier), portless(name), state)


def portless(text: str) -> str:
    """Remove the server from a queue's URL, because its port differs at each start."""
    return text.rpartition("/")[2] if text.startswith("http") else text
