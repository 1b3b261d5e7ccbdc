"""Patterns in which only ``*`` and ``?`` are special, and texts of which a part is not known.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

#: Stands in a text for a part of one character or more that is not known. No policy can hold it.
HOLE = "\uffff"


class Wildcard(Enum):
    """What stands for other characters: any number of them, or one."""

    ANY = "*"
    ONE = "?"


#: A pattern in pieces: literal text and wildcards.
Pieces: TypeAlias = tuple[str | Wildcard, ...]
TextMatcher: TypeAlias = Callable[[str], bool]
_WILDCARDS = {wildcard.value: wildcard for wildcard in Wildcard}
_SPLIT = re.compile(r"([*?])")


def split_pattern(text: str) -> Pieces:
    """Return the pieces of a pattern."""
    return tuple(_WILDCARDS.get(piece, piece) for piece in _SPLIT.split(text) if piece)


@lru_cache(maxsize=16_384)
def pattern_matcher(pattern: Pieces) -> TextMatcher:
    """Return what tells whether a whole text matches; a hole is matched by ``*`` only, so that a match is certain."""
    if Wildcard.ANY not in pattern and Wildcard.ONE not in pattern:
        return "".join(str(piece) for piece in pattern).__eq__
    if pattern == (Wildcard.ANY,):
        return _match_everything
    found = re.compile(_pattern_regex(pattern), re.DOTALL).fullmatch
    return lambda text: found(text) is not None


def _match_everything(_text: str) -> bool:
    return True


def _pattern_regex(pattern: Pieces) -> str:
    """Return a regular expression that never goes back over a ``*``, so that no pattern takes long."""
    parts: list[str] = [""]
    for piece in pattern:
        if piece is Wildcard.ANY:
            parts.append("")
        else:
            parts[-1] += f"[^{HOLE}]" if piece is Wildcard.ONE else re.escape(str(piece))
    first, *others = parts
    if not others:
        return first
    # The leftmost place of each part between two wildcards is as good as any other, hence atomic groups.
    return first + "".join(f"(?>.*?{part})" for part in others[:-1] if part) + f".*{others[-1]}"


@lru_cache(maxsize=16_384)
def may_match(pattern: Pieces, text: str, *, without: str = "") -> bool:
    """Return whether a text with holes can be filled so that the pattern matches it.

    Args:
        pattern: The pattern.
        text: The text.
        without: Characters that no hole stands for.
    """
    left = [unit for piece in pattern for unit in (piece if isinstance(piece, str) else (piece,))]
    right = [unit for char in text for unit in ((Wildcard.ONE, Wildcard.ANY) if char == HOLE else (char,))]
    return _patterns_overlap(left, right, without)


def _patterns_overlap(left: Sequence[str | Wildcard], right: Sequence[str | Wildcard], without: str) -> bool:
    """Return whether some text fits both, each of which may have wildcards; ``without`` is kept from the right ones."""
    # Characters that stand at the ends of both must be the same; what is left is short.
    for _ in ("end", "beginning"):
        alike = _common_prefix_length(left, right)
        if alike is None:
            return False
        left, right = left[alike:][::-1], right[alike:][::-1]
    row = [True] + [False] * len(right)
    for column, unit in enumerate(right, 1):
        row[column] = row[column - 1] and unit is Wildcard.ANY
    for a in left:
        above, row = row, [row[0] and a is Wildcard.ANY]
        shut = isinstance(a, str) and a in without
        for column, b in enumerate(right, 1):
            if a is Wildcard.ANY:
                row.append(above[column] or row[column - 1])
            elif b is Wildcard.ANY:
                row.append(row[column - 1] or (above[column] and not shut))
            else:
                row.append(above[column - 1] and (a is Wildcard.ONE or a == b or (b is Wildcard.ONE and not shut)))
    return row[-1]


def _common_prefix_length(left: Sequence[str | Wildcard], right: Sequence[str | Wildcard]) -> int | None:
    """Return how many characters both begin with, up to the first wildcard of either; ``None`` if one differs."""
    count = 0
    for a, b in zip(left, right, strict=False):
        if not isinstance(a, str) or not isinstance(b, str):
            break
        if a != b:
            return None
        count += 1
    return count
