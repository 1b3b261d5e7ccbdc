"""The problems that the checks of declarations find, and the hints in their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloudops_nb.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The largest number of known names that a message lists if it cannot suggest a name.
_MAX_LISTED = 20


class SpecProblem(NamedTuple):
    """A contradiction between a declaration and botocore's models.

    Attributes:
        path: The position in the type's declaration, such as ``("list", "items")``.
        message: The problem, in one line.
    """

    path: tuple[str | int, ...]
    message: str


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint for the end of a message about an unknown name: the most similar known name, or known names."""
    names = sorted(known)
    hint = did_you_mean(name, names)
    return f"; {hint}" if hint else f" (it has {_listed(names)})"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return (", ".join(names[:_MAX_LISTED]) or "none") + more
