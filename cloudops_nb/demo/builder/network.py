"""Creates VPCs with subnets, gateways and routes, peerings, security groups and machine images."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudops_nb.demo.builder.workbench import Workbench
    from cloudops_nb.demo.company import Entry

ANYWHERE = "0.0.0.0/0"


def build_network(bench: Workbench) -> None:
    """Create the machine images, networks and security groups of a place (an account in a region).

    The other resources of the place refer to them.
    """
    for entry in bench.entries("images"):
        image = bench.client("ec2").register_image(
            Name=entry["name"],
            Description=entry["description"],
            Architecture="x86_64",
            RootDeviceName="/dev/xvda",
            VirtualizationType="hvm",
            TagSpecifications=bench.tag_specifications(entry, "image"),
        )
        bench.record_id("image", entry["name"], image["ImageId"])
    for entry in bench.entries("networks"):
        _build_network(bench, entry)
    for entry in bench.entries("peerings"):
        _build_peering(bench, entry)
    _build_security_groups(bench)


def _build_network(bench: Workbench, entry: Entry) -> None:
    name = entry["name"]
    ec2 = bench.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=entry["cidr"], TagSpecifications=bench.tag_specifications(entry, "vpc"))["Vpc"][
        "VpcId"
    ]
    bench.record_id("vpc", name, vpc)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    blocks = ipaddress.ip_network(entry["cidr"]).subnets(new_prefix=20)
    for tier in entry["tiers"]:
        for zone in "abc"[: entry["zones"]]:
            subnet = f"{name}-{tier}-{zone}"
            made = ec2.create_subnet(
                VpcId=vpc,
                CidrBlock=str(next(blocks)),
                AvailabilityZone=f"{bench.region}{zone}",
                TagSpecifications=bench.tag_specifications({**entry, "tags": {"Tier": tier}}, "subnet", name=subnet),
            )
            bench.record_id("subnet", subnet, made["Subnet"]["SubnetId"])
    gateway_name = f"{name}-igw"
    gateway = ec2.create_internet_gateway(
        TagSpecifications=bench.tag_specifications(entry, "internet-gateway", name=gateway_name)
    )["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    _build_route_table(bench, entry, "public", bench.recorded_ids("subnet", f"{name}-public-"), {"GatewayId": gateway})
    _build_private_routes(bench, entry)


def _build_private_routes(bench: Workbench, entry: Entry) -> None:
    """Create the NAT gateways of a network, and for each availability zone a route table for its private subnets.

    Zones share NAT gateways if there are fewer gateways than zones. Without a NAT gateway, the private subnets have no
    route to the internet.
    """
    name, ec2 = entry["name"], bench.client("ec2")
    gateways: list[str] = []
    for zone in "abc"[: entry["nat"]]:
        label = f"{name}-nat-{zone}"
        address = ec2.allocate_address(
            Domain="vpc", TagSpecifications=bench.tag_specifications(entry, "elastic-ip", name=label)
        )
        made = ec2.create_nat_gateway(
            SubnetId=bench.recorded_id("subnet", f"{name}-public-{zone}"),
            AllocationId=address["AllocationId"],
            TagSpecifications=bench.tag_specifications(entry, "natgateway", name=label),
        )
        gateways.append(made["NatGateway"]["NatGatewayId"])
    for index, zone in enumerate("abc"[: entry["zones"]]):
        subnets = [bench.recorded_id("subnet", f"{name}-{tier}-{zone}") for tier in entry["tiers"] if tier != "public"]
        default_route = {"NatGatewayId": gateways[index % len(gateways)]} if gateways else {}
        _build_route_table(bench, entry, f"private-{zone}", subnets, default_route)


def _build_route_table(
    bench: Workbench, entry: Entry, label: str, subnets: list[str], default_route: dict[str, str]
) -> None:
    ec2, name = bench.client("ec2"), f"{entry['name']}-{label}"
    table = ec2.create_route_table(
        VpcId=bench.recorded_id("vpc", entry["name"]),
        TagSpecifications=bench.tag_specifications(entry, "route-table", name=name),
    )["RouteTable"]["RouteTableId"]
    bench.record_id("route_table", name, table)
    if default_route:
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, **default_route)
    for subnet in subnets:
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)


def _build_peering(bench: Workbench, entry: Entry) -> None:
    ec2 = bench.client("ec2")
    peering = ec2.create_vpc_peering_connection(
        VpcId=bench.recorded_id("vpc", entry["requester"]),
        PeerVpcId=bench.recorded_id("vpc", entry["accepter"]),
        TagSpecifications=bench.tag_specifications(entry, "vpc-peering-connection"),
    )["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)


def _build_security_groups(bench: Workbench) -> None:
    ec2 = bench.client("ec2")
    for entry in bench.entries("security_groups"):
        group = ec2.create_security_group(
            GroupName=entry["name"],
            Description=entry["description"],
            VpcId=bench.recorded_id("vpc", entry["network"]),
            TagSpecifications=bench.tag_specifications(entry, "security-group"),
        )["GroupId"]
        bench.record_id("security_group", entry["name"], group)
        if entry["ingress"]:
            permissions = [_ingress_permission(bench, rule) for rule in entry["ingress"]]
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)


def _ingress_permission(bench: Workbench, rule: dict[str, Any]) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": rule["port"], "ToPort": rule["port"]}
    if "/" in rule["from"]:
        return {**permission, "IpRanges": [{"CidrIp": rule["from"]}]}
    return {**permission, "UserIdGroupPairs": [{"GroupId": bench.recorded_id("security_group", rule["from"])}]}
