"""The result of a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloudops_nb.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Names listed where none is near the unknown one.
_MOST_LISTED = 20


class SpecProblem(NamedTuple):
    """A contradiction between a declaration and botocore's models.

    Attributes:
        path: Where it is in the type's declaration, as ``("list", "items")``.
        message: What is wrong, in one line.
    """

    path: tuple[str | int, ...]
    message: str


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the nearest known one, else the first known ones."""
    names = sorted(known)
    hint = did_you_mean(name, names)
    return f"; {hint}" if hint else f" (it has {_listed(names)})"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return (", ".join(names[:_MOST_LISTED]) or "none") + more
