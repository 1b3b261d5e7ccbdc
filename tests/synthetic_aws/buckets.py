"""AWS's own token buckets, as it documents them: what comes too fast is refused."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.synthetic_aws.call import Call


@cache
def _table() -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "buckets.yaml").read_text(encoding="utf-8"))
    return table


@cache
def _limit(service: str, operation: str) -> dict[str, Any] | None:
    for entry in _table():
        if service in entry["services"] and any(fnmatchcase(operation, pattern) for pattern in entry["operations"]):
            return entry
    return None


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass
class DocumentedBuckets:
    """The buckets of each account and region, or of each account where the service has no region; thread-safe."""

    clock: Callable[[], float] = time.monotonic
    _buckets: dict[tuple[str, str, str], _Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admits(self, call: Call) -> bool:
        """Take a token for a call; return whether there was one."""
        limit = _limit(call.service, call.operation)
        if limit is None:
            return True
        key = (call.account, call.region, limit["group"])
        with self._lock:
            now = self.clock()
            bucket = self._buckets.setdefault(key, _Bucket(limit["burst"], now))
            bucket.tokens = min(limit["burst"], bucket.tokens + (now - bucket.at) * limit["per_second"])
            bucket.at = now
            if bucket.tokens < 1:
                return False
            bucket.tokens -= 1
            return True

    @staticmethod
    def least_seconds(calls: Mapping[tuple[str, str, str, str], int]) -> float:
        """Return how long numbers of calls by (account, region, service, operation) take, so that none is refused."""
        numbers: Counter[tuple[str, str, str]] = Counter()
        limits: dict[str, dict[str, Any]] = {}
        for (account, region, service, operation), number in calls.items():
            if limit := _limit(service, operation):
                limits[limit["group"]] = limit
                numbers[account, region, limit["group"]] += number
        return max(
            (max(0.0, n - limits[key[2]]["burst"]) / limits[key[2]]["per_second"] for key, n in numbers.items()),
            default=0.0,
        )
