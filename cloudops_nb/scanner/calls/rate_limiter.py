"""Token buckets for the groups of APIs that AWS throttles together, so that a scan slows down before AWS throttles it.

Scans learn from each other: a bucket that AWS throttled starts the next scan at the rate that held.
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

#: Fractions of the seeded rate: the lowest rate, the gain of a success, and the gain of the ceiling.
_SLOWEST, _RECOVERY, _PROBE = 0.05, 0.02, 0.005
#: The ceiling after a throttle, as a fraction of the rate that AWS refused.
_BELOW = 0.75
#: The largest multiple of an assumed rate to which the ceiling may grow.
_GROWTH = 8.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The calls that AWS allows to a group of APIs: a burst, then a rate per second.

    ``assumed`` is set if AWS publishes neither figure; such a rate may grow as long as AWS does not throttle it.
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
    """A token: the seconds to wait for it, and the round of its bucket in which it was granted."""

    seconds: float
    turn: int


class TokenBucket:
    """Tokens that refill steadily; a throttle halves the rate, and each success restores a little; thread-safe.

    A throttle also sets a ceiling below the rate that AWS refused. Successes of calls that had to wait for their token
    lift the ceiling slowly: up to the seeded rate, or above it if the seeded rate was only assumed.

    Args:
        limit: The seeded rate.
        learned: The ceiling that an earlier scan learned, in calls per second.
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
        # If the seeded rate was too high, the seeded burst was too.
        self._burst = limit.burst * min(1.0, self._ceiling / self._seed)
        self._tokens = self._burst
        self._clock = clock
        self._lock = threading.Lock()
        self._at = clock()
        self._turn = 0

    @property
    def ceiling(self) -> float:
        """The highest rate that AWS is believed to allow, in calls per second."""
        return self._ceiling

    @property
    def as_seeded(self) -> bool:
        """Whether the ceiling equals the seeded rate."""
        return self._ceiling == self._seed

    def reserve(self) -> Grant:
        """Take one token, perhaps a future one: the grant says how long to wait for it."""
        with self._lock:
            now = self._clock()
            # The count may become negative: later calls then queue behind the tokens that were granted before.
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate) - 1
            self._at = now
            return Grant(max(0.0, -self._tokens / self._rate), self._turn)

    def throttled(self, grant: Grant) -> None:
        """Halve the rate and drop the burst, because AWS throttled a call.

        Calls in flight at the same time are throttled together, so only the first of them counts.
        """
        with self._lock:
            # The call was granted before the last throttle, so that throttle has already counted it.
            if grant.turn != self._turn:
                return
            self._turn += 1
            self._ceiling = max(self._rate * _BELOW, self._least)
            self._rate = max(self._rate / 2, self._least)
            self._tokens = min(self._tokens, 0.0)

    def succeeded(self, grant: Grant) -> None:
        """Restore a fiftieth of the seeded rate, up to the ceiling; a call that had waited also lifts the ceiling."""
        with self._lock:
            # A call that did not wait says nothing about the rate that AWS sustains.
            if grant.seconds:
                self._ceiling = max(self._ceiling, min(self._ceiling + self._seed * _PROBE, self._most))
            self._rate = min(self._rate + self._seed * _RECOVERY, self._ceiling)


class RateLimiter:
    """The token buckets of one process by account, region, service and API group, made on demand; thread-safe.

    Args:
        learned: The rates that earlier scans learned.
    """

    def __init__(self, learned: Iterable[LearnedRate] = ()) -> None:
        _rate_limit_table()  # load it once here, not in every thread of a scan at its first call
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
                known = self._learned.get(key)
                bucket = self._buckets[key] = TokenBucket(limit, known.per_second if known else None)
            return bucket

    def earlier_rates(self) -> Sequence[LearnedRate]:
        """Return the rates that earlier scans learned."""
        return list(self._learned.values())

    def adopt(self, learned: Iterable[LearnedRate]) -> None:
        """Adopt rates that other processes learned; a bucket in use here keeps its own rate."""
        with self._lock:
            for rate in learned:
                self._learned[rate.place] = self._adopted[rate.place] = rate

    def learned(self) -> Sequence[LearnedRate]:
        """Return the rates to keep for the next scan: those of every used bucket that differ from the seeded rate.

        A rate that was learned earlier is returned even if it equals the seeded rate again, to replace the kept one.
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
