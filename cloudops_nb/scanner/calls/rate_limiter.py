"""Token buckets for the groups of APIs that AWS throttles together, so that a scan slows down before AWS throttles it.

The seeded rate of a bucket is the rate in ``rate_limits.yaml``, which AWS publishes or which is assumed. Its ceiling is
the highest rate that AWS is believed to accept. A bucket starts at the ceiling that an earlier scan learned, or else at
the seeded rate.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.model import LearnedRate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: The lowest rate to which throttling can reduce a bucket, as a fraction of the seeded rate.
_LOWEST_RATE = 0.05
#: The gain in rate from each successful call, as a fraction of the seeded rate.
_RATE_GAIN = 0.02
#: The gain in ceiling from each successful call that had to wait, as a fraction of the seeded rate.
_CEILING_GAIN = 0.005
#: The ceiling after AWS throttled a call, as a fraction of the rate at that time.
_CEILING_AFTER_THROTTLE = 0.75
#: The highest ceiling of an assumed rate, as a multiple of that rate.
_MAX_GROWTH = 8.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The calls that AWS accepts for a group of APIs: ``burst`` calls at once, then ``per_second``.

    ``assumed`` is set if AWS publishes neither figure. For an assumed rate, the ceiling may rise above the rate.
    """

    group: str
    burst: float
    per_second: float
    assumed: bool = False


@cache
def rate_limit(service: str, operation: str) -> RateLimit:
    """Return the published or assumed limit of an operation."""
    table = _rate_limit_table()
    for entry in table["services"].get(service, ()):
        if any(fnmatchcase(operation, pattern) for pattern in entry["operations"]):
            return RateLimit(entry["group"], entry["burst"], entry["per_second"], entry.get("assumed", False))
    return RateLimit("all", table["default"]["burst"], table["default"]["per_second"], assumed=True)


@dataclass(frozen=True, slots=True)
class Grant:
    """A token for one call.

    Attributes:
        seconds: The time to wait before the call.
        throttle_count: How often the bucket had been throttled when this token was granted.
    """

    seconds: float
    throttle_count: int


class TokenBucket:
    """Tokens that refill at a rate. A throttled call halves the rate, and each success raises it a little. Thread-safe.

    A throttled call also sets the ceiling, which is below the rate at that time. Each successful call that had to wait
    for its token raises the ceiling a little: up to the seeded rate, or above it if the seeded rate is only assumed.

    Args:
        limit: The seeded burst and rate.
        learned: The ceiling that an earlier scan learned, in calls per second; by default the seeded rate.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, limit: RateLimit, learned: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seed = limit.per_second
        self._lowest_rate = limit.per_second * _LOWEST_RATE
        self._highest_ceiling = limit.per_second * (_MAX_GROWTH if limit.assumed else 1.0)
        self._ceiling = min(max(learned or self._seed, self._lowest_rate), self._highest_ceiling)
        self._rate = self._ceiling
        # If an earlier scan found the seeded rate too high, the seeded burst is probably too high by the same factor.
        self._burst = limit.burst * min(1.0, self._ceiling / self._seed)
        self._tokens = self._burst
        self._clock = clock
        self._lock = threading.Lock()
        self._refilled_at = clock()
        self._throttle_count = 0

    @property
    def ceiling(self) -> float:
        """The highest rate that AWS is believed to accept, in calls per second."""
        return self._ceiling

    @property
    def as_seeded(self) -> bool:
        """Whether the ceiling equals the seeded rate."""
        return self._ceiling == self._seed

    def reserve(self) -> Grant:
        """Take one token, possibly a future one; the grant says how long to wait before the call."""
        with self._lock:
            now = self._clock()
            # A negative number of tokens means that future tokens are already granted, so the next call waits longer.
            self._tokens = min(self._burst, self._tokens + (now - self._refilled_at) * self._rate) - 1
            self._refilled_at = now
            return Grant(max(0.0, -self._tokens / self._rate), self._throttle_count)

    def throttled(self, grant: Grant) -> None:
        """Halve the rate and drop the unused tokens, because AWS throttled a call.

        AWS usually throttles several calls that are in flight at the same time; only the first of them counts.
        """
        with self._lock:
            # After this token was granted, another call was throttled, and the bucket has already slowed down.
            if grant.throttle_count != self._throttle_count:
                return
            self._throttle_count += 1
            self._ceiling = max(self._rate * _CEILING_AFTER_THROTTLE, self._lowest_rate)
            self._rate = max(self._rate / 2, self._lowest_rate)
            self._tokens = min(self._tokens, 0.0)

    def succeeded(self, grant: Grant) -> None:
        """Raise the rate a little, up to the ceiling; a call that had to wait also raises the ceiling."""
        with self._lock:
            # Only calls that had to wait show that AWS accepts the full rate. Other calls come at a lower rate.
            if grant.seconds:
                raised = min(self._ceiling + self._seed * _CEILING_GAIN, self._highest_ceiling)
                self._ceiling = max(self._ceiling, raised)
            self._rate = min(self._rate + self._seed * _RATE_GAIN, self._ceiling)


class RateLimiter:
    """Creates token buckets on demand, one for each account, region, service and group of APIs; thread-safe.

    Args:
        learned: The rates that earlier scans learned.
    """

    def __init__(self, learned: Iterable[LearnedRate] = ()) -> None:
        _rate_limit_table()  # load the table here: threads that need it later at the same time would each load it
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, str, str], TokenBucket] = {}
        self._learned = {rate.place: rate for rate in learned}
        self._adopted: dict[tuple[str, str, str, str], LearnedRate] = {}

    def bucket(self, account_id: str, region: str, service: str, operation: str) -> TokenBucket:
        """Return the bucket of an operation."""
        limit = rate_limit(service, operation)
        key = (account_id, region, service, limit.group)
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                learned = self._learned.get(key)
                bucket = self._buckets[key] = TokenBucket(limit, learned.per_second if learned else None)
            return bucket

    def earlier_rates(self) -> Sequence[LearnedRate]:
        """Return the rates that earlier scans and other processes learned, without those that this limiter learned."""
        return list(self._learned.values())

    def adopt(self, learned: Iterable[LearnedRate]) -> None:
        """Take over rates that other processes learned, for use in new buckets; existing buckets keep their rates."""
        with self._lock:
            for rate in learned:
                self._learned[rate.place] = self._adopted[rate.place] = rate

    def learned(self) -> Sequence[LearnedRate]:
        """Return the rates to keep for the next scan.

        For a bucket that this process has used, the rate is the bucket's ceiling. A ceiling that equals the seeded rate
        is left out, unless it must replace a rate that an earlier scan or another process learned. For any other
        bucket, the rate is the one that :meth:`adopt` received, if any.
        """
        now = datetime.now(UTC)
        with self._lock:
            buckets = list(self._buckets.items())
            of_other_processes = [rate for key, rate in self._adopted.items() if key not in self._buckets]
        return of_other_processes + [
            LearnedRate(*key, per_second=bucket.ceiling, at=now)
            for key, bucket in buckets
            if key in self._learned or not bucket.as_seeded
        ]


@cache
def _rate_limit_table() -> dict[str, Any]:
    table: dict[str, Any] = bundled_table(__package__, "rate_limits.yaml")
    return table
