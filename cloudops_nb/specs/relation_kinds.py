"""The closed list of words for links between resources: whoever asks for one finds every link of its meaning."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def relation_kinds() -> Mapping[str, str]:
    """Return every kind of link, with what the one that has it says of the other."""
    kinds: dict[str, str] = bundled_table(__package__, "relation_kinds.yaml")
    return kinds


def known_kind(kind: str) -> str:
    """Return a kind of link.

    Raises:
        ValueError: There is no such kind; the nearest is named.
    """
    if kind not in relation_kinds():
        hint = did_you_mean(kind, relation_kinds())
        raise ValueError(
            f"there is no kind of relation {kind}" + (f", {hint}" if hint else "; relation_kinds.yaml lists them")
        )
    return kind
