"""Three-valued logic: yes, no, or not known and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN_WHYS = 4


@dataclass(frozen=True, slots=True)
class Unknown:
    """Neither yes nor no; ``whys`` says what would have to be known, each as a clause."""

    whys: tuple[str, ...]

    def __bool__(self) -> NoReturn:
        raise TypeError("not known is neither true nor false")

    def __str__(self) -> str:
        more = len(self.whys) - _SHOWN_WHYS
        return "; ".join(self.whys[:_SHOWN_WHYS]) + (f"; and {more} more" if more > 0 else "")


Truth: TypeAlias = bool | Unknown


def unknown(why: str) -> Unknown:
    """Return what is not known for one reason."""
    return Unknown((why,))


def negated(truth: Truth) -> Truth:
    """Return the opposite; the opposite of what is not known is not known."""
    return truth if isinstance(truth, Unknown) else not truth


def all_hold(truths: Iterable[Truth]) -> Truth:
    """Return whether all hold: one that does not decides, whatever else is not known."""
    return _combine_truths(truths, deciding=False)


def any_holds(truths: Iterable[Truth]) -> Truth:
    """Return whether any holds: one that does decides, whatever else is not known."""
    return _combine_truths(truths, deciding=True)


def _combine_truths(truths: Iterable[Truth], *, deciding: bool) -> Truth:
    whys: dict[str, None] = {}
    for truth in truths:
        if truth is deciding:
            return deciding
        if isinstance(truth, Unknown):
            whys.update(dict.fromkeys(truth.whys))
    return Unknown(tuple(whys)) if whys else not deciding
