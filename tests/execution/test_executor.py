"""A call that changes something is sent once, and its failure is told from its loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions

from cloudops_nb.errors import CredentialsError
from cloudops_nb.execution.executor import ApiCall, InProcess
from tests.canned_response import canned_response

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

ACCOUNT_ID, REGION = "123456789012", "eu-central-1"


def answer(status: int, code: str) -> Any:
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>no</Message></Error></Errors></Response>"

    def respond(request: Any, **_: Any) -> AWSResponse:
        return canned_response(request.url, status, body.encode())

    return respond


def break_off(kind: type[exceptions.BotoCoreError], **facts: Any) -> Any:
    def respond(request: Any, **_: Any) -> None:
        raise kind(endpoint_url=request.url, **facts)

    return respond


def stop(aws: Any, respond: Any) -> Any:
    aws.hook("ec2", "before-send.ec2.StopInstances", respond)
    parameters = {"InstanceIds": ["i-0123456789abcdef0"]}
    return InProcess(aws.clients).call(ApiCall(ACCOUNT_ID, REGION, "ec2", "StopInstances", parameters, changes=True))


@pytest.mark.parametrize(
    ("respond", "lost", "transient"),
    [
        (answer(400, "IncorrectInstanceState"), False, False),
        (answer(503, "RequestLimitExceeded"), False, True),
        (answer(500, "InternalError"), True, True),
        (break_off(exceptions.ConnectionClosedError), True, True),
        (break_off(exceptions.ReadTimeoutError), True, True),
        (break_off(exceptions.ConnectTimeoutError), False, True),
        (break_off(exceptions.EndpointConnectionError, error="refused"), False, True),
    ],
)
def test_a_failed_change_is_sent_once_and_lost_only_if_it_may_have_happened(
    aws: Any, respond: Any, lost: bool, transient: bool
) -> None:
    sent = aws.watch("ec2")
    result = stop(aws, respond)
    assert result.problem
    assert (result.lost, result.transient) == (lost, transient)
    assert sent["StopInstances"] == 1


@pytest.mark.parametrize("body", [b"[]", b'"overloaded"', b"null"])
def test_an_answer_that_botocore_cannot_read_leaves_a_change_unknown(aws: Any, body: bytes) -> None:
    def respond(request: Any, **_: Any) -> AWSResponse:
        return canned_response(request.url, 502, body)

    aws.hook("dynamodb", "before-send.dynamodb.DeleteTable", respond)
    call = ApiCall(ACCOUNT_ID, REGION, "dynamodb", "DeleteTable", {"TableName": "orders"}, changes=True)
    assert InProcess(aws.clients).call(call).lost


def test_a_failed_look_is_never_lost_and_is_tried_again(aws: Any) -> None:
    aws.hook("ec2", "before-send.ec2.DescribeInstances", answer(503, "Unavailable"))
    sent = aws.watch("ec2")
    result = InProcess(aws.clients).call(ApiCall(ACCOUNT_ID, REGION, "ec2", "DescribeInstances", {}))
    assert (result.lost, result.transient, result.code) == (False, True, "Unavailable")
    assert sent["DescribeInstances"] > 1


def test_what_never_left_is_not_lost(aws: Any) -> None:
    executor = InProcess(aws.clients)
    for api, parameters in (("StopInstances", {"InstanceIds": 5}), ("StopEverything", {})):
        result = executor.call(ApiCall(ACCOUNT_ID, REGION, "ec2", api, parameters, changes=True))
        assert result.problem
        assert not result.lost


def test_missing_credentials_are_a_failure_not_an_exception() -> None:
    class Nobody:
        def client(self, *_: Any) -> Any:
            raise CredentialsError("no credentials")

        def caller(self, *_: Any, fresh: bool = False) -> Any:
            raise CredentialsError("no credentials")

    result = InProcess(Nobody()).call(ApiCall(ACCOUNT_ID, REGION, "ec2", "StopInstances", {}, changes=True))
    assert (result.problem, result.lost) == ("no credentials.", False)
