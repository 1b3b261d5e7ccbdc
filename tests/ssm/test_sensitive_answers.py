from __future__ import annotations

import botocore.session
import pytest

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.sensitive_answers import selects_sensitive


@pytest.mark.parametrize(
    ("service", "api", "selector"),
    [
        # marked by AWS
        ("rds", "DescribeDBInstances", "$.DBInstances[0].PendingModifiedValues.MasterUserPassword"),
        ("lambda", "GetFunctionConfiguration", "$.Environment"),
        ("lambda", "GetFunctionConfiguration", "$.Environment.Variables.TOKEN"),
        ("kms", "Decrypt", "$.Plaintext"),
        # named by the table
        ("lambda", "GetFunction", "$.Code.Location"),
        ("ec2", "DescribeInstanceAttribute", "$.UserData.Value"),
        ("ec2", "DescribeLaunchTemplateVersions", "$.LaunchTemplateVersions[*].LaunchTemplateData.UserData"),
        ("ecs", "DescribeTaskDefinition", "$.taskDefinition.containerDefinitions[0].environment[0].value"),
        ("elasticbeanstalk", "DescribeConfigurationSettings", "$.ConfigurationSettings[0].OptionSettings[1:2]"),
        ("apigateway", "GetUsagePlanKeys", "$.items[0].value"),
        # with a sensitive member below
        ("rds", "DescribeDBInstances", "$"),
        ("rds", "DescribeDBInstances", "$.DBInstances[0]"),
        ("lambda", "ListFunctions", "$.Functions[*]"),
        ("glue", "GetConnections", "$.ConnectionList[0].*"),
        # not followed, and with a sensitive member below
        ("rds", "DescribeDBInstances", "$..DBInstanceStatus"),
        ("rds", "DescribeDBInstances", "$.DBInstances[?@.Engine=='mysql'].DBInstanceStatus"),
        ("lambda", "GetFunctionConfiguration", "$['MemorySize', 'Timeout']"),
        ("lambda", "GetFunctionConfiguration", "$.NoSuchMember"),
        ("lambda", "GetFunctionConfiguration", "$[0]"),
        # unknown to botocore
        ("lambda", "GetEverything", "$.MemorySize"),
        ("nothing", "GetEverything", "$.MemorySize"),
    ],
)
def test_a_selector_that_may_take_out_a_secret_is_sensitive(service, api, selector):
    assert selects_sensitive(service, api, selector)


@pytest.mark.parametrize(
    ("service", "api", "selector"),
    [
        ("rds", "DescribeDBInstances", "$.DBInstances[0].DBInstanceStatus"),
        ("rds", "DescribeDBInstances", "$.DBInstances[*].Endpoint"),
        ("ec2", "DescribeInstances", "$.Reservations[0].Instances[0].State.Name"),
        ("ec2", "DescribeInstances", "$.Reservations[*].Instances[*]"),
        ("ec2", "DescribeInstances", "$..InstanceId"),
        ("ec2", "DescribeInstanceAttribute", "$.InstanceType.Value"),
        ("ec2", "DescribeLaunchTemplateVersions", "$.LaunchTemplateVersions[0].LaunchTemplateData.ImageId"),
        ("lambda", "GetFunctionConfiguration", "$.MemorySize"),
        ("lambda", "GetFunction", "$.Configuration.State"),
        ("lambda", "GetFunctionConfiguration", "$.ResponseMetadata.RequestId"),
        ("sqs", "GetQueueAttributes", "$.Attributes.QueueArn"),
        ("ec2", "DeleteVolume", "$"),
    ],
)
def test_an_ordinary_part_of_an_answer_is_not_sensitive(service, api, selector):
    assert not selects_sensitive(service, api, selector)


def test_a_selector_that_is_no_jsonpath_is_refused():
    with pytest.raises(PlaybookError, match="not a JSONPath"):
        selects_sensitive("lambda", "GetFunctionConfiguration", "$.MemorySize[")


def test_every_service_of_the_table_exists():
    named = bundled_table("cloudops_nb.ssm", "sensitive_members.yaml")["services"]

    assert set(named) <= set(botocore.session.Session().get_available_services())


def test_what_a_scan_may_not_read_is_refused_here_or_its_answer_is_sensitive():
    """The scanner has a reviewed list of its own, which no part of this package may import."""
    listed = bundled_table("cloudops_nb.aws", "read_only.yaml")["returns_secrets"]
    open_ = [
        f"{service}:{api}"
        for service, apis in listed.items()
        for api in apis
        if not effect_of(service, api).refused and not selects_sensitive(service, api, "$")
    ]

    assert open_ == []
