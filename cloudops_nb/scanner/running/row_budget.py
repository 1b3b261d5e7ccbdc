"""The one place that decides how fast rows flow from AWS to the store: a limit on the rows between the two."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cloudops_nb.model import CellResult

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from cloudops_nb.scanner.reading.task_reader import PageRead

#: About how many rows may be read and not yet written: tens of megabytes.
ROWS_IN_FLIGHT = 8192
#: Seconds after which a waiting thread checks whether the scan was stopped.
_TICK = 0.1


class RowBudget:
    """Makes the readers of a scan wait while too many rows are read and not yet written; thread-safe.

    Rows are taken for a page before a reader hands it over, and given back when the page is written or dropped. No
    queue between the two has a limit of its own. One page is admitted whenever the rows in flight are below the limit,
    so that a page larger than the limit cannot block a scan for ever.

    Args:
        limit: The number of rows in flight at which readers wait.
    """

    def __init__(self, limit: int = ROWS_IN_FLIGHT) -> None:
        self._limit = limit
        self._in_flight = 0
        self._lifted = False
        self._changed = threading.Condition()

    @property
    def full(self) -> bool:
        """Whether readers have to wait."""
        with self._changed:
            return self._in_flight >= self._limit and not self._lifted

    def take(self, item: PageRead | CellResult, stop: threading.Event | None = None) -> bool:
        """Wait for room for an item, and take it; return False if ``stop`` was set before there was room."""
        with self._changed:
            while self._in_flight >= self._limit and not self._lifted:
                if stop is not None and stop.is_set():
                    return False
                self._changed.wait(_TICK)
            self._in_flight += self.rows_of(item)
        return stop is None or not stop.is_set()

    def give_back(self, items: Iterable[PageRead | CellResult]) -> None:
        """Return the room of items that were written, or that no thread will write."""
        with self._changed:
            self._in_flight -= sum(self.rows_of(item) for item in items)
            self._changed.notify_all()

    def lift(self) -> None:
        """Let every item through from now on: a writer that failed gives nothing back, and its readers must end."""
        with self._changed:
            self._lifted = True
            self._changed.notify_all()

    @staticmethod
    def rows_of(item: PageRead | CellResult) -> int:
        """Return the number of rows that an item takes: a page its resources, a result one."""
        return 1 if isinstance(item, CellResult) else len(item.resources)


def giving_back(
    items: Generator[PageRead | CellResult, None, None], budget: RowBudget
) -> Generator[PageRead | CellResult, None, None]:
    """Yield items, and give the room of each back when the consumer asks for the next one."""
    for item in items:
        yield item
        budget.give_back([item])
