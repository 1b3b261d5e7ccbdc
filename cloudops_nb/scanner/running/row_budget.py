"""Limits the rows that are read from AWS but not yet written to the store, so that a slow store slows the readers.

These rows are called *in flight*. They are grouped into items: pages of resources, and results of cells.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cloudops_nb.model import CellResult

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from cloudops_nb.scanner.reading.task_reader import PageRead

#: The number of rows in flight at which readers wait. So many rows take tens of megabytes of memory.
ROWS_IN_FLIGHT = 8192
#: The seconds after which a waiting thread checks again whether the scan was stopped.
_TICK = 0.1


class RowBudget:
    """Makes the readers of a scan wait while too many rows are in flight; thread-safe.

    A reader calls :meth:`take`, which counts the rows of an item, before it puts the item into a queue. The consumer
    calls :meth:`give_back`, which subtracts them again, when the item is written or dropped. The queues between reader
    and store have no limit of their own. While the rows in flight are below the limit, an item of any size is admitted,
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
        """Whether a reader would have to wait."""
        with self._changed:
            return self._in_flight >= self._limit and not self._lifted

    def take(self, *items: PageRead | CellResult, stop: threading.Event | None = None) -> bool:
        """Wait while the budget is full, then count the rows of items that a reader hands over together.

        All items are admitted at once, because the consumer cannot give any rows back before it has the first item.

        Args:
            items: The pages and results.
            stop: An event that ends the wait.

        Returns:
            Whether the items may be handed over: false if ``stop`` was set.
        """
        with self._changed:
            while self._in_flight >= self._limit and not self._lifted:
                if stop is not None and stop.is_set():
                    return False
                self._changed.wait(_TICK)
            self._in_flight += sum(self.rows_of(item) for item in items)
        return stop is None or not stop.is_set()

    def give_back(self, items: Iterable[PageRead | CellResult]) -> None:
        """Subtract the rows of items that were written, or that no thread will write."""
        with self._changed:
            # The number must not fall below zero: results of lost cells are given back, but not all were counted.
            self._in_flight = max(0, self._in_flight - sum(self.rows_of(item) for item in items))
            self._changed.notify_all()

    def lift(self) -> None:
        """Admit every item from now on, so that readers do not wait for ever for a writer that has failed."""
        with self._changed:
            self._lifted = True
            self._changed.notify_all()

    @staticmethod
    def rows_of(item: PageRead | CellResult) -> int:
        """Return the number of rows of an item: one per resource of a page, and one for a result."""
        return 1 if isinstance(item, CellResult) else len(item.resources)


def giving_back(
    items: Generator[PageRead | CellResult, None, None], budget: RowBudget
) -> Generator[PageRead | CellResult, None, None]:
    """Yield items, and give the rows of each item back to the budget when the consumer requests the next item."""
    for item in items:
        yield item
        budget.give_back([item])
