"""AWS's own endpoints are told from others, wherever another one is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.session import Session

from cloudops_nb.aws.endpoints import configured_endpoints, is_aws_endpoint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast
CONFIG = """
[default]
region = eu-west-1
[profile simulated]
endpoint_url = http://127.0.0.1:5000
[profile one]
services = special
[services special]
s3 =
  endpoint_url = https://s3.example.com
ec2 =
  endpoint_url = https://ec2.example.com
[profile ignoring]
endpoint_url = http://127.0.0.1:5000
ignore_configured_endpoint_urls = true
"""


@pytest.mark.parametrize(
    "url",
    [
        "https://ec2.eu-west-1.amazonaws.com", "https://sts.amazonaws.com/", "https://ec2.cn-north-1.amazonaws.com.cn",
        "https://s3.dualstack.eu-west-1.amazonaws.com:443", "https://lambda.eu-west-1.api.aws",
        "https://ec2.us-iso-east-1.c2s.ic.gov", "https://ec2.eusc-de-east-1.amazonaws.eu",
    ],
)  # fmt: skip
def test_an_endpoint_of_any_partition_is_aws_own(url: str) -> None:
    assert is_aws_endpoint(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5000", "http://ec2.eu-west-1.amazonaws.com", "https://amazonaws.com.example.com",
        "https://notamazonaws.com", "https://ec2.example.com/amazonaws.com", "https://a@example.com#.amazonaws.com", "",
    ],
)  # fmt: skip
def test_any_other_is_not(url: str) -> None:
    assert not is_aws_endpoint(url)


@pytest.mark.parametrize(
    ("profile", "variables", "expected"),
    [
        ("default", {}, set()),
        ("simulated", {}, {"http://127.0.0.1:5000"}),
        ("one", {}, {"https://s3.example.com", "https://ec2.example.com"}),
        ("ignoring", {}, set()),
        ("default", {"AWS_ENDPOINT_URL": "http://a"}, {"http://a"}),
        ("default", {"AWS_ENDPOINT_URL_EC2": "http://b", "AWS_ENDPOINT_URL": "http://a"}, {"http://a", "http://b"}),
        ("default", {"AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, set()),
    ],
)
def test_configured_endpoints_come_from_the_environment_and_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, variables: dict[str, str], expected: set[str]
) -> None:
    (tmp_path / "config").write_text(CONFIG)
    for name in ("AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **variables}.items():
        monkeypatch.setenv(name, value)
    assert configured_endpoints(Session(profile=None if profile == "default" else profile)) == expected
