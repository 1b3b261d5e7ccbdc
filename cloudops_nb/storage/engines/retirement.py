"""Permanently closes ("retires") an engine that several threads use: after that, no thread can write to it.

When one thread has closed the store, a restore or a move may replace the store's data while other threads still run.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudops_nb.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Retirement:
    """Tracks the threads that are running an operation; safe to share between threads.

    An operation begins before it gets a connection, and ends when it returns. So :meth:`retire` also waits for an
    operation that is connecting or is waiting before a retry. Otherwise that operation could write to the new data.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._retired = False
        # A set of thread ids instead of a count: if an interrupt leaves an id in the set, the end of the same thread's
        # next operation removes that id.
        self._busy: set[int] = set()

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Run the block as one operation; operations do not nest.

        Raises:
            StoreUnavailableError: The engine is retired.
        """
        thread = threading.get_ident()
        try:
            with self._changed:
                self.check()
                self._busy.add(thread)
            yield
        finally:
            with self._changed:
                self._busy.discard(thread)
                self._changed.notify_all()

    def check(self) -> None:
        """Check that the engine is not retired; an operation can repeat this check after a step that may take long.

        Raises:
            StoreUnavailableError: The engine is retired.
        """
        if self._retired:
            why = "another thread closed it, or is replacing its data"
            raise StoreUnavailableError("the store was closed", why, "Repeat the operation.")

    def retire(self, seconds: float) -> None:
        """Refuse further operations, and wait until the operations of other threads have ended.

        Raises:
            StoreUnavailableError: An operation did not end within ``seconds``; the engine stays usable.
        """
        with self._changed:
            self._retired = True
            try:
                ended = self._changed.wait_for(lambda: self._busy <= {threading.get_ident()}, seconds)
            except BaseException:
                self._retired = False
                raise
            if not ended:
                self._retired = False
                why = f"an operation in another thread did not end within {seconds:.0f} s"
                raise StoreUnavailableError("the store cannot be closed now", why, "Try again.")
