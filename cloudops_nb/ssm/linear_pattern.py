"""Regular expressions for ``allowedPattern``, matched without backtracking.

A document from elsewhere must not be able to stop the notebook with a pattern that takes exponential time. Libraries
without backtracking, such as RE2, refuse look-around, which AWS's own documents use. Here the standard library parses
the pattern, and matching moves a whole set of positions through it at once: the set is one integer, a bit per position
of the text, so every part of the pattern is a few operations on integers. A look-ahead is the set of positions from
which its part matches, computed from right to left, and a look-behind the same from left to right.

Digits, spaces and letters of words are those of ASCII, as in Java, in which Systems Manager is written.
"""

from __future__ import annotations

import importlib
import re
import string
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.java_patterns import as_python, property_of

#: The parser of regular expressions; it has no public name since Python 3.11 deprecated ``sre_parse``.
_parser: Any = importlib.import_module("re._parser")
_CATEGORIES: dict[str, frozenset[str]] = {
    "CATEGORY_DIGIT": frozenset(string.digits),
    "CATEGORY_SPACE": frozenset(string.whitespace),
    "CATEGORY_WORD": frozenset(string.ascii_letters + string.digits + "_"),
}
_UNMATCHABLE = {
    "GROUPREF": "a back-reference",
    "GROUPREF_EXISTS": "a conditional group",
    "POSSESSIVE_REPEAT": "a possessive quantifier",
    "ATOMIC_GROUP": "an atomic group",
}
#: The most parts that a pattern may have, its repeats written out.
_MOST_PARTS = 100_000

_Parts = Iterable[tuple[Any, Any]]


class LinearPattern:
    """A compiled pattern; :meth:`fullmatch` takes a time that grows with the text, never exponentially."""

    def __init__(self, parsed: Any) -> None:
        self._parsed = parsed

    def fullmatch(self, text: str) -> bool:
        """Return whether the whole text matches."""
        end = 1 << len(text)
        return bool(_Match(text).run(self._parsed, end, self._parsed.state.flags, forward=False) & 1)


@cache
def linear_pattern(pattern: str) -> LinearPattern:
    """Compile a pattern.

    Raises:
        PlaybookError: It is no regular expression, or has a part that needs backtracking, such as a back-reference.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = _parser.parse(as_python(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise PlaybookError("allowedPattern is no regular expression", getattr(error, "msg", str(error))) from None
    if _size(parsed) > _MOST_PARTS:
        raise PlaybookError("allowedPattern cannot be matched in linear time", "its repeats are too large")
    return LinearPattern(parsed)


def _size(parts: _Parts) -> int:
    """Return the number of parts of a pattern, its repeats written out; raises for a part that needs backtracking."""
    total = 1
    for operator, value in parts:
        name = str(operator)
        if name in _UNMATCHABLE:
            why = f"{_UNMATCHABLE[name]} needs backtracking"
            raise PlaybookError("allowedPattern cannot be matched in linear time", why)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = value
            times = low if high is _parser.MAXREPEAT else high
            total += _size(inner) * max(1, int(times))
        elif name == "SUBPATTERN":
            total += _size(value[3])
        elif name in ("ASSERT", "ASSERT_NOT"):
            total += _size(value[1])
        elif name == "BRANCH":
            total += sum(map(_size, value[1]))
        else:
            total += 1
    return total


class _Match:
    """One text; positions are between characters, position 0 is the lowest bit of a set."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._all = (1 << (len(text) + 1)) - 1
        self._sets: dict[str, int] = {}

    def run(self, parts: _Parts, positions: int, flags: int, *, forward: bool) -> int:
        """Return where the parts lead from ``positions``: up to which they match, or, backwards, from which."""
        for part in list(parts) if forward else reversed(list(parts)):
            positions = self._step(part, positions, flags, forward=forward)
        return positions

    def _step(self, part: tuple[Any, Any], positions: int, flags: int, *, forward: bool) -> int:
        operator, value = str(part[0]), part[1]
        match operator:
            case "SUBPATTERN":
                return self.run(value[3], positions, flags & ~value[2] | value[1], forward=forward)
            case "BRANCH":
                found = 0
                for choice in value[1]:
                    found |= self.run(choice, positions, flags, forward=forward)
                return found
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._repeat(value, positions, flags, forward=forward)
            case "ASSERT" | "ASSERT_NOT":
                direction, inner = value
                holds = self.run(inner, self._all, flags, forward=direction < 0)
                return positions & (holds if operator == "ASSERT" else ~holds)
            case "AT":
                return positions & self._anchored(str(value), multi_line=bool(flags & re.MULTILINE))
        fitting = self._fitting(operator, value, flags)
        return (positions & fitting) << 1 if forward else (positions >> 1) & fitting

    def _repeat(self, value: tuple[int, Any, Any], positions: int, flags: int, *, forward: bool) -> int:
        low, high, inner = value
        for _ in range(low):
            positions = self.run(inner, positions, flags, forward=forward)
            if not positions:
                return 0
        found, fresh, times = positions, positions, low
        while fresh and (high is _parser.MAXREPEAT or times < high):
            fresh = self.run(inner, fresh, flags, forward=forward) & ~found
            found |= fresh
            times += 1
        return found

    def _fitting(self, operator: str, value: Any, flags: int) -> int:
        """Return the positions whose next character fits one part."""
        key = f"{flags & (re.IGNORECASE | re.DOTALL)} {operator} {value}"
        if key not in self._sets:
            fitting = 0
            for index, character in enumerate(self._text):
                if _fits(operator, value, character, flags):
                    fitting |= 1 << index
            self._sets[key] = fitting
        return self._sets[key]

    def _anchored(self, name: str, *, multi_line: bool) -> int:
        start, end = 1, 1 << len(self._text)
        if name in ("AT_BEGINNING", "AT_END") and multi_line:
            lines = sum(1 << index for index, character in enumerate(self._text) if character == "\n")
            return start | lines << 1 if name == "AT_BEGINNING" else end | lines
        if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
            return start
        if name in ("AT_END", "AT_END_STRING"):
            return end | (end >> 1 if name == "AT_END" and self._text.endswith("\n") else 0)
        words = self._fitting("CATEGORY", "CATEGORY_WORD", 0)
        boundary = (words ^ (words << 1)) & self._all
        return boundary if name == "AT_BOUNDARY" else self._all & ~boundary


def _fits(operator: str, value: Any, character: str, flags: int) -> bool:
    """Return whether one character fits a part of a pattern that is one character long."""
    cases = {character}
    if flags & re.IGNORECASE and character.isascii():
        cases = {character.lower(), character.upper()}
    match operator:
        case "LITERAL" | "NOT_LITERAL":
            has_property = property_of(value)
            found = has_property(character) if has_property else chr(value) in cases
            return found == (operator == "LITERAL")
        case "ANY":
            return bool(flags & re.DOTALL) or character != "\n"
        case "RANGE":
            return any(value[0] <= ord(each) <= value[1] for each in cases)
        case "CATEGORY":
            name = str(value)
            return ("_NOT_" in name) != (character in _CATEGORIES[name.replace("_NOT_", "_")])
    negated = bool(value) and str(value[0][0]) == "NEGATE"
    return negated != any(_fits(str(each), part, character, flags) for each, part in value[negated:])
