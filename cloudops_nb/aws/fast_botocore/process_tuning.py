"""Process-wide settings for a scan, in which many threads create many long-lived objects.

- Garbage collection: Python's collector checks new objects after every few hundred, and all objects now and then. A
  scan creates millions, nearly all of which live until they are written or are freed by reference counting. The checks
  took half of a scan's CPU time.
- Thread switches: a thread that waits for the interpreter requests it every five milliseconds, and a scan has dozens of
  waiting threads. Longer turns, and few computing threads at a time, reduce the switches.
- Memory: glibc gives threads up to eight arenas per core, and each arena keeps the memory that was once in use.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

#: New objects between two collections; garbage among them takes a few megabytes until then.
_COLLECTION_THRESHOLD = 50_000
#: Seconds for which a thread may keep the interpreter; too short for a person to notice.
_SWITCH_SECONDS = 0.05
#: Threads that compute at the same time.
_COMPUTING_THREADS = 4
#: glibc's parameter for the number of arenas, and its value for a scan.
#: https://man7.org/linux/man-pages/man3/mallopt.3.html, https://sourceware.org/git/?p=glibc.git;a=blob;f=malloc/malloc.h
_M_ARENA_MAX, _ARENAS = -8, 2

_Value = TypeVar("_Value")


class _ProcessSetting(Generic[_Value]):
    """A setting of the whole process, changed while any block of it runs.

    Blocks may overlap in any order and in any threads. If other code changes the setting during a block, the end of the
    block keeps that change.
    """

    def __init__(
        self, read: Callable[[], _Value], write: Callable[[_Value], object], change: Callable[[_Value], _Value]
    ) -> None:
        self._read, self._write, self._change = read, write, change
        self._lock = threading.Lock()
        self._blocks = 0
        self._before = self._ours = read()

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._before = self._read()
                self._write(self._change(self._before))
                self._ours = self._read()
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
            if self._read() == self._ours:
                self._write(self._before)

    def _begin(self) -> None:
        """Make further changes before the first block; the caller holds the lock."""

    def _end(self) -> None:
        """Undo the further changes after the last block; the caller holds the lock."""


class InfrequentGarbageCollection(_ProcessSetting[tuple[int, int, int]]):
    """Makes garbage collections rare, and exempts the objects that exist before the first block from them."""

    def __init__(self) -> None:
        super().__init__(gc.get_threshold, lambda threshold: gc.set_threshold(*threshold), _higher_threshold)
        self._froze = False

    def _begin(self) -> None:
        # gc.unfreeze releases all frozen objects, so if other code froze some, leave them frozen.
        self._froze = not gc.get_freeze_count()
        if self._froze:
            gc.freeze()

    def _end(self) -> None:
        if self._froze:
            gc.unfreeze()


class LongThreadTurns(_ProcessSetting[float]):
    """Lets threads keep the interpreter longer before a waiting thread requests it."""

    def __init__(self) -> None:
        super().__init__(sys.getswitchinterval, sys.setswitchinterval, lambda seconds: max(seconds, _SWITCH_SECONDS))


def _higher_threshold(threshold: tuple[int, int, int]) -> tuple[int, int, int]:
    youngest, middle, oldest = threshold
    # Zero turns collection off; it stays off.
    return youngest and max(youngest, _COLLECTION_THRESHOLD), middle, oldest


@cache
def limit_malloc_arenas() -> None:
    """Limit glibc's memory arenas for the rest of the process; without effect on other C libraries."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # a system without glibc
        return
    mallopt(_M_ARENA_MAX, _ARENAS)


#: The settings of this process.
infrequent_garbage_collection, long_thread_turns = InfrequentGarbageCollection(), LongThreadTurns()
#: Slots for threads that parse long answers, and for threads that build resources. More threads at a time would only
#: wait for each other, keep their answers in memory, and delay threads with short work.
parsing_slots, building_slots = (
    threading.BoundedSemaphore(_COMPUTING_THREADS),
    threading.BoundedSemaphore(_COMPUTING_THREADS),
)
