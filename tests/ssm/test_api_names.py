from __future__ import annotations

import pytest

from cloudops_nb.ssm.api_names import canonical_api, canonical_service, nearest_api, nearest_service

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("name", "service"),
    [("ec2", "ec2"), ("EC2", "ec2"), ("auto-scaling", "autoscaling"), ("AutoScaling", "autoscaling"), ("nothing", "")],
)
def test_a_service_has_one_name(name, service):
    assert canonical_service(name) == service


@pytest.mark.parametrize(
    ("name", "api"),
    [
        ("DescribeInstances", "DescribeInstances"),
        ("describe_instances", "DescribeInstances"),
        ("describeInstances", "DescribeInstances"),
        ("DescribeNothing", ""),
    ],
)
def test_an_api_has_one_name(name, api):
    assert canonical_api("ec2", name) == api


def test_a_misspelt_name_gets_a_suggestion():
    assert nearest_service("dynamodbb") == "did you mean dynamodb?"
    assert nearest_api("ec2", "DescribeInstance") == "did you mean DescribeInstances?"
