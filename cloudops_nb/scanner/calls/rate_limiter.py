"""A token bucket for each group of APIs that AWS throttles together, so that a scan slows down before AWS makes it.

What throttles taught is kept from scan to scan: a bucket that AWS refused starts the next time at the rate that held.
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

#: Parts of the seeded rate: the least that is left of it, what a success wins back, and what one wins beyond that.
_SLOWEST, _RECOVERY, _PROBE = 0.05, 0.02, 0.005
#: What a throttle leaves of the rate that AWS refused, as the most that is tried again.
_BELOW = 0.75
#: How far an assumed rate may grow while AWS lets it.
_GROWTH = 8.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What AWS allows a group of APIs: so many calls at once, then so many a second.

    ``assumed`` says that AWS publishes neither figure; such a rate may grow as long as AWS does not refuse it.
    """

    group: str
    burst: float
    per_second: float
    assumed: bool = False


@cache
def rate_limit(service: str, operation: str) -> RateLimit:
    """Return the published or assumed limit under which an operation falls."""
    table = _rate_limit_table()
    for entry in table["services"].get(service, ()):
        if any(fnmatchcase(operation, pattern) for pattern in entry["operations"]):
            return RateLimit(entry["group"], entry["burst"], entry["per_second"], entry.get("assumed", False))
    return RateLimit("all", table["default"]["burst"], table["default"]["per_second"], assumed=True)


@dataclass(frozen=True, slots=True)
class Grant:
    """A token: the seconds to wait until it is there, and in which round of its bucket it was given."""

    seconds: float
    turn: int


class TokenBucket:
    """Tokens that refill steadily; thread-safe. A throttle halves the rate, each success wins a little of it back.

    The rate that AWS refused is remembered as a ceiling under which the rate stays; successes of calls that had to wait
    for their token lift the ceiling slowly, up to the seeded rate, or beyond it where that was only assumed.

    Args:
        limit: The seeded rate.
        learned: The ceiling that an earlier scan learned, in calls a second.
        clock: Returns seconds.
    """

    def __init__(
        self, limit: RateLimit, learned: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seed = limit.per_second
        self._least = limit.per_second * _SLOWEST
        self._most = limit.per_second * (_GROWTH if limit.assumed else 1.0)
        self._ceiling = min(max(learned or self._seed, self._least), self._most)
        self._rate = self._ceiling
        # Where the rate was too high, so was the burst.
        self._burst = limit.burst * min(1.0, self._ceiling / self._seed)
        self._tokens = self._burst
        self._clock = clock
        self._lock = threading.Lock()
        self._at = clock()
        self._turn = 0

    @property
    def rate(self) -> float:
        """Calls a second that the bucket grants at the moment."""
        return self._rate

    @property
    def ceiling(self) -> float:
        """The most calls a second that the bucket believes AWS to allow."""
        return self._ceiling

    @property
    def as_seeded(self) -> bool:
        """Whether AWS has taught nothing that the table does not say."""
        return self._ceiling == self._seed

    def reserve(self) -> Grant:
        """Take one token."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate) - 1
            self._at = now
            return Grant(max(0.0, -self._tokens / self._rate), self._turn)

    def throttled(self, grant: Grant) -> None:
        """Halve the rate and forget the burst: AWS refused a call.

        Calls that were under way together are refused together; they say one thing, and only the first counts.
        """
        with self._lock:
            if grant.turn != self._turn:
                return
            self._turn += 1
            self._ceiling = max(self._rate * _BELOW, self._least)
            self._rate = max(self._rate / 2, self._least)
            self._tokens = min(self._tokens, 0.0)

    def succeeded(self, grant: Grant) -> None:
        """Win back a fiftieth of the seeded rate, up to the ceiling; if the call had waited, lift that too."""
        with self._lock:
            if grant.seconds:
                self._ceiling = max(self._ceiling, min(self._ceiling + self._seed * _PROBE, self._most))
            self._rate = min(self._rate + self._seed * _RECOVERY, self._ceiling)


class RateLimiter:
    """The buckets of one process by (account, region, service, API group), made as they are needed; thread-safe.

    Args:
        learned: What earlier scans learned.
    """

    def __init__(self, learned: Iterable[LearnedRate] = ()) -> None:
        _rate_limit_table()  # else each of a scan's threads would read it at its first call
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, str, str], TokenBucket] = {}
        self._learned = {rate.place: rate for rate in learned}
        self._adopted: dict[tuple[str, str, str, str], LearnedRate] = {}

    def bucket(self, account_id: str, region: str, service: str, operation: str) -> TokenBucket:
        """Return the bucket that an operation draws from."""
        limit = rate_limit(service, operation)
        key = (account_id, region, service, limit.group)
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                known = self._learned.get(key)
                bucket = self._buckets[key] = TokenBucket(limit, known.per_second if known else None)
            return bucket

    def earlier_rates(self) -> Sequence[LearnedRate]:
        """Return what earlier scans learned."""
        return list(self._learned.values())

    def adopt(self, learned: Iterable[LearnedRate]) -> None:
        """Take over what was learned elsewhere; a bucket that is in use here has learned its own."""
        with self._lock:
            for rate in learned:
                self._learned[rate.place] = self._adopted[rate.place] = rate

    def learned(self) -> Sequence[LearnedRate]:
        """Return what is to be kept for the next scan: the rate of every bucket used that is not the seeded one.

        One that was learned earlier and is the seeded one again is told too, so that it replaces what was kept.
        """
        now = datetime.now(UTC)
        with self._lock:
            buckets = list(self._buckets.items())
            elsewhere = [rate for place, rate in self._adopted.items() if place not in self._buckets]
        return elsewhere + [
            LearnedRate(*key, per_second=bucket.ceiling, at=now)
            for key, bucket in buckets
            if key in self._learned or not bucket.as_seeded
        ]


@cache
def _rate_limit_table() -> dict[str, Any]:
    table: dict[str, Any] = bundled_table(__package__, "rate_limits.yaml")
    return table
