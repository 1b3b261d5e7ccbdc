"""Partitions and regions as far as they are known without a call."""

from __future__ import annotations

import pytest

from cloudops_nb.aws.regions import (
    GLOBAL,
    default_regions,
    enabled_by_default,
    first_region,
    home_region,
    known_regions,
    offered,
    partition_of_arn,
)

pytestmark = pytest.mark.fast


def test_regions_are_known_per_partition() -> None:
    assert home_region("aws-cn") == "cn-north-1"
    assert len(default_regions("aws")) == 17
    assert home_region("aws-new") == home_region("aws") == "us-east-1", "a partition newer than the table"
    assert enabled_by_default("us-gov-west-1")
    assert enabled_by_default(GLOBAL)
    assert not enabled_by_default("af-south-1")
    assert {"eu-west-1", "af-south-1", "cn-north-1", GLOBAL} <= known_regions()


@pytest.mark.parametrize(
    ("arn", "partition"), [("arn:aws-cn:iam::1:root", "aws-cn"), ("arn::iam::1:root", "aws"), ("worker", "aws")]
)
def test_an_arn_names_its_partition(arn: str, partition: str) -> None:
    assert partition_of_arn(arn) == partition


@pytest.mark.parametrize(
    ("prefix", "region", "answer"),
    [
        ("apprunner", "eu-west-1", True),
        ("apprunner", "af-south-1", False),
        ("apprunner", "cn-north-1", False),
        ("apprunner", "xx-new-1", True),
        ("nosuch", "eu-west-1", True),
        ("iam", "eu-west-1", True),
        ("iam", "cn-north-1", True),
        ("ec2", GLOBAL, True),
    ],
)
def test_a_service_is_not_offered_only_if_the_endpoint_data_rule_it_out(prefix: str, region: str, answer: bool) -> None:
    assert offered(prefix, region) is answer


@pytest.mark.parametrize(
    ("preferred", "partition", "region"),
    [
        ([], "", "us-east-1"),
        ([GLOBAL, "eu-west-1"], "", "eu-west-1"),
        (["cn-north-1", "eu-west-1"], "", "cn-north-1"),
        (["cn-north-1", "eu-west-1"], "aws", "eu-west-1"),
        (["eu-west-1"], "aws-cn", "cn-north-1"),
        (["nowhere-9"], "aws", "nowhere-9"),
    ],
)
def test_the_first_region_is_the_preferred_one_of_the_partition(
    preferred: list[str], partition: str, region: str
) -> None:
    assert first_region(preferred, partition) == region
