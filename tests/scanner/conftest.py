"""A simulated AWS of two accounts and two regions, and faults put between it and botocore."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from cloudops_nb.model import Account, CellResult, Resource
from cloudops_nb.scanner import AccountSessions, PageRead, ResourceSpec, Scanner, bundled_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PROD, STAGE = "123456789012", "111122223333"
REGIONS = ("eu-west-1", "us-east-1")
ROLE = f"arn:aws:iam::{STAGE}:role/audit/Scan"
_KEYS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
_CONFIG = """
[profile prod]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
region = eu-west-1
[profile stage]
role_arn = arn:aws:iam::111122223333:role/audit/Scan
source_profile = prod
region = eu-west-1
"""
#: The types of which the estate has something; the simulated AWS does not know all the others.
SEED = frozenset({
    "autoscaling_group", "dynamodb_table", "ec2_instance", "ec2_security_group", "ec2_subnet", "ec2_volume", "ec2_vpc",
    "elbv2_load_balancer", "elbv2_target_group", "iam_role", "iam_user", "lambda_function", "rds_instance", "s3_bucket",
    "sqs_queue",
})  # fmt: skip
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


@pytest.fixture(scope="session")
def estate() -> Iterator[Estate]:
    pipe, environment = subprocess.PIPE, {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=pipe, stdout=pipe, text=True, env=environment
    ) as server:
        endpoint = server.stdout.readline().strip()
        yield Estate(endpoint, _make(endpoint))


def _make(endpoint: str) -> dict[str, str]:
    """Make the estate: most of it in prod/eu-west-1, one bucket and one table elsewhere, one database in stage."""

    def prod(service: str, region: str = "eu-west-1") -> Any:
        return boto3.client(service, region_name=region, endpoint_url=endpoint, **_KEYS)

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


@pytest.fixture
def aws_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An AWS config file with a profile that has keys and one that assumes a role."""
    path = tmp_path / "aws-config"
    path.write_text(_CONFIG, encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    return path


@pytest.fixture
def aws(estate: Estate, aws_config: Path, monkeypatch: pytest.MonkeyPatch) -> Estate:
    """The simulated AWS, with the environment pointing there; retries wait for nothing."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", estate.endpoint)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
    return estate


ACCOUNTS = (
    Account(name="prod", profile="prod", environment="production"),
    Account(name="stage", role_arn=ROLE, source_profile="prod"),
)


@dataclass
class Scanned:
    """What a scan gave."""

    resources: list[Resource] = field(default_factory=list)
    results: dict[str, CellResult] = field(default_factory=dict)

    def one(self, resource_type: str, name: str) -> Resource:
        found = [each for each in self.resources if each.resource_type == resource_type and each.name == name]
        assert len(found) == 1, found
        return found[0]

    def names(self, resource_type: str) -> list[str]:
        return sorted(each.name for each in self.resources if each.resource_type == resource_type)


@pytest.fixture
def accounts() -> tuple[Account, ...]:
    """The two accounts, one by profile and one by role."""
    return ACCOUNTS


def seed_types() -> list[ResourceSpec]:
    """Return the specs of the types of which the estate has something."""
    return [spec for spec in bundled_specs() if spec.resource_type in SEED]


@pytest.fixture(scope="session")
def seed() -> list[ResourceSpec]:
    """The specs that scanners made here scan."""
    return seed_types()


@pytest.fixture
def make_scanner(aws: Estate) -> Iterator[Callable[..., Scanner]]:
    """Makes scanners of the seed's types, or of those given; their sessions are closed at the end of the test."""
    opened: list[AccountSessions] = []

    def make(
        accounts: tuple[Account, ...] = ACCOUNTS, *, events: Any = None, threads: int = 8, **options: Any
    ) -> Scanner:
        opened.append(AccountSessions(accounts, threads=threads, events=events, label="cloudops-nb-test"))
        return Scanner(opened[-1], threads=threads, **{"specs": seed_types(), **options})

    yield make
    for sessions in opened:
        sessions.close()


@pytest.fixture(scope="session")
def collect() -> Callable[..., Scanned]:
    """Runs a scan to its end."""

    def run(scanner: Scanner, **selection: Any) -> Scanned:
        scanned = Scanned()
        for item in scanner.scan(**{"regions": REGIONS, **selection}):
            if isinstance(item, PageRead):
                scanned.resources += item.resources
            else:
                assert str(item.key) not in scanned.results, "a cell ends once"
                scanned.results[str(item.key)] = item
        return scanned

    return run


@pytest.fixture(scope="session")
def found(estate: Estate, collect: Callable[..., Scanned], tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """What one undisturbed scan of both accounts and both regions gave; tests only read it."""
    config = tmp_path_factory.mktemp("aws") / "config"
    config.write_text(_CONFIG, encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_CONFIG_FILE", str(config))
        environment.setenv("AWS_ENDPOINT_URL", estate.endpoint)
        environment.delenv("AWS_PROFILE", raising=False)
        sessions = AccountSessions(ACCOUNTS, threads=8)
        scanned = collect(Scanner(sessions, threads=8, specs=seed_types()))
        sessions.close()
    return scanned


class _Body:
    """As much of urllib3's response as botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


@dataclass
class Faults:
    """A handler of botocore's ``before-send``: answers or raises in place of the service.

    A fault is set by operation (``rds:DescribeDBInstances``), account and region, from the n-th such call on.
    """

    rules: list[tuple[str, str, str, range, Any]] = field(default_factory=list)
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    agents: list[str] = field(default_factory=list)

    @property
    def events(self) -> dict[str, Callable[..., Any]]:
        return {"before-send": self}

    def set(
        self, operation: str, fault: Any, *, account: str = PROD, region: str = "eu-west-1", calls: range = range(1, 99)
    ) -> None:
        self.rules.append((operation, account, region, calls, fault))

    def made(self, operation: str) -> int:
        return sum(count for key, count in self.calls.items() if key[0] == operation)

    def __call__(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        _, service, name = event_name.split(".")
        operation = f"{service}:{name}"
        signature = request.headers["Authorization"]
        signature = signature.decode() if isinstance(signature, bytes) else signature
        key, region = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", signature).groups()
        place = (operation, PROD if key == _KEYS["aws_access_key_id"] else STAGE, region)
        agent = request.headers["User-Agent"]
        self.agents.append(agent.decode() if isinstance(agent, bytes) else agent)
        self.calls[place] += 1
        for *where, calls, fault in self.rules:
            if tuple(where) == place and self.calls[place] in calls:
                if isinstance(fault, Exception):
                    raise fault
                return fault(request.url, service)
        return None


def refusal(code: str, status: int = 400, message: str = "refused") -> Callable[[str, str], AWSResponse]:
    """Return a fault that answers with an AWS error, in the form of the service's protocol."""

    def answer(url: str, service: str) -> AWSResponse:
        if service in ("dynamodb", "sqs", "resource-groups-tagging-api", "lambda"):
            body = json.dumps({"__type": code, "message": message}).encode()
            return AWSResponse(url, status, {"x-amzn-errortype": code}, _Body(body))
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        wrapped = {"ec2": f"<Response><Errors>{error}</Errors></Response>", "s3": error}
        body = wrapped.get(service, f"<ErrorResponse>{error}</ErrorResponse>").encode()
        return AWSResponse(url, status, {}, _Body(body))

    return answer


def body(text: str, status: int = 200) -> Callable[[str, str], AWSResponse]:
    """Return a fault that answers with exactly this text."""
    return lambda url, service: AWSResponse(url, status, {}, _Body(text.encode()))


@pytest.fixture
def faults() -> Faults:
    """Faults for one test; none is set."""
    return Faults()


@pytest.fixture
def refuse() -> Callable[..., Any]:
    """Makes an AWS error answer from a code, a status and a message."""
    return refusal


@pytest.fixture
def answer() -> Callable[..., Any]:
    """Makes an answer from a text."""
    return body
