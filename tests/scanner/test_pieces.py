"""The small parts: selectors and error classes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.aws.error_states import classify, truncated
from cloudops_nb.declarations.selectors import fields, holds, select
from cloudops_nb.errors import CredentialsError
from cloudops_nb.model import CellState

pytestmark = pytest.mark.fast


# --- selectors


@pytest.mark.parametrize(
    ("selector", "data", "expected"),
    [
        ("arn_name(A)", {"A": "arn:aws:iam::123456789012:role/svc/worker"}, "worker"),
        ("arn_name(A)", {"A": "arn:aws:lambda:eu-west-1:123456789012:function:f"}, "f"),
        ("arn_name(A)", {"A": "plain"}, "plain"),
        ("arn_name(A)", {}, None),
        ("parsed_json(A).b", {"A": '{"b": 1}'}, 1),
        ("parsed_json(A).b", {}, None),
        ("queue_url(A, B)", {"A": "https://q/1/jobs", "B": "arn:aws:sqs:eu-west-1:1:dead"}, "https://q/1/dead"),
        ("queue_url(A, B)", {"A": "https://q/1/jobs"}, None),
    ],
)
def test_own_functions_return_null_for_null(selector: str, data: dict[str, Any], expected: Any) -> None:
    assert select(selector, data) == expected


@pytest.mark.parametrize(
    ("value", "true"), [(None, False), (False, False), ("", False), ([], False), (0, True), ("a", True)]
)
def test_truth_is_jmespaths(value: Any, true: bool) -> None:
    assert holds("A", {"A": value}) is true


def test_fields_are_found_at_every_depth() -> None:
    assert fields("A.B[?C=='x'].D | [0].{e: E}") == {"A", "B", "C", "D", "E"}


# --- errors


def _refused(code: str, status: int = 400, message: str = "") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Op")


def test_an_unknown_error_is_an_error_and_never_an_empty_answer() -> None:
    assert classify(_refused("Novel"), region="eu-west-1").state is CellState.ERROR
    assert classify(RuntimeError("x"), region="eu-west-1").state is CellState.ERROR


@given(
    st.text(max_size=30),
    st.integers(min_value=300, max_value=599),
    st.text(max_size=400),
    st.sampled_from(["eu-west-1", "af-south-1"]),
)
def test_no_refusal_whatsoever_counts_as_complete(code: str, status: int, message: str, region: str) -> None:
    failure = classify(_refused(code, status, message), region=region)
    assert not failure.state.complete
    assert "\n" not in failure.detail
    assert len(failure.detail) <= 300


def test_ec2s_prefixed_codes_are_the_same_codes() -> None:
    assert classify(_refused("Client.UnauthorizedOperation"), region="eu-west-1").state is CellState.DENIED


def test_an_error_of_ours_is_judged_by_its_cause() -> None:
    ours = CredentialsError("no")
    ours.__cause__ = _refused("ExpiredToken", 403)
    assert classify(ours, region="eu-west-1").state is CellState.EXPIRED


def test_a_flag_that_says_there_is_more_is_found() -> None:
    assert truncated({"HasMore": True}, paged=True) == "HasMore"
    assert truncated({"List": {"IsTruncated": True}}, paged=True) == "IsTruncated"
    assert truncated({"IsTruncated": False, "Items": []}, paged=True) == ""
    assert truncated({"NextToken": "2"}, paged=True) == ""
    assert truncated({"NextToken": "2"}, paged=False) == "NextToken"
    assert truncated({"List": {"NextMarker": "2"}}, paged=False) == "NextMarker"
    assert truncated({"NextToken": ""}, paged=False) == ""
