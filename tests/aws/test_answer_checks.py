"""Incomplete answers are refused before botocore parses them as empty ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.model import ServiceModel
from botocore.parsers import ResponseParserError

from cloudops_nb.aws.answer_checks import refuse_incomplete_answer
from cloudops_nb.specs.checks.botocore_models import service_model

pytestmark = pytest.mark.fast

TABLES = json.dumps({"TableNames": [f"table-{number}" for number in range(300)]}).encode()
BRACES = json.dumps({"TableNames": ["{" * 3_000]}).encode()


def check(body: bytes, service: str = "dynamodb", name: str = "ListTables", status: int = 200) -> None:
    refuse_incomplete_answer(service_model(service).operation_model(name), {"status_code": status, "body": body})


@pytest.mark.parametrize("body", [b"{}", b' {"TableNames": []}\n', b'{"TableNames": [], "New": 1}', TABLES, BRACES])
def test_a_whole_answer_passes(body: bytes) -> None:
    check(body)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in</html>", b"[]", b'"fine"', b'{"status": "fine"}', b'{"TableNames": [}', TABLES[:-1]]
)
def test_a_body_without_the_operations_members_is_refused(body: bytes) -> None:
    with pytest.raises(ResponseParserError, match="ListTables returned an incomplete response"):
        check(body)


def test_no_truncated_answer_passes() -> None:
    data: dict[str, Any] = {"Table": {"TableName": "orders", "Replicas": [{"RegionName": "eu-west-1"}] * 100}}
    body = json.dumps(data).encode()
    for length in range(len(body)):
        with pytest.raises(ResponseParserError):
            check(body[:length], name="DescribeTable")


@pytest.mark.parametrize(
    ("service", "name", "body", "status"),
    [
        ("dynamodb", "ListTables", b"not found", 404),
        ("ec2", "DescribeVpcs", b"<DescribeVpcsResponse/>", 200),
        ("s3", "GetBucketPolicy", b'{"Version": "2012-10-17"}', 200),
        ("s3", "ListBuckets", b"<html>not found</html>", 404),
        ("lambda", "DeleteFunctionConcurrency", b"", 204),
        ("lambda", "Invoke", b"any", 200),
        ("apigateway", "GetExport", b"openapi: 3.0.1", 200),
        ("dynamodb", "ListTables", b"moved", 300),
        ("kinesis", "SubscribeToShard", b"\x00\x01 events", 200),
        ("lambda", "InvokeAsync", b"", 202),
        ("amplifyuibuilder", "GetComponent", b'{"status": "fine"}', 200),
        ("s3", "HeadBucket", b"", 200),
    ],
)
def test_errors_other_protocols_and_payloads_are_not_checked(service: str, name: str, body: bytes, status: int) -> None:
    check(body, service, name, status)


@pytest.mark.parametrize(
    ("service", "name", "body"),
    [
        ("s3", "GetBucketVersioning", b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'),
        ("s3", "GetBucketVersioning", b'<V xmlns="http://s3.amazonaws.com/doc/"><Status>Enabled</Status></V>'),
        ("s3", "GetBucketLocation", b"<LocationConstraint>eu-west-1</LocationConstraint>"),
        ("s3", "ListObjectsV2", b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>"),
        ("s3", "GetBucketPolicyStatus", b"<PolicyStatus><IsPublic>true</IsPublic></PolicyStatus>"),
        ("s3", "ListBuckets", b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"),
        ("s3", "ListBuckets", b"<ListAllMyBucketsResult><Buck"),
        ("s3", "ListObjectVersions", b"<ListVersionsResult><Version><Key>a</Key></Version></ListVersionsResult>"),
        ("s3", "ListBuckets", b"<Error><Code>InternalError</Code></Error>"),
        ("s3", "ListBuckets", b"<ListAllMyBucketsResult>" + b"<Weather/>" * 300),
    ],
)
def test_xml_of_the_operation_or_that_botocore_refuses_itself_passes(service: str, name: str, body: bytes) -> None:
    check(body, service, name)


@pytest.mark.parametrize(
    ("service", "name", "body"),
    [
        ("s3", "GetBucketVersioning", b"<html><body>Sign in</body></html>"),
        ("s3", "GetBucketVersioning", b""),
        ("s3", "GetBucketVersioning", b"\n"),
        ("s3", "GetBucketTagging", b"<Tagging><Weather>fine</Weather></Tagging>"),
        ("cloudfront", "ListDistributions", b"<DistributionList><Weather>fine</Weather></DistributionList>"),
    ],
)
def test_xml_without_the_operations_elements_is_refused(service: str, name: str, body: bytes) -> None:
    with pytest.raises(ResponseParserError, match=f"{name} returned an incomplete response"):
        check(body, service, name)


@pytest.mark.parametrize(("name", "whole"), [("Row", True), ("Rows", False), ("rows", False)])
def test_flattened_lists_are_expected_under_the_name_of_an_element(name: str, *, whole: bool) -> None:
    """botocore's parser supports a name at both places, although no service in its data has both."""
    rows = {"shape": "Rows", "locationName": "rows"}
    shapes = {
        "Answer": {"type": "structure", "members": {"Rows": rows}},
        "Rows": {"type": "list", "flattened": True, "member": {"shape": "Word", "locationName": "Row"}},
        "Word": {"type": "string"},
    }
    operations = {"List": {"name": "List", "http": {}, "output": {"shape": "Answer"}}}
    made = ServiceModel({"metadata": {"protocol": "rest-xml"}, "operations": operations, "shapes": shapes}, "made")
    response = {"status_code": 200, "body": f"<Answer><{name}>a</{name}></Answer>".encode()}
    if whole:
        refuse_incomplete_answer(made.operation_model("List"), response)
    else:
        with pytest.raises(ResponseParserError):
            refuse_incomplete_answer(made.operation_model("List"), response)
