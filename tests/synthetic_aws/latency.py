"""How long an answer takes: the way to the region and back, and what the service needs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "latency.yaml").read_text(encoding="utf-8"))
    return table


@dataclass(frozen=True)
class Latency:
    """Seconds that each answer takes; really waited for, unless ``sleep`` is another.

    Args:
        round_trips: Seconds by region; those of the table if not given.
        service: Seconds that the service takes.
        sleep: How to wait.
    """

    round_trips: Mapping[str, float] = field(
        default_factory=lambda: {region: ms / 1000 for region, ms in _table()["round_trip_ms"].items()}
    )
    service: float = field(default_factory=lambda: _table()["service_ms"] / 1000)
    sleep: Callable[[float], None] = time.sleep

    def seconds(self, region: str) -> float:
        """Return how long an answer from a region takes."""
        return self.service + self.round_trips.get(region, _table()["elsewhere_ms"] / 1000)

    def wait(self, region: str) -> None:
        """Wait as long as an answer from a region takes."""
        self.sleep(self.seconds(region))
