"""Permanently closes an engine that several threads use, so that leftover threads cannot write to a replaced store."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudops_nb.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Retirement:
    """Tracks the threads that are running an operation; safe to share between threads.

    An operation counts from before it has a connection until its answer. So an operation that is connecting, or waiting
    before a retry, cannot write to a store whose parts have been replaced.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._retired = False
        # Thread ids instead of a count: if an interrupt leaves one behind, the thread's next operation removes it.
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
        """Check that the engine is not retired; operations repeat this after every step that may take long.

        Raises:
            StoreUnavailableError: The engine is retired.
        """
        if self._retired:
            raise StoreUnavailableError("the store was closed", "", "Ask the storage service for it again.")

    def retire(self, seconds: float) -> None:
        """Refuse further operations, and wait until those of other threads have ended.

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
