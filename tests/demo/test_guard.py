"""Nothing that runs against the demo can reach a real account."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.demo import guard
from cloudops_nb.demo.company import load_company
from cloudops_nb.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.demo import Demo

SERVICES = (
    "acm", "apigateway", "autoscaling", "cloudformation", "cloudtrail", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs",
    "efs", "eks", "elasticache", "elb", "elbv2", "events", "iam", "kinesis", "kms", "lambda", "logs", "opensearch",
    "organizations", "rds", "redshift", "resourcegroupstaggingapi", "route53", "s3", "s3control", "secretsmanager",
    "sns", "sqs", "ssm", "stepfunctions", "sts",
)  # fmt: skip

#: What a shell full of real access looks like.
AMBIENT = {
    "AWS_ACCESS_KEY_ID": "a-real-key-id",
    "AWS_SECRET_ACCESS_KEY": "a-real-key",
    "AWS_SESSION_TOKEN": "a-real-token",
    "AWS_PROFILE": "corporate",
    "AWS_REGION": "us-west-2",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/Real",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
    "AWS_CONFIG_FILE": "/home/someone/.aws/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/home/someone/.aws/credentials",
    "AWS_ENDPOINT_URL": "https://ec2.eu-west-1.amazonaws.com",
    "AWS_ENDPOINT_URL_S3": "https://s3.eu-west-1.amazonaws.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "HTTP_PROXY": "http://proxy.example:3128",
    "http_proxy": "http://proxy.example:3128",
    "NO_PROXY": "intranet.example",
    "no_proxy": "intranet.example",
}
ENDPOINT = "http://127.0.0.1:1"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a demo whose files exist; a client needs no server to be made."""
    guard.write_aws_files(tmp_path, ENDPOINT, load_company())
    return guard.demo_environment(tmp_path, ENDPOINT, "eu-west-1", {})


def test_from_a_shell_full_of_real_access_every_client_leads_to_the_demo(
    environment: dict[str, str], restored_environ: None
) -> None:
    os.environ.update(AMBIENT)
    guard.enter(environment, os.environ)

    session: Any = botocore.session.Session()
    assert session.get_credentials().access_key == guard.EXAMPLE_KEY_ID
    for service in SERVICES:
        client = session.create_client(service, region_name="us-east-1")
        assert client.meta.endpoint_url == ENDPOINT, service


@pytest.mark.parametrize("profile", ["production", "staging", "development", "demo-base", "default"])
def test_a_profile_leads_to_the_demo_without_the_endpoint_variable(
    environment: dict[str, str], restored_environ: None, profile: str
) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        os.environ[name] = environment[name]

    session: Any = botocore.session.Session(profile=profile)
    for service in ("ec2", "s3", "sts", "iam", "rds"):
        assert session.create_client(service, region_name="us-east-1").meta.endpoint_url == ENDPOINT, service


def test_every_call_of_a_profile_goes_to_loopback_and_starts_from_the_example_key(
    running: Demo, restored_environ: None
) -> None:
    os.environ.update(AMBIENT)
    running.apply(os.environ)
    hosts: list[str | None] = []
    signatures: list[str] = []

    def record(request: Any, **_: Any) -> None:
        hosts.append(urlsplit(request.url).hostname)
        signatures.append(str(request.headers.get("Authorization")))

    session = boto3.Session(profile_name="production")
    session.events.register("before-send", record)
    session.client("ec2").describe_vpcs()
    session.client("s3").list_buckets()
    with suppress(ClientError):  # the simulation lacks it, but it is sent: AWS serves it at a host with a prefix
        session.client("iotsitewise", config=Config(retries={"total_max_attempts": 1})).list_asset_models()

    assert len(hosts) == 4  # AssumeRole first
    assert set(hosts) == {"127.0.0.1"}
    assert guard.EXAMPLE_KEY_ID in signatures[0]
    assert not any("a-real-key-id" in signature for signature in signatures)


def test_the_cached_session_of_boto3_is_dropped(environment: dict[str, str], restored_environ: None) -> None:
    os.environ.update({"AWS_ACCESS_KEY_ID": "a-real-key-id", "AWS_SECRET_ACCESS_KEY": "a-real-key"})
    boto3.setup_default_session()

    guard.enter(environment, os.environ)

    assert boto3.client("ec2").meta.endpoint_url == ENDPOINT


@given(
    ambient=st.dictionaries(
        st.from_regex(r"\AAWS_[A-Z_]{1,30}\Z"), st.text(st.characters(codec="ascii", min_codepoint=32))
    )
)
def test_no_variable_of_aws_survives(tmp_path_factory: pytest.TempPathFactory, ambient: dict[str, str]) -> None:
    folder = tmp_path_factory.mktemp("files")
    guard.write_aws_files(folder, ENDPOINT, load_company())
    environment = guard.demo_environment(folder, ENDPOINT, "eu-west-1", ambient)
    target = dict(ambient)

    guard.enter(environment, target)

    assert target == environment


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://ec2.amazonaws.com",
        "http://10.0.0.1:80",
        "http://127.0.0.1.evil.example",
        "http://localhost:80",
        "",
        "x",
    ],
)
def test_an_endpoint_off_the_loopback_interface_is_refused(environment: dict[str, str], endpoint: str) -> None:
    target = {"AWS_PROFILE": "corporate"}

    with pytest.raises(ConfigurationError, match="loopback"):
        guard.enter({**environment, "AWS_ENDPOINT_URL": endpoint}, target)

    assert target == {"AWS_PROFILE": "corporate"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ENDPOINT, "https://ec2.eu-west-1.amazonaws.com"),
        ("endpoint_url", "some_other_setting"),
        ("source_profile = demo-base", "aws_access_key_id = a-real-key-id"),
        ("role_session_name", "services = real\nrole_session_name"),
    ],
)
def test_an_edited_config_file_is_refused(environment: dict[str, str], tmp_path: Path, old: str, new: str) -> None:
    path = guard.config_path(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")

    with pytest.raises(ConfigurationError, match="refused"):
        guard.enter(environment, {})


def test_the_proxys_exceptions_are_kept_and_loopback_joins_them(tmp_path: Path) -> None:
    environment = guard.demo_environment(tmp_path, ENDPOINT, "eu-west-1", {"NO_PROXY": "intranet.example"})

    assert environment["NO_PROXY"] == environment["no_proxy"] == "intranet.example,127.0.0.1,localhost"


def test_the_folder_is_its_owners_alone(running: Demo) -> None:
    assert stat.S_IMODE(running.path.stat().st_mode) == 0o700
    for path in running.path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_what_the_client_learns_of_the_demo_has_its_own_store(running: Demo) -> None:
    from cloudops_nb.settings import load_settings

    settings = load_settings(environment=running.environment)

    assert settings.data_path == running.path / "store"
    assert [account.profile for account in settings.accounts] == ["production", "staging", "development"]
