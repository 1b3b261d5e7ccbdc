"""Makes Python's garbage collections rare during a scan.

After every few hundred new objects, Python's collector examines these objects, and sometimes all objects. No other
thread runs during a collection. A scan creates millions of objects. Nearly all of them either stay in use until they
are written to the store, or are freed by reference counting. Collections as frequent as usual take much of a scan's
CPU time, and the full ones stop the kernel's other threads for longer.

No other setting of the process is changed by a scan; docs/scanning.md describes the effects.
"""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

#: New objects between two collections. Garbage that waits for a collection takes only a few megabytes.
_COLLECTION_THRESHOLD = 50_000


class InfrequentGarbageCollection:
    """A context manager that makes collections rare while at least one of its ``with`` blocks runs.

    The objects that exist when the first block begins are excluded from collections. Blocks may overlap in any order
    and in any threads. If other code changes the thresholds during a block, that change is kept when the last block
    ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._original = self._changed = gc.get_threshold()
        self._froze = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._original = gc.get_threshold()
                self._changed = _higher_threshold(self._original)
                gc.set_threshold(*self._changed)
                # gc.unfreeze releases all frozen objects. So if other code has frozen some objects, do not freeze more.
                self._froze = not gc.get_freeze_count()
                if self._froze:
                    gc.freeze()
            self._blocks += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks:
                return
            if self._froze:
                gc.unfreeze()
            if gc.get_threshold() == self._changed:
                gc.set_threshold(*self._original)


def _higher_threshold(threshold: tuple[int, int, int]) -> tuple[int, int, int]:
    youngest, middle, oldest = threshold
    # Zero means that collection is off. Leave it off.
    return youngest and max(youngest, _COLLECTION_THRESHOLD), middle, oldest


#: The only instance, because it must count all ``with`` blocks of the process.
infrequent_garbage_collection = InfrequentGarbageCollection()
