"""Closing an engine for good while threads use it: none of them may write behind the back of who replaces its parts."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudops_nb.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Retirement:
    """Knows which threads are in the middle of an operation; safe to share between threads.

    An operation counts from before it has a connection until it is answered, so that one which is connecting, or waits
    to be repeated, cannot write to a store whose parts were replaced meanwhile.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._retired = False
        # Threads and not a number: what an interrupt leaves behind, the same thread's next operation takes away.
        self._busy: set[int] = set()

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Do one operation, not within another.

        Raises:
            StoreUnavailableError: It was retired.
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
        """See that it is not retired, which an operation does again after everything that takes long.

        Raises:
            StoreUnavailableError: It was retired.
        """
        if self._retired:
            raise StoreUnavailableError("the store was closed", "", "Ask the storage service for it again.")

    def retire(self, seconds: float) -> None:
        """Refuse operations from now on, and wait for the end of those of other threads.

        Raises:
            StoreUnavailableError: One did not end within so many seconds; nothing is retired then.
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
                why = f"an operation of another thread has not ended within {seconds:.0f} s"
                raise StoreUnavailableError("the store cannot be closed now", why, "Try again.")
