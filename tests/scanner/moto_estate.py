"""A simulated AWS with an estate of two accounts and two regions, in a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROD, STAGE = "123456789012", "111122223333"
REGIONS = ("eu-west-1", "us-east-1")
ROLE = f"arn:aws:iam::{STAGE}:role/audit/Scan"
KEYS: dict[str, Any] = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
#: A profile that has keys and one that assumes a role.
CONFIG = """
[profile prod]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
region = eu-west-1
[profile stage]
role_arn = arn:aws:iam::111122223333:role/audit/Scan
source_profile = prod
region = eu-west-1
"""
_TAGS = [{"Key": "Environment", "Value": "production"}, {"Key": "Team", "Value": "pay<b>ments"}]

#: Serves until its standard input is closed. In a process of its own, because moto holds one AWS a process, and tests
#: elsewhere empty theirs.
_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Estate:
    """The endpoint of the simulated AWS, and what was made in it by a short name."""

    endpoint: str
    made: Mapping[str, str]


@contextmanager
def served() -> Iterator[Estate]:
    """Serve the estate for as long as the block lasts."""
    pipe, environment = subprocess.PIPE, {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=pipe, stdout=pipe, text=True, env=environment
    ) as server:
        assert server.stdout
        endpoint = server.stdout.readline().strip()
        yield Estate(endpoint, _make(endpoint))


def _make(endpoint: str) -> dict[str, str]:
    """Make the estate: most of it in prod/eu-west-1, one bucket and one table elsewhere, one database in stage."""

    def prod(service: Any, region: str = "eu-west-1") -> Any:  # the stubs ask for a literal
        return boto3.client(service, region_name=region, endpoint_url=endpoint, **KEYS)

    token = prod("sts").assume_role(RoleArn=ROLE, RoleSessionName="estate")["Credentials"]
    stage = boto3.Session(token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"], "eu-west-1")
    made = _make_network(prod("ec2")) | _make_instance(prod("ec2"), prod("autoscaling"), prod("elbv2"), prod)
    stage.client("rds", endpoint_url=endpoint).create_db_instance(
        DBInstanceIdentifier="pg-stage", Engine="mysql", DBInstanceClass="db.t3.micro", AllocatedStorage=20,
        MasterUsername="admin", MasterUserPassword="not-a-secret",
    )  # fmt: skip
    return made | _make_data(prod)


def _make_network(ec2: Any) -> dict[str, str]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = {"a": "10.0.0.0/24", "b": "10.0.1.0/24"}
    subnets = {
        f"subnet_{zone}": ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"eu-west-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for zone, cidr in zones.items()
    }
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    world = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[world])
    return {"vpc": vpc, "group": group, **subnets}


def _make_instance(ec2: Any, autoscaling: Any, elbv2: Any, client: Callable[..., Any]) -> dict[str, str]:
    subnets = [
        each["SubnetId"]
        for each in ec2.describe_subnets(Filters=[{"Name": "cidrBlock", "Values": ["10.0.*"]}])["Subnets"]
    ]
    vpc = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.0.0.0/16"]}])["Vpcs"][0]["VpcId"]
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["web"]}])["SecurityGroups"][0][
        "GroupId"
    ]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": [*_TAGS, {"Key": "Name", "Value": "web-1"}]}]
    run = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro"}
    web = ec2.run_instances(**run, SubnetId=subnets[0], SecurityGroupIds=[group], TagSpecifications=tags)["Instances"][
        0
    ]
    idle = ec2.run_instances(**run, SubnetId=subnets[0])["Instances"][0]["InstanceId"]
    ec2.stop_instances(InstanceIds=[idle])
    autoscaling.create_launch_configuration(LaunchConfigurationName="lc", ImageId=image, InstanceType="t3.micro")
    balancer = elbv2.create_load_balancer(Name="front", Subnets=subnets, Tags=_TAGS)["LoadBalancers"][0][
        "LoadBalancerArn"
    ]
    targets = elbv2.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="instance")
    target_group = targets["TargetGroups"][0]["TargetGroupArn"]
    elbv2.register_targets(TargetGroupArn=target_group, Targets=[{"Id": web["InstanceId"]}])
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="workers", LaunchConfigurationName="lc", MinSize=1, MaxSize=2, DesiredCapacity=1,
        VPCZoneIdentifier=subnets[0], Tags=[{**_TAGS[0], "PropagateAtLaunch": False}],
    )  # fmt: skip
    return {"web": web["InstanceId"], "idle": idle, "balancer": balancer, "target_group": target_group}


def _make_data(client: Callable[..., Any]) -> dict[str, str]:
    rds, s3, iam, sqs = (client(name) for name in ("rds", "s3", "iam", "sqs"))
    database = {
        "DBInstanceClass": "db.t3.micro",
        "AllocatedStorage": 20,
        "Engine": "postgres",
        "BackupRetentionPeriod": 7,
    }
    secret = {"MasterUsername": "admin", "MasterUserPassword": "not-a-secret"}
    rds.create_db_instance(DBInstanceIdentifier="pg-main", **database, **secret, Tags=_TAGS, DeletionProtection=True)
    rds.create_db_instance(DBInstanceIdentifier="pg-single", **database, **secret)
    rds.create_db_instance_read_replica(DBInstanceIdentifier="pg-copy", SourceDBInstanceIdentifier="pg-main")
    s3.create_bucket(Bucket="near-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_tagging(Bucket="near-bucket", Tagging={"TagSet": _TAGS})
    s3.put_bucket_versioning(Bucket="near-bucket", VersioningConfiguration={"Status": "Enabled"})
    client("s3", "us-east-1").create_bucket(Bucket="far-bucket")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName="worker", Path="/svc/", AssumeRolePolicyDocument=trust, Tags=_TAGS)["Role"]["Arn"]
    iam.create_user(UserName="deployer", Tags=_TAGS)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")
    client("lambda").create_function(
        FunctionName="thumbs", Runtime="python3.12", Role=role, Handler="app.run", Code={"ZipFile": code.getvalue()},
        Tags={"Environment": "production"},
    )  # fmt: skip
    dead = sqs.create_queue(QueueName="jobs-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 3})
    jobs = sqs.create_queue(QueueName="jobs", Attributes={"RedrivePolicy": redrive}, tags={"Team": "ops"})["QueueUrl"]
    for name, region in (("orders", "eu-west-1"), ("carts", "eu-west-1"), ("offers", "us-east-1")):
        client("dynamodb", region).create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST", Tags=_TAGS,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )  # fmt: skip
    return {"role": role, "jobs": jobs, "dead": dead}
