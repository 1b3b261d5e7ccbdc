"""Parameters are checked against botocore's model before anybody is asked."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.loaders
import pytest
from botocore.model import ServiceModel

from cloudops_nb.errors import PlanError
from cloudops_nb.execution.plan import Effect, Step
from cloudops_nb.execution.validation import validate_step

pytestmark = pytest.mark.fast


@cache
def model(service: str) -> ServiceModel:
    return ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


def validate(service: str, api: str, **parameters: Any) -> list[str]:
    step = Step("change", "aws:executeAwsApi", "arn", service, api, parameters, Effect.MODIFY)
    return validate_step(step, model(service))


def test_a_list_of_one_stands_for_its_item_where_an_api_takes_one() -> None:
    assert validate("rds", "StopDBInstance", DBInstanceIdentifier=["pg-1"]) == []


@pytest.mark.parametrize(
    ("service", "api", "parameters", "problem"),
    [
        ("rds", "StopDBInstance", {}, "Missing required parameter"),
        ("rds", "StopDBInstance", {"DBInstanceIdentifier": ["a", "b"]}, "Invalid type"),
        ("rds", "StopDBInstance", {"DBInstanceIdentifier": "a", "Force": True}, "Unknown parameter"),
        ("iam", "GetAccountSummary", {"Name": "x"}, "takes no parameters"),
        ("rds", "HaltDBInstance", {}, "no API HaltDBInstance"),
        ("sqs", "ListQueues", {"QueueNamePrefix": "a", "MaxResults": "all"}, "Invalid type"),
        ("lambda", "GetAccountSettings", {"All": True}, "Unknown parameter"),
        ("sts", "GetCallerIdentity", {"Name": "x"}, "Unknown parameter|takes no parameters"),
        ("lambda", "PutFunctionConcurrency", {"FunctionName": "f" * 200, "ReservedConcurrentExecutions": 1}, "most is"),
        ("lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "MemorySize": 99_999_999}, "most is"),
        (
            "lambda",
            "UpdateFunctionConfiguration",
            {"FunctionName": "f", "VpcConfig": {"SubnetIds": ["s"] * 99}},
            "most is",
        ),
    ],
)
def test_what_aws_would_refuse_is_refused(service: str, api: str, parameters: dict[str, Any], problem: str) -> None:
    with pytest.raises(PlanError, match=problem):
        validate(service, api, **parameters)


def test_a_value_the_model_does_not_list_is_only_a_warning() -> None:
    (warning,) = validate("s3", "PutBucketVersioning", Bucket="b", VersioningConfiguration={"Status": "Paused"})
    assert "Paused" in warning
    assert validate("s3", "PutBucketVersioning", Bucket="b", VersioningConfiguration={"Status": "Enabled"}) == []


def test_references_stand_for_values_of_the_right_type() -> None:
    assert validate("lambda", "PutFunctionConcurrency", FunctionName="{{ a.b }}",
                    ReservedConcurrentExecutions="{{ a.c }}") == []  # fmt: skip
    assert validate("ec2", "StopInstances", InstanceIds="{{ a.Ids }}", Force="{{ a.Force }}") == []
    assert validate("ec2", "StopInstances", InstanceIds=["{{ a.Id }}"]) == []
    assert validate("lambda", "TagResource", Resource="{{ a.Arn }}", Tags={"a": "{{ a.Value }}"}) == []


def test_an_api_without_parameters_fits() -> None:
    assert validate("iam", "GetAccountSummary") == []
