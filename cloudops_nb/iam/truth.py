"""Three-valued logic: true, false, or unknown with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN_WHYS = 4


@dataclass(frozen=True, slots=True)
class Unknown:
    """A truth value that is not known; ``whys`` holds the reasons, each as a clause."""

    whys: tuple[str, ...]

    def __bool__(self) -> NoReturn:
        raise TypeError("an unknown truth value is neither true nor false")

    def __str__(self) -> str:
        more = len(self.whys) - _SHOWN_WHYS
        return "; ".join(self.whys[:_SHOWN_WHYS]) + (f"; and {more} more" if more > 0 else "")


Truth: TypeAlias = bool | Unknown


def unknown(why: str) -> Unknown:
    """Return an unknown truth value with one reason."""
    return Unknown((why,))


def negated(truth: Truth) -> Truth:
    """Return the opposite; the opposite of unknown is unknown, for the same reasons."""
    return truth if isinstance(truth, Unknown) else not truth


def all_hold(truths: Iterable[Truth]) -> Truth:
    """Return whether all values are true: one false value decides, even if others are unknown."""
    return _combine_truths(truths, deciding=False)


def any_holds(truths: Iterable[Truth]) -> Truth:
    """Return whether any value is true: one true value decides, even if others are unknown."""
    return _combine_truths(truths, deciding=True)


def _combine_truths(truths: Iterable[Truth], *, deciding: bool) -> Truth:
    whys: dict[str, None] = {}
    for truth in truths:
        if truth is deciding:
            return deciding
        if isinstance(truth, Unknown):
            whys.update(dict.fromkeys(truth.whys))
    return Unknown(tuple(whys)) if whys else not deciding
