"""What can be done to resources of compute, network and containers, as AWS documents it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cloudops_nb.declarations.selectors import select
from cloudops_nb.model import Account, Relation, Resource, Ternary
from cloudops_nb.scanner.reading.resource_builder import ListedItem, ListingContext, build_resource
from tests.scanner.bundled import bundled_spec
from tests.scanner.unjudged import Unjudged

pytestmark = pytest.mark.fast

AROUND = ListingContext(
    Account("prod", "123456789012"), "aws", "eu-west-1", Unjudged(), datetime(2026, 1, 1, tzinfo=UTC)
)
BACKED_UP = {"Tags": [{"Key": "aws:backup:source-resource", "Value": "vol-1"}]}
PRIVATE = {"Service": {"NetworkConfiguration": {"IngressConfiguration": {"IsPubliclyAccessible": False}}}}


def _built(resource_type: str, data: dict[str, Any], **unread: str) -> Resource:
    return build_resource(bundled_spec(resource_type), ListedItem(data, unread), AROUND)


def _service(**described: Any) -> dict[str, Any]:
    return {
        "listedArn": "arn:aws:ecs:eu-west-1:123456789012:service/c/s",
        "described": {"status": "ACTIVE", **described},
    }


def _cluster(groups: list[str], **cluster: Any) -> dict[str, Any]:
    described = {"cluster": {"status": "ACTIVE", **cluster}}
    return {"described": described, "node_groups": {"nodegroups": groups}, "profiles": {"fargateProfileNames": []}}


@pytest.mark.parametrize(
    ("resource_type", "data", "value", "reason"),
    [
        ("ec2_snapshot", {"State": "completed"}, Ternary.UNKNOWN, "image"),
        ("ec2_snapshot", {"State": "completed", **BACKED_UP}, Ternary.FALSE, "AWS Backup"),
        ("ec2_image", {"State": "available", "DeregistrationProtection": "disabled"}, Ternary.TRUE, ""),
        ("ec2_image", {"DeregistrationProtection": "enabled-with-cooldown"}, Ternary.FALSE, "protection"),
        ("ec2_image", {"State": "available", **BACKED_UP}, Ternary.FALSE, "AWS Backup"),
        ("ec2_elastic_ip", {"AllocationId": "e"}, Ternary.TRUE, ""),
        ("ec2_elastic_ip", {"AllocationId": "e", "AssociationId": "a"}, Ternary.FALSE, "associated"),
        ("ec2_elastic_ip", {"AllocationId": "e", "ServiceManaged": "alb"}, Ternary.FALSE, "service"),
        ("ec2_network_interface", {"Status": "available", "RequesterManaged": True}, Ternary.FALSE, "service"),
        ("ec2_network_interface", {"Status": "available", "RequesterManaged": False}, Ternary.TRUE, ""),
        ("ec2_network_interface", {"Status": "in-use", "RequesterManaged": False}, Ternary.FALSE, "attached"),
        ("ec2_route_table", {"Associations": [{"Main": True}]}, Ternary.FALSE, "main route table"),
        ("ec2_route_table", {"Associations": [{"Main": False, "SubnetId": "s"}]}, Ternary.FALSE, "associated"),
        ("ec2_route_table", {"Associations": []}, Ternary.TRUE, ""),
        ("ec2_vpc_peering_connection", {"Status": {"Code": "rejected"}}, Ternary.FALSE, "it is rejected"),
        ("ec2_vpc_endpoint", {"VpcEndpointType": "GatewayLoadBalancer"}, Ternary.UNKNOWN, "route"),
        ("ec2_client_vpn_endpoint", {"Status": {"Code": "pending-associate"}}, Ternary.TRUE, ""),
        ("ec2_client_vpn_endpoint", {"Status": {"Code": "available"}}, Ternary.FALSE, "target networks"),
        ("ec2_capacity_reservation", {"State": "active", "ReservationType": "capacity-block"}, Ternary.FALSE, "Block"),
        ("ec2_capacity_reservation", {"State": "active"}, Ternary.TRUE, ""),
        ("ec2_reserved_instances", {"State": "active"}, Ternary.FALSE, "cannot be cancelled"),
        ("ec2_reserved_instances", {"State": "queued"}, Ternary.TRUE, ""),
        ("ec2_dedicated_host", {"State": "available", "Instances": [{}]}, Ternary.FALSE, "instances"),
        ("ec2_dedicated_host", {"HostProperties": {"InstanceType": "mac2.metal"}}, Ternary.UNKNOWN, "24 hours"),
        ("ec2_transit_gateway_attachment", {"ResourceType": "vpn", "State": "available"}, Ternary.FALSE, "VPN"),
        ("autoscaling_group", {"DeletionProtection": "prevent-all-deletion"}, Ternary.FALSE, "protection"),
        ("autoscaling_group", {"Instances": [], "DesiredCapacity": 0}, Ternary.TRUE, ""),
        ("elbv2_load_balancer", {"Type": "network", "attributes": {}}, Ternary.UNKNOWN, "endpoint service"),
        ("ecs_service", _service(schedulingStrategy="REPLICA", desiredCount=2), Ternary.FALSE, "not zero"),
        ("ecs_service", _service(schedulingStrategy="REPLICA", desiredCount=0), Ternary.TRUE, ""),
        ("ecs_service", _service(schedulingStrategy="DAEMON", desiredCount=3), Ternary.TRUE, ""),
        ("ecs_capacity_provider", {"name": "FARGATE", "status": "ACTIVE"}, Ternary.FALSE, "AWS"),
        ("eks_cluster", _cluster(["a"]), Ternary.FALSE, "node groups"),
        ("eks_cluster", _cluster([], deletionProtection=True), Ternary.FALSE, "protection"),
        ("eks_cluster", _cluster([]), Ternary.TRUE, ""),
        ("batch_job_queue", {"state": "ENABLED", "status": "VALID"}, Ternary.FALSE, "disabled first"),
        ("batch_job_queue", {"state": "DISABLED", "status": "VALID"}, Ternary.TRUE, ""),
        ("apprunner_service", {"Status": "RUNNING", "described": PRIVATE}, Ternary.UNKNOWN, "ingress"),
        ("globalaccelerator_accelerator", {"Enabled": True}, Ternary.FALSE, "disabled first"),
    ],
)  # fmt: skip
def test_deleting_follows_awss_conditions(
    resource_type: str, data: dict[str, Any], value: Ternary, reason: str
) -> None:
    constraint = _built(resource_type, data).constraints.can_delete
    assert constraint.value is value
    assert reason in constraint.reason
    assert bool(constraint.reason) is (value is not Ternary.TRUE)


@pytest.mark.parametrize(("protected", "value"), [(True, Ternary.FALSE), (False, Ternary.TRUE)])
def test_termination_protection_decides_when_it_was_read(protected: bool, value: Ternary) -> None:
    data = {"State": {"Name": "running"}, "termination_protection": {"DisableApiTermination": {"Value": protected}}}
    assert _built("ec2_instance", data).constraints.can_delete.value is value


def test_what_a_load_balancer_did_not_tell_is_unknown() -> None:
    constraint = _built(
        "elbv2_load_balancer", {"Type": "application"}, attributes="AccessDenied"
    ).constraints.can_delete
    assert constraint.value is Ternary.UNKNOWN
    assert "AccessDenied" in constraint.reason


def test_a_spot_instance_that_ec2_took_back_is_not_started_by_hand() -> None:
    data = {
        "State": {"Name": "stopped"},
        "InstanceLifecycle": "spot",
        "StateReason": {"Code": "Server.SpotInstanceStop"},
    }
    assert _built("ec2_instance", data).constraints.can_start.value is Ternary.FALSE
    by_hand = {**data, "StateReason": {"Code": "Client.UserInitiatedShutdown"}}
    assert _built("ec2_instance", by_hand).constraints.can_start.value is Ternary.TRUE


def test_targets_are_told_apart_by_their_kind() -> None:
    function = "arn:aws:lambda:eu-west-1:123456789012:function:thumbs:live"
    balancer = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1"
    targets = [{"Target": {"Id": name}} for name in ("i-1", function, balancer, "10.0.0.1")]
    relations = _built("elbv2_target_group", {"health": {"TargetHealthDescriptions": targets}}).relations
    assert set(relations) == {
        Relation("has_target", "ec2_instance", "i-1", "", "eu-west-1"),
        Relation(
            "has_target", "lambda_function", "thumbs", "123456789012", "eu-west-1", function.removesuffix(":live")
        ),
        Relation("has_target", "elbv2_load_balancer", balancer, "123456789012", "eu-west-1", balancer),
    }


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_the_queue_that_a_mapping_reads_is_named_by_its_arn(partition: str) -> None:
    arn = f"arn:{partition}:sqs:r:123456789012:jobs"
    relations = _built("lambda_event_source_mapping", {"EventSourceArn": arn}).relations
    assert relations == (Relation("reads_from", "sqs_queue", "jobs", "123456789012", "r", arn),)


def test_an_attachment_belongs_to_what_is_attached_and_a_peering_to_its_gateway() -> None:
    selector = str(bundled_spec("ec2_transit_gateway_attachment").owner)
    both = {"ResourceOwnerId": "1", "TransitGatewayOwnerId": "2"}
    kinds = ("vpc", "vpn", "peering", "direct-connect-gateway")
    assert [select(selector, {**both, "ResourceType": kind}) for kind in kinds] == ["1", "1", "2", "2"]
