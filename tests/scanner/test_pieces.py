"""The small parts: selectors, error classes, token buckets, progress and the report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.errors import CredentialsError
from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.scanner import Progress, ScanReport
from cloudops_nb.scanner.cells import classify, truncated
from cloudops_nb.scanner.rate_limit import Grant, RateLimit, RateLimits, TokenBucket, rate_limit
from cloudops_nb.scanner.regions import default_regions, enabled_by_default, home_region
from cloudops_nb.scanner.selectors import fields, holds, select

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


def test_regions_are_known_per_partition() -> None:
    assert home_region("aws-cn") == "cn-north-1"
    assert len(default_regions("aws")) == 17
    assert enabled_by_default("us-gov-west-1")
    assert not enabled_by_default("af-south-1")


# --- token buckets


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_grants_its_burst_then_its_rate() -> None:
    bucket = TokenBucket(RateLimit("g", burst=3, per_second=2), clock=Clock())
    assert [bucket.reserve().seconds for _ in range(6)] == [0, 0, 0, 0.5, 1.0, 1.5]


def _throttle(bucket: TokenBucket) -> None:
    bucket.throttled(bucket.reserve())


def _succeed(bucket: TokenBucket, times: int) -> None:
    for _ in range(times):
        bucket.succeeded(bucket.reserve())


def test_a_throttle_halves_the_rate_and_success_wins_it_back() -> None:
    bucket = TokenBucket(RateLimit("g", burst=10, per_second=8), clock=Clock())
    _throttle(bucket)
    assert bucket.rate == 4
    assert bucket.reserve().seconds == 0.25
    _succeed(bucket, 12)
    assert 4 < bucket.rate < 6
    _succeed(bucket, 100)
    assert bucket.rate == 8
    assert bucket.as_seeded


def test_calls_that_are_refused_together_halve_the_rate_once() -> None:
    bucket = TokenBucket(RateLimit("g", burst=10, per_second=8), clock=Clock())
    for grant in [bucket.reserve() for _ in range(10)]:
        bucket.throttled(grant)
    assert bucket.rate == 4


def test_throttles_without_end_leave_a_trickle() -> None:
    bucket = TokenBucket(RateLimit("g", burst=10, per_second=8), clock=Clock())
    for _ in range(100):
        _throttle(bucket)
    assert bucket.rate == pytest.approx(0.4)


def test_the_rate_that_aws_refused_is_not_tried_again_soon() -> None:
    bucket = TokenBucket(RateLimit("g", burst=10, per_second=8), clock=Clock())
    _throttle(bucket)
    for _ in range(100):
        bucket.succeeded(Grant(0.0, 1))  # calls that waited for nothing do not show what AWS would bear
    assert bucket.rate == bucket.ceiling == 6


def test_a_published_rate_is_never_passed_and_an_assumed_one_is_while_aws_lets_it() -> None:
    published, assumed = (TokenBucket(RateLimit("g", 5, 8, assumed=word), clock=Clock()) for word in (False, True))
    for bucket in (published, assumed):
        _succeed(bucket, 3000)
    assert published.rate == 8
    assert assumed.rate == 64


def test_a_learned_rate_holds_from_the_first_call_on_and_shrinks_the_burst() -> None:
    bucket = TokenBucket(RateLimit("g", burst=8, per_second=8), 2.0, Clock())
    assert [bucket.reserve().seconds for _ in range(4)] == [0, 0, 0.5, 1.0]


@pytest.mark.parametrize(("learned", "rate"), [(0.0001, 0.4), (1000.0, 8.0)])
def test_a_learned_rate_out_of_bounds_is_brought_within(learned: float, rate: float) -> None:
    assert TokenBucket(RateLimit("g", burst=8, per_second=8), learned, Clock()).rate == pytest.approx(rate)


def test_what_throttles_taught_goes_from_one_scan_to_the_next() -> None:
    place = ("1", "eu-west-1", "ec2", "DescribeInstances")
    first = RateLimits()
    _throttle(first.bucket(*place))
    first.bucket("1", "us-east-1", "ec2", "DescribeInstances")
    (learned,) = first.learned()
    assert learned.place == ("1", "eu-west-1", "ec2", "read")
    assert learned.per_second < 20
    second = RateLimits([learned])
    assert second.bucket(*place).rate == learned.per_second
    assert second.bucket("1", "us-east-1", "ec2", "DescribeInstances").rate == 20
    _succeed(second.bucket(*place), 1000)
    assert [each.per_second for each in second.learned()] == [20], "what was won back replaces what was kept"


@given(st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=60))
def test_no_more_calls_than_the_limit_in_any_time(pauses: list[float]) -> None:
    clock = Clock()
    bucket = TokenBucket(RateLimit("g", burst=5, per_second=3), clock=clock)
    granted = []
    for pause in pauses:
        clock.now += pause
        granted.append(clock.now + bucket.reserve().seconds)
    for first, start in enumerate(granted):
        for count, end in enumerate(granted[first:], 1):
            assert count <= 5 + (end - start) * 3 + 1 + 1e-6


def test_buckets_are_shared_by_group_and_apart_by_account_and_region() -> None:
    limits = RateLimits()
    one = limits.bucket("1", "eu-west-1", "ec2", "DescribeInstances")
    assert one is limits.bucket("1", "eu-west-1", "ec2", "DescribeVolumes")
    assert one is not limits.bucket("1", "eu-west-1", "ec2", "DescribeRegions")
    assert one is not limits.bucket("2", "eu-west-1", "ec2", "DescribeInstances")
    assert one is not limits.bucket("1", "us-east-1", "ec2", "DescribeInstances")


def test_published_limits_are_those_of_the_table() -> None:
    assert rate_limit("ec2", "DescribeInstances") == RateLimit("read", 100, 20)
    assert rate_limit("ec2", "StopInstances") == RateLimit("change", 50, 5)
    assert rate_limit("nosuch", "Get") == RateLimit("all", 20, 10, assumed=True)


# --- progress and report


def test_progress_estimates_the_time_left() -> None:
    half = Progress(done=5, total=10, failed=1, resources=40, calls=9, elapsed=2.0, current="a/b/c")
    assert (half.rate, half.eta) == (2.5, 2.0)
    assert str(half) == "5/10 cells, 1 failed, 40 resources, 2 cells/s, about 2 s left · a/b/c"
    assert Progress(0, 10, 0, 0, 0, 0.0, "").eta is None


def _result(region: str, state: CellState, resources: int = 0, detail: str = "") -> CellResult:
    key = CellKey("123456789012", region, "rds_instance")
    return CellResult(key, state, datetime.now(UTC), 0.5, resources, calls=2, pages=1, retries=1, detail=detail)


@pytest.fixture
def report() -> ScanReport:
    results = [
        _result("eu-west-1", CellState.OK, 5),
        _result("eu-west-2", CellState.DENIED, 0, "AccessDenied: <script>"),
        _result("eu-west-3", CellState.DENIED, 0, "AccessDenied: <script>"),
        _result("us-east-1", CellState.OK, 1, "1 without tags (AccessDenied: no)"),
    ]
    previous = {results[0].key: 7, results[1].key: 3}
    return ScanReport("0a1b", datetime.now(UTC), 1.5, results, {"123456789012": "<prod>"}, previous)


def test_cells_are_one_row_each_with_change_only_where_it_is_known(report: ScanReport) -> None:
    cells = report.cells
    assert list(cells["state"]) == ["ok", "denied", "denied", "ok"]
    assert cells["change"].tolist()[0] == -2
    assert cells["change"].isna().tolist() == [False, True, True, True]
    assert cells["account_name"].unique().tolist() == ["<prod>"]


def test_the_report_prints_counts_failures_and_reasons(report: ScanReport) -> None:
    text = str(report)
    assert text.startswith(
        "6 resources (-2 since the scan before) in 2 of 4 cells read completely, 8 calls, 4 retries, 1.5 s"
    )
    assert "rds_instance  6" in text
    assert "<prod> eu-west-2/rds_instance and 1 more cell  denied  AccessDenied: <script>" in text
    assert "us-east-1/rds_instance  ok  1 without tags" in text
    assert not report.complete
    assert len(report.failures) == 2


def test_the_report_in_html_escapes_what_aws_said(report: ScanReport) -> None:
    html = report._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;prod&gt;" in html


def test_a_report_without_resources_has_an_empty_frame(report: ScanReport) -> None:
    assert report.frame.empty
    assert isinstance(report.frame, pd.DataFrame)
    assert ScanReport("0", datetime.now(UTC), 0.0, []).cells.empty
