"""One measured number and its reference."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Figure:
    """A number, its unit, and the reference that was measured beside it.

    Attributes:
        better: Which way is better; decides what the ratio is.
        runs: How many runs the median was taken of.
    """

    name: str
    value: float
    unit: str
    reference: float
    reference_name: str
    better: Literal["lower", "higher"] = "lower"
    runs: int = 1

    @property
    def both(self) -> tuple[float, float]:
        """The value and its reference."""
        return self.value, self.reference

    @property
    def ratio(self) -> float:
        """How many times better than the reference; below 1 it is worse."""
        better, worse = (self.reference, self.value) if self.better == "lower" else (self.value, self.reference)
        return better / worse


def median(values: Iterable[float]) -> float:
    """The middle value, which one slow run does not move."""
    return statistics.median(values)


def percentile(values: Iterable[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
