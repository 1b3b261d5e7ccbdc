"""Creates load balancers and fleets.

A fleet is an Auto Scaling group with its launch template and, if it is behind a load balancer, its target group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudops_nb.demo.builder.workbench import Workbench
    from cloudops_nb.demo.company import Entry


def build_fleets(bench: Workbench) -> None:
    """Create the load balancers of a place (an account in a region), then its fleets.

    A fleet that declares a load balancer gets requests from it.
    """
    for entry in bench.entries("balancers"):
        balancer = bench.client("elbv2").create_load_balancer(
            Name=entry["name"],
            Scheme=entry["scheme"],
            Type="application",
            Subnets=bench.recorded_ids("subnet", f"{entry['network']}-{entry['tier']}-"),
            SecurityGroups=[bench.recorded_id("security_group", group) for group in entry["groups"]],
            Tags=bench.tag_list(entry),
        )["LoadBalancers"][0]
        bench.record_id("balancer", entry["name"], balancer["LoadBalancerArn"])
        bench.record_id("balancer_address", entry["name"], balancer["DNSName"])
    for entry in bench.entries("fleets"):
        targets = [_build_target_group(bench, entry)] if "balancer" in entry else []
        _build_scaling_group(bench, entry, _build_launch_template(bench, entry), targets)


def _build_target_group(bench: Workbench, entry: Entry) -> str:
    """Create a fleet's target group, make the load balancer use this group, and return its ARN.

    The first fleet of a load balancer gets all requests by default. Each further fleet gets the paths below ``/APP/``,
    where ``APP`` is the name of the fleet's app.
    """
    elb, name = bench.client("elbv2"), entry["name"]
    group: str = elb.create_target_group(
        Name=name,
        Protocol="HTTP",
        Port=entry["port"],
        VpcId=bench.recorded_id("vpc", entry["network"]),
        TargetType="instance",
        HealthCheckPath=entry["health"],
        Tags=bench.tag_list(entry),
    )["TargetGroups"][0]["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    balancer = entry["balancer"]
    if listeners := bench.recorded_ids("listener", balancer):
        paths = [{"Field": "path-pattern", "Values": [f"/{entry['app']}/*"]}]
        priority = 10 * (1 + len(bench.recorded_ids("rule", balancer)))
        rule = elb.create_rule(ListenerArn=listeners[0], Priority=priority, Conditions=paths, Actions=forward)
        bench.record_id("rule", f"{balancer}/{name}", rule["Rules"][0]["RuleArn"])
    else:
        listener = elb.create_listener(
            LoadBalancerArn=bench.recorded_id("balancer", balancer), Protocol="HTTP", Port=80, DefaultActions=forward
        )
        bench.record_id("listener", balancer, listener["Listeners"][0]["ListenerArn"])
    return group


def _build_launch_template(bench: Workbench, entry: Entry) -> str:
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30, "VolumeType": "gp3", "DeleteOnTermination": True}}
    template = bench.client("ec2").create_launch_template(
        LaunchTemplateName=entry["name"],
        LaunchTemplateData={
            "ImageId": bench.recorded_ids("image", "larkfield-base")[0],
            "InstanceType": entry["type"],
            "SecurityGroupIds": [bench.recorded_id("security_group", group) for group in entry["groups"]],
            "IamInstanceProfile": {"Name": entry["profile"]},
            "BlockDeviceMappings": [disk],
        },
        TagSpecifications=bench.tag_specifications(entry, "launch-template"),
    )
    identifier: str = template["LaunchTemplate"]["LaunchTemplateId"]
    return identifier


def _build_scaling_group(bench: Workbench, entry: Entry, template: str, targets: list[str]) -> None:
    scaling, name = bench.client("autoscaling"), f"{entry['name']}-{bench.where.env}"
    tags: list[dict[str, Any]] = [
        {**tag, "PropagateAtLaunch": True, "ResourceId": name, "ResourceType": "auto-scaling-group"}
        for tag in bench.tag_list(entry)
    ]
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
        MinSize=min(1, entry["desired"]),
        MaxSize=entry["max"],
        DesiredCapacity=entry["desired"],
        VPCZoneIdentifier=",".join(bench.recorded_ids("subnet", f"{entry['network']}-app-")),
        TargetGroupARNs=targets,
        HealthCheckType="ELB" if targets else "EC2",
        HealthCheckGracePeriod=300,
        Tags=tags,
    )
    scaling.put_scaling_policy(
        AutoScalingGroupName=name,
        PolicyName=f"{name}-cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
            "TargetValue": 60.0,
        },
    )
