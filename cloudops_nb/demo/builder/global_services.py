"""Creates the resources of global services: IAM policies, roles, groups and users, and Route 53 hosted zones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.demo.builder.workbench import Workbench
    from cloudops_nb.demo.company import Entry

POLICY_VERSION = "2012-10-17"


def build_iam(bench: Workbench) -> None:
    """Create an account's IAM policies, roles, instance profiles, groups and users."""
    iam = bench.client("iam")
    for entry in bench.entries("policies"):
        document = json.dumps({"Version": POLICY_VERSION, "Statement": entry["statements"]})
        policy = iam.create_policy(PolicyName=entry["name"], PolicyDocument=document, Tags=bench.tag_list(entry))
        bench.record_id("policy", entry["name"], policy["Policy"]["Arn"])
    for entry in bench.entries("roles"):
        _build_role(bench, entry)
    for entry in bench.entries("groups"):
        iam.create_group(GroupName=entry["name"])
        for arn in _policy_arns(bench, entry):
            iam.attach_group_policy(GroupName=entry["name"], PolicyArn=arn)
    for entry in bench.entries("users"):
        _build_user(bench, entry)


def build_zones(bench: Workbench, benches: Mapping[str, Workbench]) -> None:
    """Create an account's hosted zones, with DNS records for load balancers.

    Args:
        bench: The workbench of the account.
        benches: The workbench of each place (an account in a region), by the name of the place. The workbenches have
            recorded the addresses of the load balancers.
    """
    route53 = bench.client("route53")
    for entry in bench.entries("zones"):
        zone = route53.create_hosted_zone(Name=entry["name"], CallerReference=entry["name"])["HostedZone"]["Id"]
        changes = [_record_change(entry["name"], record, benches) for record in entry["records"]]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        route53.change_tags_for_resource(
            ResourceType="hostedzone", ResourceId=zone.rpartition("/")[2], AddTags=bench.tag_list(entry)
        )


def _record_change(zone: str, record: Mapping[str, str], benches: Mapping[str, Workbench]) -> dict[str, Any]:
    place, _, balancer = record["balancer"].partition("/")
    address = benches[place].recorded_id("balancer_address", balancer)
    names = {"Name": f"{record['name']}.{zone}", "Type": "CNAME", "TTL": 60}
    return {"Action": "CREATE", "ResourceRecordSet": {**names, "ResourceRecords": [{"Value": address}]}}


def _policy_arns(bench: Workbench, entry: Entry) -> Sequence[str]:
    """Return the ARNs of an entry's policies: first the account's own policies, then the policies that AWS manages."""
    own = [bench.recorded_id("policy", name) for name in entry["policies"]]
    return own + [f"arn:aws:iam::aws:policy/{name}" for name in entry.get("managed", ())]


def _build_role(bench: Workbench, entry: Entry) -> None:
    iam, name = bench.client("iam"), entry["name"]
    principal = (
        {"Service": [f"{service}.amazonaws.com" for service in entry["services"]]}
        if "services" in entry
        else {"AWS": [f"arn:aws:iam::{account}:root" for account in entry["accounts"]]}
    )
    trust = {
        "Version": POLICY_VERSION,
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), Tags=bench.tag_list(entry))
    bench.record_id("role", name, role["Role"]["Arn"])
    for arn in _policy_arns(bench, entry):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    if entry.get("profile"):
        iam.create_instance_profile(InstanceProfileName=name, Tags=bench.tag_list(entry))
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def _build_user(bench: Workbench, entry: Entry) -> None:
    iam, name = bench.client("iam"), entry["name"]
    iam.create_user(UserName=name, Tags=bench.tag_list(entry))
    for group in entry["groups"]:
        iam.add_user_to_group(UserName=name, GroupName=group)
    for arn in _policy_arns(bench, {"policies": [], **entry}):
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    for _ in range(entry.get("keys", 0)):
        iam.create_access_key(UserName=name)
