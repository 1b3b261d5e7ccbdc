"""What a scan changes of its process: many threads that make many objects that stay.

Python's garbage collector looks over what was made after every few hundred new objects, and over everything after a
while. A scan makes millions, which nearly all stay until they are written or go without it; looking at them took half
of a scan's CPU. And a thread that waits for the interpreter wakes up every five milliseconds to ask for it, of which a
scan has dozens; those that have something to compute take turns at it. And the C library gives threads memory of their
own, up to eight parts a core, each of which keeps what was once in use.
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

#: New objects after which the collector looks over them: what they hold meanwhile is some megabytes.
_MANY = 50_000
#: How long a thread may keep the interpreter to itself, in seconds: a person hardly notices.
_LONG = 0.05
#: Threads that compute at the same time.
_AT_ONCE = 4
#: https://man7.org/linux/man-pages/man3/mallopt.3.html, https://sourceware.org/git/?p=glibc.git;a=blob;f=malloc/malloc.h
_M_ARENA_MAX, _ARENAS = -8, 2

_Value = TypeVar("_Value")


class _Changed(Generic[_Value]):
    """A setting of the whole process, changed for as long as any block of it runs.

    Blocks may overlap in any order, in any threads. Whoever changes the setting meanwhile wants it as it is then.
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
        """Do what else there is to be done before the first block; the caller holds the lock."""

    def _end(self) -> None:
        """Undo it after the last; the caller holds the lock."""


class RareCollection(_Changed[tuple[int, int, int]]):
    """The garbage collector, held back; what there was before it does not look at again."""

    def __init__(self) -> None:
        super().__init__(gc.get_threshold, lambda threshold: gc.set_threshold(*threshold), _rarer)
        self._froze = False

    def _begin(self) -> None:
        # Whoever froze objects before wants them to stay so.
        self._froze = not gc.get_freeze_count()
        if self._froze:
            gc.freeze()

    def _end(self) -> None:
        if self._froze:
            gc.unfreeze()


class LongTurns(_Changed[float]):
    """Threads that wait longer before they ask for the interpreter."""

    def __init__(self) -> None:
        super().__init__(sys.getswitchinterval, sys.setswitchinterval, lambda seconds: max(seconds, _LONG))


def _rarer(threshold: tuple[int, int, int]) -> tuple[int, int, int]:
    youngest, middle, oldest = threshold
    # Zero stands for no collection at all.
    return youngest and max(youngest, _MANY), middle, oldest


@cache
def few_arenas() -> None:
    """Have threads share the memory that the C library sets apart for them, from now on; only glibc does so at all."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return
    mallopt(_M_ARENA_MAX, _ARENAS)


#: Those of this process.
rare_collection, long_turns = RareCollection(), LongTurns()
#: The turns of threads that read long answers, and of those that make resources of them: more threads would only wait
#: for each other, hold what they have read meanwhile, and keep others waiting that take a moment.
parsing, building = threading.BoundedSemaphore(_AT_ONCE), threading.BoundedSemaphore(_AT_ONCE)
