"""Tracks the progress of one scan, and the state of its cells during the scan and after an interruption.

A cell is one resource type in one account and region. It yields pages of resources, and then one result.
"""

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
    """The progress of a scan at one moment.

    Attributes:
        done: The number of cells that have ended.
        total: The number of all cells that are known so far.
        failed: The number of ended cells that were not read completely, without those whose region lacks the service.
        resources: The number of resources read so far. If a task is repeated, its resources count twice.
        calls: The number of calls made for the cells that have ended.
        elapsed: The seconds since the start of the scan.
        current: The cell of the latest page or result.
    """

    done: int
    total: int
    failed: int
    resources: int
    calls: int
    elapsed: float
    current: str

    @property
    def rate(self) -> float:
        """The average number of cells that ended per second."""
        return self.done / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """The seconds left if the remaining cells end at the same rate; ``None`` before the first cell has ended."""
        return self.elapsed / self.done * (self.total - self.done) if self.done else None

    def __str__(self) -> str:
        left = "" if self.eta is None or self.done == self.total else f", about {self.eta:.0f} s left"
        failed = f", {self.failed} failed" if self.failed else ""
        found = f"{self.resources} resources, {self.rate:.0f} cells/s"
        return f"{self.done}/{self.total} cells{failed}, {found}{left} · {self.current}"


class CellTracker:
    """Counts the pages, resources and results of each cell of a scan; used from one thread.

    Args:
        tasks: The list calls of the scan. Their cells are known from the start; results of further cells may follow.
    """

    def __init__(self, tasks: Sequence[ScanTask]) -> None:
        self._keys = dict.fromkeys(key for task in tasks for key in task.keys)
        self._ended: set[CellKey] = set()
        self._failed = 0
        self._calls = 0
        self._found = 0
        self._pages: Counter[CellKey] = Counter()
        self._rows: Counter[CellKey] = Counter()

    def note(self, item: PageRead | CellResult) -> None:
        """Count a page or a result."""
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
        """Return a preliminary result for each unfinished cell: ``partial`` if a page was read, else ``pending``."""
        return [self._unfinished(key) for key in self._keys if key not in self._ended]

    def lost(self, keys: Iterable[CellKey], reason: str) -> list[CellResult]:
        """Return a result with the state ``error`` for each of these cells that has no result and will get none."""
        now = datetime.now(UTC)
        return [
            CellResult(key, CellState.ERROR, now, 0.0, self._rows[key], pages=self._pages[key], detail=reason)
            for key in keys
            if key not in self._ended
        ]

    def progress(self, item: PageRead | CellResult, elapsed: float) -> Progress:
        """Return the progress after an item, ``elapsed`` seconds after the start."""
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
