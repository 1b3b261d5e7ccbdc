"""How far a scan is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A scan at one moment: cells done, in all and failed, resources and calls, seconds, and the cell just heard of."""

    done: int
    total: int
    failed: int
    resources: int
    calls: int
    elapsed: float
    current: str

    @property
    def rate(self) -> float:
        """Cells a second since the start."""
        return self.done / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds left if the remaining cells take as long as the finished ones; ``None`` before one has finished."""
        return self.elapsed / self.done * (self.total - self.done) if self.done else None

    def __str__(self) -> str:
        left = "" if self.eta is None or self.done == self.total else f", about {self.eta:.0f} s left"
        failed = f", {self.failed} failed" if self.failed else ""
        found = f"{self.resources} resources, {self.rate:.0f} cells/s"
        return f"{self.done}/{self.total} cells{failed}, {found}{left} · {self.current}"
