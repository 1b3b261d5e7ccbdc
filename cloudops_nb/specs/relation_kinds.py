"""The closed list of words for links between resources: whoever asks for one finds every link of its meaning."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def relation_kinds() -> Mapping[str, str]:
    """Return every kind of link, with what the one that has it says of the other."""
    text = resources.files("cloudops_nb.specs").joinpath("relation_kinds.yaml").read_text(encoding="utf-8")
    kinds: dict[str, str] = yaml.load(text, Loader=yaml.CSafeLoader)
    return kinds


def known_kind(kind: str) -> str:
    """Return a kind of link.

    Raises:
        ValueError: There is no such kind; the nearest is named.
    """
    if kind not in relation_kinds():
        near = difflib.get_close_matches(kind, relation_kinds(), n=1)
        raise ValueError(f"there is no kind of relation {kind}" + (f", did you mean {near[0]}?" if near else ""))
    return kind
