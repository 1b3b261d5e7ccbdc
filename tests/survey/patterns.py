"""Makes up texts that match a regular expression, as far as that is possible without look-around."""

from __future__ import annotations

import importlib
import re
import warnings
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The parser of regular expressions; it has no public name since Python 3.11 deprecated ``sre_parse``.
_parser: Any = importlib.import_module("re._parser")
_ALPHABET = "a1b2c-_.A/ :"
_CATEGORIES = {"CATEGORY_DIGIT": "1234567890", "CATEGORY_WORD": "abc123", "CATEGORY_SPACE": " "}
#: How much longer than its least length a repeat is.
_MORE = 3


def matching(pattern: str, *, tries: int = 300) -> Iterator[str]:
    """Yield texts that may match a pattern; look-around and back-references are left out, so each needs a check."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return
    for seed in range(tries):
        yield _text(parsed, Random(seed))  # noqa: S311 - repeatable


def _text(parts: Iterable[tuple[Any, Any]], chance: Random) -> str:
    return "".join(_part(str(operator), value, chance) for operator, value in parts)


def _part(operator: str, value: Any, chance: Random) -> str:
    match operator:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
            return _character(operator, value, chance)
        case "BRANCH":
            return _text(chance.choice(value[1]), chance)
        case "SUBPATTERN":
            return _text(value[3], chance)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            low, high, inner = value
            most = low + _MORE if high is _parser.MAXREPEAT else min(high, low + _MORE)
            return "".join(_text(inner, chance) for _ in range(chance.randint(low, most)))
    return ""


def _character(operator: str, value: Any, chance: Random) -> str:
    if operator == "IN":
        return _member(value, chance)
    if operator == "LITERAL":
        return chr(value)
    return next(each for each in _ALPHABET if operator == "ANY" or ord(each) != value)


def _member(parts: list[tuple[Any, Any]], chance: Random) -> str:
    if str(parts[0][0]) == "NEGATE":
        return next((each for each in _ALPHABET if not any(_holds(part, each) for part in parts[1:])), "z")
    operator, value = chance.choice(parts)
    match str(operator):
        case "LITERAL":
            return chr(value)
        case "RANGE":
            return chr(chance.randint(value[0], min(value[1], value[0] + 25)))
    return chance.choice(_CATEGORIES.get(str(value), "-"))


def _holds(part: tuple[Any, Any], character: str) -> bool:
    operator, value = str(part[0]), part[1]
    if operator == "LITERAL":
        return ord(character) == value
    if operator == "RANGE":
        return bool(value[0] <= ord(character) <= value[1])
    return character in _CATEGORIES.get(str(value), "")
