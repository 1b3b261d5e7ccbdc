"""A scan calls only operations that read, and that return no secrets and no stored data."""

from __future__ import annotations

import re
from functools import cache

import pytest
from botocore.session import Session

from cloudops_nb.aws.read_only import _exceptions, require_read_only, scan_refusal
from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.scanner.inventory.least_privilege import scan_operations
from cloudops_nb.scanner.policies.policy_calls import policy_operations
from cloudops_nb.specs.files import bundled_specs

#: Members of a response that are credentials.
CREDENTIALS = re.compile(r"(?i)(secret_?access_?key|session_?token|secret_?string|authorization_?token|private_?key)")


@cache
def session() -> Session:
    return Session()


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("ec2", "TerminateInstances"), ("s3", "DeleteBucket"), ("ssm", "SendCommand"), ("lambda", "Invoke"),
        ("sqs", "ReceiveMessage"), ("ec2", "GetPasswordData"), ("secretsmanager", "GetSecretValue"),
        ("ssm", "GetParameter"), ("dynamodb", "GetItem"), ("s3", "GetObject"), ("sts", "GetSessionToken"),
        ("cognito-identity", "GetId"), ("anything", "Getaway"), ("anything", "Listen"), ("anything", ""),
        ("ec2", "describeInstances"), ("ec2", "TerminateInstances DescribeInstances"),
    ],
)  # fmt: skip
def test_an_operation_that_does_more_than_read_is_refused(service: str, operation: str) -> None:
    assert scan_refusal(service, operation)
    with pytest.raises(ConfigurationError, match=f"a scan does not call {service}:{operation}"):
        require_read_only(service, operation)


def test_every_operation_of_the_package_itself_is_accepted() -> None:
    calls = {call for spec in bundled_specs() for call in scan_operations(spec, every_detail=True)}
    calls |= {(each.service, each.operation) for each in policy_operations()}
    calls |= {("ec2", "DescribeRegions"), ("cloudtrail", "LookupEvents"), ("cloudcontrol", "ListResources")}
    assert {call: refusal for call in calls if (refusal := scan_refusal(*call))} == {}


def test_every_exception_is_an_operation_that_botocore_has_and_the_verbs_would_accept() -> None:
    for service, operation in _exceptions():
        assert operation in session().get_service_model(service).operation_names, (service, operation)
        assert scan_refusal("no-service", operation) == ""


def test_every_stream_and_every_credential_at_the_top_of_a_response_is_refused() -> None:
    """The table holds what a review of botocore's models found; a new operation of these two kinds must join it."""
    verbs = tuple(bundled_table("cloudops_nb.aws", "read_only.yaml")["verbs"])
    missing = []
    for service in session().get_available_services():
        model = session().get_service_model(service)
        for name in model.operation_names:
            if not name.startswith(verbs) or scan_refusal(service, name):
                continue
            operation = model.operation_model(name)
            if operation.has_streaming_output or _returns_credentials(operation.output_shape):
                missing.append(f"{service}:{name}")
    assert not missing, f"add them to cloudops_nb/aws/read_only.yaml: {missing}"


def _returns_credentials(shape: object) -> bool:
    """Whether a member of the response, or of a structure in it, is named like a credential."""
    members = getattr(shape, "members", {})
    inner = [*members.items(), *(pair for each in members.values() for pair in getattr(each, "members", {}).items())]
    return any(CREDENTIALS.fullmatch(name) and each.type_name in ("string", "blob") for name, each in inner)
