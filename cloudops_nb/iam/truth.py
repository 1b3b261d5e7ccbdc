"""Three-valued logic: true, false, or unknown with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN_REASONS = 4


@dataclass(frozen=True, slots=True)
class Unknown:
    """A truth value that is not known; ``reasons`` are clauses, such as "the path of the acting role is not known"."""

    reasons: tuple[str, ...]

    def __bool__(self) -> NoReturn:
        raise TypeError("an unknown truth value is neither true nor false")

    def __str__(self) -> str:
        more = len(self.reasons) - _SHOWN_REASONS
        return "; ".join(self.reasons[:_SHOWN_REASONS]) + (f"; and {more} more" if more > 0 else "")


Truth: TypeAlias = bool | Unknown


def unknown(why: str) -> Unknown:
    """Return an unknown truth value with one reason."""
    return Unknown((why,))


def negated(truth: Truth) -> Truth:
    """Return the opposite of a value; the opposite of unknown is unknown, for the same reasons."""
    return truth if isinstance(truth, Unknown) else not truth


def all_hold(truths: Iterable[Truth]) -> Truth:
    """Return whether all values are true; one false value makes the result false, even if others are unknown."""
    return _combine_truths(truths, deciding=False)


def any_holds(truths: Iterable[Truth]) -> Truth:
    """Return whether any value is true; one true value makes the result true, even if others are unknown."""
    return _combine_truths(truths, deciding=True)


def _combine_truths(truths: Iterable[Truth], *, deciding: bool) -> Truth:
    reasons: dict[str, None] = {}
    for truth in truths:
        if truth is deciding:
            return deciding
        if isinstance(truth, Unknown):
            reasons.update(dict.fromkeys(truth.reasons))
    return Unknown(tuple(reasons)) if reasons else not deciding
