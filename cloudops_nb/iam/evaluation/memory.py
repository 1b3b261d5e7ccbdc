"""Results that are worth keeping, as many as there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class Memory(Generic[T]):
    """Keeps results by what they depend on; begins anew when it is full. Thread-safe.

    Two threads may work out the same at once, since either result is right.

    Args:
        size: How many results to keep.
    """

    __slots__ = ("_kept", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[Hashable, T] = {}

    def result(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """Return the result for a key, worked out if it is not kept."""
        found = self._kept.get(key)
        if found is None:
            found = work_out()
            if len(self._kept) >= self._size:
                self._kept.clear()
            self._kept[key] = found
        return found
