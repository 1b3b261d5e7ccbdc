"""The command shown for a step is the one that AWS's command line reads as the same call."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.execution.cli_command import cli_command

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("service", "api", "parameters", "command"),
    [
        ("rds", "StopDBInstance", {"DBInstanceIdentifier": "pg-main1"},
         "aws rds stop-db-instance --db-instance-identifier pg-main1"),
        ("ec2", "StopInstances", {"InstanceIds": ["i-1", "i-2"], "Force": True},
         "aws ec2 stop-instances --instance-ids i-1 i-2 --force"),
        ("ec2", "StopInstances", {"InstanceIds": ["i-1"], "Force": False},
         "aws ec2 stop-instances --instance-ids i-1 --no-force"),
        ("ec2", "ModifyVolume", {"VolumeId": "vol-1", "Size": 20}, "aws ec2 modify-volume --volume-id vol-1 --size 20"),
        ("s3", "PutBucketVersioning", {"Bucket": "b", "VersioningConfiguration": {"Status": "Enabled"}},
         "aws s3api put-bucket-versioning --bucket b --versioning-configuration '{\"Status\": \"Enabled\"}'"),
        ("ec2", "CreateTags", {"Resources": ["i-1"], "Tags": [{"Key": "a", "Value": "b c"}]},
         "aws ec2 create-tags --resources i-1 --tags '[{\"Key\": \"a\", \"Value\": \"b c\"}]'"),
        ("sqs", "PurgeQueue", {"QueueUrl": "https://sqs/q"}, "aws sqs purge-queue --queue-url '\"https://sqs/q\"'"),
        ("rds", "StopDBInstance", {"DBInstanceIdentifier": "-x"},
         "aws rds stop-db-instance --db-instance-identifier=-x"),
        ("ec2", "StopInstances", {"InstanceIds": ["file:///etc/passwd"]},
         "aws ec2 stop-instances --cli-input-json '{\"InstanceIds\": [\"file:///etc/passwd\"]}'"),
    ],
)  # fmt: skip
def test_each_kind_of_value_is_written_as_the_command_line_reads_it(
    service: str, api: str, parameters: dict[str, Any], command: str
) -> None:
    assert cli_command(service, api, parameters) == command


def test_the_region_is_named() -> None:
    assert cli_command("rds", "DescribeDBInstances", {}, "eu-central-1").endswith(" --region eu-central-1")


@given(st.text())
def test_no_value_can_add_a_word_to_the_command(value: str) -> None:
    words = shlex.split(cli_command("rds", "StopDBInstance", {"DBInstanceIdentifier": value}))
    assert words[:3] == ["aws", "rds", "stop-db-instance"]
    given_value = words[-1].removeprefix("--db-instance-identifier=")
    assert value in (given_value, json.loads(given_value) if given_value.startswith('"http') else given_value) or (
        value.startswith("file") and json.loads(given_value) == value
    )
    assert len(words) == (4 if value.startswith("-") else 5)
