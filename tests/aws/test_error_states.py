"""The states in which AWS errors end a cell, and the fields that say that an answer is truncated."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.aws.error_states import classify, truncation_field
from cloudops_nb.errors import CredentialsError
from cloudops_nb.model import CellState

pytestmark = pytest.mark.fast


def _refused(code: str, status: int = 400, message: str = "") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Op")


def test_an_unknown_error_is_an_error_and_never_an_empty_answer() -> None:
    assert classify(_refused("Novel"), region="eu-west-1").state is CellState.ERROR
    assert classify(RuntimeError("x"), region="eu-west-1").state is CellState.ERROR


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("<!DOCTYPE html>\n<html><title>Bad &amp; Gateway</title></html>", "502: an HTML page, Bad & Gateway"),
        ("Unable to parse, further retries may succeed:\nb'<html><body>no</body></html>'", "succeed: an HTML page"),
        ("a web <HTML >\n</html>", "502: a web: an HTML page"),
        ("a <b>tag</b> and html", "502: a <b>tag</b> and html"),
    ],
)
def test_a_page_of_a_proxy_is_named_and_not_shown(message: str, detail: str) -> None:
    assert classify(_refused("502", 502, message), region="eu-west-1").detail.endswith(detail)


@given(
    st.text(max_size=30),
    st.integers(min_value=300, max_value=599),
    st.text(max_size=400),
    st.sampled_from(["eu-west-1", "af-south-1"]),
)
def test_no_error_counts_as_a_complete_cell(code: str, status: int, message: str, region: str) -> None:
    failure = classify(_refused(code, status, message), region=region)
    assert not failure.state.complete
    assert "\n" not in failure.detail
    assert len(failure.detail) <= 300


def test_ec2s_prefixed_codes_are_the_same_codes() -> None:
    assert classify(_refused("Client.UnauthorizedOperation"), region="eu-west-1").state is CellState.DENIED


def test_an_error_of_the_package_is_classified_by_its_cause() -> None:
    ours = CredentialsError("no")
    ours.__cause__ = _refused("ExpiredToken", 403)
    assert classify(ours, region="eu-west-1").state is CellState.EXPIRED


def test_a_field_that_says_more_follows_is_found() -> None:
    assert truncation_field({"HasMore": True}, via_paginator=True) == "HasMore"
    assert truncation_field({"List": {"IsTruncated": True}}, via_paginator=True) == "IsTruncated"
    assert truncation_field({"IsTruncated": False, "Items": []}, via_paginator=True) == ""
    assert truncation_field({"NextToken": "2"}, via_paginator=True) == ""
    assert truncation_field({"NextToken": "2"}, via_paginator=False) == "NextToken"
    assert truncation_field({"List": {"NextMarker": "2"}}, via_paginator=False) == "NextMarker"
    assert truncation_field({"NextToken": ""}, via_paginator=False) == ""
