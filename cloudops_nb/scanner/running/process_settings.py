"""Settings of the whole process that a scan changes while it runs, and restores when it ends.

A scan has many threads, which create many long-lived objects. Cells that a person runs meanwhile, and other threads of
the kernel, run under the same settings; docs/scanning.md tells people so.

- Garbage collection: after every few hundred new objects, Python's collector examines these objects, and sometimes all
  objects. A scan creates millions of objects. Nearly all of them either stay in use until they are written to the
  store, or are freed by reference counting. Collections took half of a scan's CPU time.
- Thread switches: a thread that waits for the interpreter lock requests it every five milliseconds, and a scan has
  dozens of waiting threads. Longer turns of each thread, and a limit on the number of threads that compute at the same
  time, reduce the number of switches.

Nothing here outlasts the scan: the memory allocator, for example, could be tuned only for the rest of the process.
"""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

#: New objects between two collections. Garbage that waits for a collection takes only a few megabytes.
_COLLECTION_THRESHOLD = 50_000
#: Seconds for which a thread may keep the interpreter lock. Beside a scan, a thread that has slept wakes some of these
#: turns late: with 0.01, no more than 60 ms in 99 of 100 cases, which 0.02 exceeds (``python -m benchmarks scan``).
_SWITCH_SECONDS = 0.01
_Value = TypeVar("_Value")


class _ProcessSetting(Generic[_Value]):
    """A context manager that changes a setting of the whole process while at least one of its ``with`` blocks runs.

    Blocks may overlap in any order and in any threads. If other code changes the setting during a block, that change is
    kept when the last block ends.

    Args:
        read: Returns the setting.
        write: Sets the setting.
        change: Returns the value that applies during the blocks, given the original value.
    """

    def __init__(
        self, read: Callable[[], _Value], write: Callable[[_Value], object], change: Callable[[_Value], _Value]
    ) -> None:
        self._read, self._write, self._change = read, write, change
        self._lock = threading.Lock()
        self._blocks = 0
        self._original = self._changed = read()

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._original = self._read()
                self._write(self._change(self._original))
                self._changed = self._read()  # Python may round the value
                self._begin()
            self._blocks += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks:
                return
            self._end()
            if self._read() == self._changed:
                self._write(self._original)

    def _begin(self) -> None:
        """Make further changes when the first block begins; the caller holds the lock."""

    def _end(self) -> None:
        """Undo the further changes when the last block ends; the caller holds the lock."""


class InfrequentGarbageCollection(_ProcessSetting[tuple[int, int, int]]):
    """Makes garbage collections rare, and excludes from them the objects that exist when the first block begins."""

    def __init__(self) -> None:
        super().__init__(gc.get_threshold, lambda threshold: gc.set_threshold(*threshold), _higher_threshold)
        self._froze = False

    def _begin(self) -> None:
        # gc.unfreeze releases all frozen objects. So if other code has frozen some objects, do not freeze more.
        self._froze = not gc.get_freeze_count()
        if self._froze:
            gc.freeze()

    def _end(self) -> None:
        if self._froze:
            gc.unfreeze()


class LongThreadTurns(_ProcessSetting[float]):
    """Lets a thread keep the interpreter lock longer before a waiting thread requests it."""

    def __init__(self) -> None:
        super().__init__(sys.getswitchinterval, sys.setswitchinterval, lambda seconds: max(seconds, _SWITCH_SECONDS))


def _higher_threshold(threshold: tuple[int, int, int]) -> tuple[int, int, int]:
    youngest, middle, oldest = threshold
    # Zero means that collection is off. Leave it off.
    return youngest and max(youngest, _COLLECTION_THRESHOLD), middle, oldest


#: The only instances, because each must count all ``with`` blocks of the process.
infrequent_garbage_collection, long_thread_turns = InfrequentGarbageCollection(), LongThreadTurns()
