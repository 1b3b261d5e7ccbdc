"""A JSON answer that is not whole is refused, before botocore takes it for an empty one."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.parsers import ResponseParserError

from cloudops_nb.scanner.whole_answers import refuse_broken

if TYPE_CHECKING:
    from botocore.model import OperationModel

pytestmark = pytest.mark.fast

TABLES = json.dumps({"TableNames": [f"table-{number}" for number in range(300)]}).encode()
BRACES = json.dumps({"TableNames": ["{" * 3_000]}).encode()


@cache
def operation(service: str, name: str) -> OperationModel:
    return botocore.session.Session().get_service_model(service).operation_model(name)


def check(body: bytes, service: str = "dynamodb", name: str = "ListTables", status: int = 200) -> None:
    refuse_broken(operation(service, name), {"status_code": status, "body": body})


@pytest.mark.parametrize("body", [b"{}", b' {"TableNames": []}\n', b'{"TableNames": [], "New": 1}', TABLES, BRACES])
def test_a_whole_answer_passes(body: bytes) -> None:
    check(body)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in</html>", b"[]", b'"fine"', b'{"status": "fine"}', b'{"TableNames": [}', TABLES[:-1]]
)
def test_what_is_no_answer_of_the_operation_is_refused(body: bytes) -> None:
    with pytest.raises(ResponseParserError, match="ListTables was answered with what is not a whole answer"):
        check(body)


def test_no_beginning_of_an_answer_passes() -> None:
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
        ("lambda", "DeleteFunctionConcurrency", b"", 204),
        ("lambda", "Invoke", b"any", 200),
        ("apigateway", "GetExport", b"openapi: 3.0.1", 200),
    ],
)
def test_errors_other_protocols_and_bodies_of_their_own_form_are_left_alone(
    service: str, name: str, body: bytes, status: int
) -> None:
    check(body, service, name, status)
