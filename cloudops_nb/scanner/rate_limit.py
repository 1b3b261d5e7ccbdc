"""A token bucket for each group of APIs that AWS throttles together, so that a scan slows down before AWS makes it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

_SLOWEST = 0.05
_RECOVERY = 0.02


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What AWS allows a group of APIs: so many calls at once, then so many a second."""

    group: str
    burst: float
    per_second: float


def rate_limit(service: str, operation: str) -> RateLimit:
    """Return the published or assumed limit under which an operation falls."""
    table = _table()
    for entry in table["services"].get(service, ()):
        if any(fnmatchcase(operation, pattern) for pattern in entry["operations"]):
            return RateLimit(entry["group"], entry["burst"], entry["per_second"])
    return RateLimit("all", table["default"]["burst"], table["default"]["per_second"])


class TokenBucket:
    """Tokens that refill steadily; thread-safe. A throttle halves the rate, each success wins a little of it back."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = limit.burst
        self._rate = limit.per_second
        self._at = clock()

    @property
    def rate(self) -> float:
        """Calls a second that the bucket grants at the moment."""
        return self._rate

    def reserve(self) -> float:
        """Take one token, and return the seconds to wait until it is there."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._limit.burst, self._tokens + (now - self._at) * self._rate) - 1
            self._at = now
            return max(0.0, -self._tokens / self._rate)

    def throttled(self) -> None:
        """Halve the rate and forget the burst: AWS refused a call."""
        with self._lock:
            self._rate = max(self._rate / 2, self._limit.per_second * _SLOWEST)
            self._tokens = min(self._tokens, 0.0)

    def succeeded(self) -> None:
        """Win back a fiftieth of the seeded rate, up to all of it."""
        with self._lock:
            self._rate = min(self._rate + self._limit.per_second * _RECOVERY, self._limit.per_second)


class RateLimits:
    """The buckets of one process by (account, region, service, API group), made as they are needed; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, str, str], TokenBucket] = {}

    def bucket(self, account_id: str, region: str, service: str, operation: str) -> TokenBucket:
        """Return the bucket that an operation draws from."""
        limit = rate_limit(service, operation)
        key = (account_id, region, service, limit.group)
        with self._lock:
            return self._buckets.setdefault(key, TokenBucket(limit))


@cache
def _table() -> dict[str, Any]:
    text = resources.files("cloudops_nb.scanner").joinpath("rate_limits.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table
