"""Patterns with the wildcards ``*`` and ``?``. The text that is compared may have unknown parts, called holes.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

#: Marks a hole: an unknown part of a text, at least one character long. ``Policy.parse`` replaces this character, so no
#: pattern that is written in a policy contains it.
HOLE = "\uffff"


class Wildcard(Enum):
    """A wildcard: ``ANY`` matches any number of characters, ``ONE`` exactly one character."""

    ANY = "*"
    ONE = "?"


#: A pattern, split into pieces: literal text and wildcards.
Pieces: TypeAlias = tuple[str | Wildcard, ...]
TextMatcher: TypeAlias = Callable[[str], bool]
_WILDCARDS = {wildcard.value: wildcard for wildcard in Wildcard}
_SPLIT = re.compile(r"([*?])")


def split_pattern(text: str) -> Pieces:
    """Split a pattern into literal text and wildcards."""
    return tuple(_WILDCARDS.get(piece, piece) for piece in _SPLIT.split(text) if piece)


@lru_cache(maxsize=16_384)
def pattern_matcher(pattern: Pieces) -> TextMatcher:
    """Return a matcher of whole texts. Only ``*`` matches a hole, so a match holds for every content of the hole."""
    if Wildcard.ANY not in pattern and Wildcard.ONE not in pattern:
        return "".join(str(piece) for piece in pattern).__eq__
    if pattern == (Wildcard.ANY,):
        return _match_everything
    found = re.compile(_pattern_regex(pattern), re.DOTALL).fullmatch
    return lambda text: found(text) is not None


def _match_everything(_text: str) -> bool:
    return True


def _pattern_regex(pattern: Pieces) -> str:
    """Return a regular expression that is fast for patterns with many ``*``: it never backtracks over a ``*``."""
    parts: list[str] = [""]
    for piece in pattern:
        if piece is Wildcard.ANY:
            parts.append("")
        else:
            parts[-1] += f"[^{HOLE}]" if piece is Wildcard.ONE else re.escape(str(piece))
    first, *others = parts
    if not others:
        return first
    # An atomic group keeps only the leftmost match of a part between two ``*``. That loses no match of the whole
    # pattern, because the next ``*`` can match everything up to any later place.
    return first + "".join(f"(?>.*?{part})" for part in others[:-1] if part) + f".*{others[-1]}"


@lru_cache(maxsize=16_384)
def may_match(pattern: Pieces, text: str, *, without: str = "") -> bool:
    """Return whether the pattern matches the text for at least one content of the text's holes.

    Args:
        pattern: The pattern.
        text: The text with holes.
        without: Characters that no hole contains.
    """
    left = [unit for piece in pattern for unit in (piece if isinstance(piece, str) else (piece,))]
    right = [unit for char in text for unit in ((Wildcard.ONE, Wildcard.ANY) if char == HOLE else (char,))]
    return _patterns_overlap(left, right, without)


def _patterns_overlap(left: Sequence[str | Wildcard], right: Sequence[str | Wildcard], without: str) -> bool:
    """Return whether any text matches both patterns; wildcards of ``right`` match no character of ``without``."""
    # The literal characters at the ends of both patterns must be equal. Without them, little is left for the comparison
    # below, whose time is proportional to the product of the two lengths.
    for _ in ("end", "beginning"):
        common = _common_prefix_length(left, right)
        if common is None:
            return False
        left, right = left[common:][::-1], right[common:][::-1]
    row = [True] + [False] * len(right)
    for column, unit in enumerate(right, 1):
        row[column] = row[column - 1] and unit is Wildcard.ANY
    for a in left:
        above, row = row, [row[0] and a is Wildcard.ANY]
        excluded = isinstance(a, str) and a in without
        for column, b in enumerate(right, 1):
            if a is Wildcard.ANY:
                row.append(above[column] or row[column - 1])
            elif b is Wildcard.ANY:
                row.append(row[column - 1] or (above[column] and not excluded))
            else:
                row.append(above[column - 1] and (a is Wildcard.ONE or a == b or (b is Wildcard.ONE and not excluded)))
    return row[-1]


def _common_prefix_length(left: Sequence[str | Wildcard], right: Sequence[str | Wildcard]) -> int | None:
    """Return the number of equal characters before the first wildcard in either pattern; ``None`` if any differ."""
    count = 0
    for a, b in zip(left, right, strict=False):
        if not isinstance(a, str) or not isinstance(b, str):
            break
        if a != b:
            return None
        count += 1
    return count
