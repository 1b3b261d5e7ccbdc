"""Python's garbage collector, held back while a scan makes many objects that stay.

It looks over what was made after every few hundred new objects, and over everything after a while. A scan makes
millions, which nearly all stay until they are written or go without it; looking at them took half of a scan's CPU.
"""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

#: New objects after which the collector looks over them: what they hold meanwhile is a few megabytes.
_MANY = 20_000


class RareCollection:
    """A block of it changes the collector of the whole process; blocks may overlap in any order, in any threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._before = self._ours = gc.get_threshold()

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._before = first, *others = gc.get_threshold()
                # Zero stands for no collection at all.
                gc.set_threshold(first and max(first, _MANY), *others)
                self._ours = gc.get_threshold()
            self._blocks += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._blocks -= 1
            # Whoever changed it meanwhile wants it as it is now.
            if not self._blocks and gc.get_threshold() == self._ours:
                gc.set_threshold(*self._before)


#: The one of this process.
rare_collection = RareCollection()
