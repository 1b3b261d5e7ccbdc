"""What a scan changes of the interpreter while it runs: many threads that make many objects that stay.

Python's garbage collector looks over what was made after every few hundred new objects, and over everything after a
while. A scan makes millions, which nearly all stay until they are written or go without it; looking at them took half
of a scan's CPU. And a thread that waits for the interpreter wakes up every five milliseconds to ask for it, of which a
scan has dozens.
"""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

#: New objects after which the collector looks over them: what they hold meanwhile is a few megabytes.
_MANY = 20_000
#: How long a thread may keep the interpreter to itself, in seconds: a person hardly notices.
_LONG = 0.05

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
            self._blocks += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks and self._read() == self._ours:
                self._write(self._before)


class RareCollection(_Changed[tuple[int, int, int]]):
    """The garbage collector, held back."""

    def __init__(self) -> None:
        super().__init__(gc.get_threshold, lambda threshold: gc.set_threshold(*threshold), _rarer)


class LongTurns(_Changed[float]):
    """Threads that wait longer before they ask for the interpreter."""

    def __init__(self) -> None:
        super().__init__(sys.getswitchinterval, sys.setswitchinterval, lambda seconds: max(seconds, _LONG))


def _rarer(threshold: tuple[int, int, int]) -> tuple[int, int, int]:
    youngest, middle, oldest = threshold
    # Zero stands for no collection at all.
    return youngest and max(youngest, _MANY), middle, oldest


#: Those of this process.
rare_collection, long_turns = RareCollection(), LongTurns()
