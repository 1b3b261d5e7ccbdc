"""Token buckets slow down before AWS throttles a scan, and keep what throttles taught."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.scanner.calls.rate_limiter import Grant, RateLimit, RateLimiter, TokenBucket, rate_limit

pytestmark = pytest.mark.fast


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
    assert bucket._rate == 4
    assert bucket.reserve().seconds == 0.25
    _succeed(bucket, 12)
    assert 4 < bucket._rate < 6
    _succeed(bucket, 100)
    assert bucket._rate == 8
    assert bucket.as_seeded


def test_calls_that_are_refused_together_halve_the_rate_once() -> None:
    bucket = TokenBucket(RateLimit("g", burst=10, per_second=8), clock=Clock())
    for grant in [bucket.reserve() for _ in range(10)]:
        bucket.throttled(grant)
    assert bucket._rate == 4


def test_throttles_without_end_leave_a_trickle() -> None:
    bucket = TokenBucket(RateLimit("g", burst=10, per_second=8), clock=Clock())
    for _ in range(100):
        _throttle(bucket)
    assert bucket._rate == pytest.approx(0.4)


def test_the_rate_that_aws_refused_is_not_tried_again_soon() -> None:
    bucket = TokenBucket(RateLimit("g", burst=10, per_second=8), clock=Clock())
    _throttle(bucket)
    for _ in range(100):
        bucket.succeeded(Grant(0.0, 1))  # calls that waited for nothing do not show what AWS would bear
    assert bucket._rate == bucket.ceiling == 6


def test_a_published_rate_is_never_passed_and_an_assumed_one_is_while_aws_lets_it() -> None:
    published, assumed = (TokenBucket(RateLimit("g", 5, 8, assumed=word), clock=Clock()) for word in (False, True))
    for bucket in (published, assumed):
        _succeed(bucket, 3000)
    assert published._rate == 8
    assert assumed._rate == 64


def test_a_learned_rate_holds_from_the_first_call_on_and_shrinks_the_burst() -> None:
    bucket = TokenBucket(RateLimit("g", burst=8, per_second=8), 2.0, Clock())
    assert [bucket.reserve().seconds for _ in range(4)] == [0, 0, 0.5, 1.0]


@pytest.mark.parametrize(("learned", "rate"), [(0.0001, 0.4), (1000.0, 8.0)])
def test_a_learned_rate_out_of_bounds_is_brought_within(learned: float, rate: float) -> None:
    assert TokenBucket(RateLimit("g", burst=8, per_second=8), learned, Clock())._rate == pytest.approx(rate)


def test_learned_rates_carry_over_to_the_next_scan() -> None:
    place = ("1", "eu-west-1", "ec2", "DescribeInstances")
    first = RateLimiter()
    _throttle(first.bucket(*place))
    first.bucket("1", "us-east-1", "ec2", "DescribeInstances")
    (learned,) = first.learned()
    assert learned.place == ("1", "eu-west-1", "ec2", "read")
    assert learned.per_second < 20
    second = RateLimiter([learned])
    assert second.bucket(*place)._rate == learned.per_second
    assert second.bucket("1", "us-east-1", "ec2", "DescribeInstances")._rate == 20
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
    limits = RateLimiter()
    one = limits.bucket("1", "eu-west-1", "ec2", "DescribeInstances")
    assert one is limits.bucket("1", "eu-west-1", "ec2", "DescribeVolumes")
    assert one is not limits.bucket("1", "eu-west-1", "ec2", "DescribeRegions")
    assert one is not limits.bucket("2", "eu-west-1", "ec2", "DescribeInstances")
    assert one is not limits.bucket("1", "us-east-1", "ec2", "DescribeInstances")


def test_published_limits_are_those_of_the_table() -> None:
    assert rate_limit("ec2", "DescribeInstances") == RateLimit("read", 100, 20)
    assert rate_limit("ec2", "StopInstances") == RateLimit("change", 50, 5)
    assert rate_limit("nosuch", "Get") == RateLimit("all", 20, 10, assumed=True)
