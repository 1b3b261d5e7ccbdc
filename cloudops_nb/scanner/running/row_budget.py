"""Decides how fast rows flow from AWS to the store, by a limit on the rows that are read but not yet written."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cloudops_nb.model import CellResult

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from cloudops_nb.scanner.reading.task_reader import PageRead

#: How many rows may be in flight, which means read but not yet written; they take tens of megabytes.
ROWS_IN_FLIGHT = 8192
#: Seconds between two checks of a waiting thread whether the scan was stopped.
_TICK = 0.1


class RowBudget:
    """Makes the readers of a scan wait while too many rows are in flight; thread-safe.

    A reader takes room for the rows of a page before it puts the page into a queue. The consumer gives the room back
    when the page is written or dropped. The queues between reader and store have no limit of their own. While the rows
    in flight are below the limit, a page of any size is admitted, so that a page larger than the limit cannot block a
    scan for ever.

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
        """Whether a reader has to wait before it takes room."""
        with self._changed:
            return self._in_flight >= self._limit and not self._lifted

    def take(self, *items: PageRead | CellResult, stop: threading.Event | None = None) -> bool:
        """Wait for room, and take it for items that are handed over together.

        The items are admitted as one: a consumer can give nothing back before it has the first of them.

        Args:
            items: The pages and results.
            stop: Ends the wait when it is set.

        Returns:
            Whether the items may be handed over; False if ``stop`` was set.
        """
        with self._changed:
            while self._in_flight >= self._limit and not self._lifted:
                if stop is not None and stop.is_set():
                    return False
                self._changed.wait(_TICK)
            self._in_flight += sum(self.rows_of(item) for item in items)
        return stop is None or not stop.is_set()

    def give_back(self, items: Iterable[PageRead | CellResult]) -> None:
        """Give back the room of items that were written, or that no thread will write."""
        with self._changed:
            # The results of lost cells take no room, because no reader hands them over.
            self._in_flight = max(0, self._in_flight - sum(self.rows_of(item) for item in items))
            self._changed.notify_all()

    def lift(self) -> None:
        """Admit every item from now on, because a writer that failed gives no room back and the readers must end."""
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
    """Yield items, and give the room of each item back when the consumer requests the next one."""
    for item in items:
        yield item
        budget.give_back([item])
