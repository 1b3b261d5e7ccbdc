"""What is known of the cells of one scan, while it runs and after it was cut short."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudops_nb.aws.error_states import is_not_offered
from cloudops_nb.model import CellKey, CellResult, CellState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudops_nb.scanner.reading.task_reader import PageRead
    from cloudops_nb.scanner.task import ScanTask


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


class CellTracker:
    """Counts what a scan brought, cell by cell; used by one thread.

    Args:
        todo: The tasks, whose cells are all known from the start.
    """

    def __init__(self, todo: Sequence[ScanTask]) -> None:
        self._keys = dict.fromkeys(key for task in todo for key in task.keys)
        self._ended: set[CellKey] = set()
        self._failed = 0
        self._calls = 0
        self._found = 0
        self._pages: Counter[CellKey] = Counter()
        self._rows: Counter[CellKey] = Counter()

    def note(self, item: PageRead | CellResult) -> None:
        """Take a page or a result into account."""
        if isinstance(item, CellResult):
            self._keys.setdefault(item.key)
            self._ended.add(item.key)
            self._failed += not item.state.complete and not is_not_offered(item)
            self._calls += item.calls
        else:
            self._pages[item.key] += 1
            self._rows[item.key] += len(item.resources)
            self._found += len(item.resources)

    def remaining(self) -> list[CellResult]:
        """Return what can be said of the cells that have no result: ``partial`` with their pages, or ``pending``."""
        return [self._unfinished(key) for key in self._keys if key not in self._ended]

    def lost(self, keys: Iterable[CellKey], why: str) -> list[CellResult]:
        """Return an ``error`` for each of the cells that has no result and will get none."""
        now = datetime.now(UTC)
        return [
            CellResult(key, CellState.ERROR, now, 0.0, self._rows[key], pages=self._pages[key], detail=why)
            for key in keys
            if key not in self._ended
        ]

    def progress(self, item: PageRead | CellResult, elapsed: float) -> Progress:
        """Return how far the scan is, seconds after it began, having just heard of an item."""
        return Progress(
            done=len(self._ended),
            total=len(self._keys),
            failed=self._failed,
            resources=self._found,
            calls=self._calls,
            elapsed=elapsed,
            current=str(item.key),
        )

    def _unfinished(self, key: CellKey) -> CellResult:
        pages = self._pages[key]
        return CellResult(
            key=key,
            state=CellState.PARTIAL if pages else CellState.PENDING,
            started=datetime.now(UTC),
            duration=0.0,
            resources=self._rows[key],
            pages=pages,
            detail=f"interrupted after {pages} pages" if pages else "not read",
        )
