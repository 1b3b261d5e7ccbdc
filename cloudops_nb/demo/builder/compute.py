"""Creates EC2 instances, volumes, snapshots and key pairs, ECR repositories, and ECS clusters."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

from cloudops_nb.demo.builder.workbench import Workbench, numbered_names

if TYPE_CHECKING:
    from cloudops_nb.demo.company import Entry

#: A dummy SSH public key in a valid format; moto only computes its fingerprint.
PUBLIC_KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA demo"


def build_compute(bench: Workbench) -> None:
    """Create the key pairs, instances outside Auto Scaling groups, volumes, snapshots, ECR and ECS resources."""
    ec2 = bench.client("ec2")
    for entry in bench.entries("key_pairs"):
        tag_specifications = bench.tag_specifications(entry, "key-pair")
        ec2.import_key_pair(KeyName=entry["name"], PublicKeyMaterial=PUBLIC_KEY, TagSpecifications=tag_specifications)
    for entry in bench.entries("instances"):
        _build_instances(bench, entry)
    for entry in bench.entries("volumes"):
        for name in numbered_names(entry):
            ec2.create_volume(
                AvailabilityZone=f"{bench.region}a",
                Size=entry["size"],
                VolumeType=entry["type"],
                TagSpecifications=bench.tag_specifications(entry, "volume", name=name),
            )
    for entry in bench.entries("snapshots"):
        for name in numbered_names(entry):
            ec2.create_snapshot(
                VolumeId=bench.recorded_id("volume", entry["volume"]),
                Description=name,
                TagSpecifications=bench.tag_specifications(entry, "snapshot", name=name),
            )
    _build_containers(bench)


def _build_instances(bench: Workbench, entry: Entry) -> None:
    ec2 = bench.client("ec2")
    subnets = cycle(bench.recorded_ids("subnet", f"{entry['network']}-{entry['tier']}-"))
    for name, subnet in zip(numbered_names(entry), subnets, strict=False):
        options: dict[str, Any] = {"IamInstanceProfile": {"Name": entry["profile"]}} if "profile" in entry else {}
        made = ec2.run_instances(
            MinCount=1,
            MaxCount=1,
            ImageId=bench.recorded_ids("image", "larkfield-base")[0],
            InstanceType=entry["type"],
            SubnetId=subnet,
            SecurityGroupIds=[bench.recorded_id("security_group", group) for group in entry["groups"]],
            DisableApiTermination=entry.get("protected", False),
            TagSpecifications=bench.tag_specifications(entry, "instance", "volume", name=name),
            **options,
        )["Instances"][0]
        instance = made["InstanceId"]
        bench.record_id("instance", name, instance)
        zone = made["Placement"]["AvailabilityZone"]
        for volume in entry.get("volumes", ()):
            named = {**entry, "name": f"{volume['name']}{name.removeprefix(entry['name'])}"}
            disk = _build_volume(bench, named, volume["size"], zone)
            ec2.attach_volume(VolumeId=disk, InstanceId=instance, Device=volume["device"])
        if entry.get("eip"):
            address = ec2.allocate_address(
                Domain="vpc", TagSpecifications=bench.tag_specifications(entry, "elastic-ip", name=name)
            )
            ec2.associate_address(InstanceId=instance, AllocationId=address["AllocationId"])
        if entry.get("state") == "stopped":
            ec2.stop_instances(InstanceIds=[instance])


def _build_volume(bench: Workbench, entry: Entry, size: int, zone: str) -> str:
    """Create a data volume in an availability zone, with the entry's name and tags, and return its id."""
    volume: str = bench.client("ec2").create_volume(
        AvailabilityZone=zone,
        Size=size,
        VolumeType="gp3",
        Encrypted=True,
        TagSpecifications=bench.tag_specifications(entry, "volume"),
    )["VolumeId"]
    bench.record_id("volume", entry["name"], volume)
    return volume


def _build_containers(bench: Workbench) -> None:
    for entry in bench.entries("repositories"):
        bench.client("ecr").create_repository(repositoryName=entry["name"], tags=bench.tag_list(entry))
    for entry in bench.entries("clusters"):
        ecs = bench.client("ecs")
        tags = [{"key": key, "value": value} for key, value in bench.tags(entry).items()]
        cluster = ecs.create_cluster(clusterName=entry["name"], tags=tags)["cluster"]["clusterArn"]
        for service in entry["services"]:
            image = f"{bench.account_id}.dkr.ecr.{bench.region}.amazonaws.com/{service['image']}:release"
            container = {"name": service["name"], "image": image, "cpu": 256, "memory": 512, "essential": True}
            task = ecs.register_task_definition(
                family=service["name"],
                containerDefinitions=[container],
                taskRoleArn=bench.recorded_id("role", "ecs-tasks"),
                tags=tags,
            )["taskDefinition"]["taskDefinitionArn"]
            ecs.create_service(
                cluster=cluster,
                serviceName=service["name"],
                taskDefinition=task,
                desiredCount=service["desired"],
                tags=tags,
            )
