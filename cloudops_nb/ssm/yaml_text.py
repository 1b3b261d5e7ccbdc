"""Writes YAML that every reader of YAML 1.1 and 1.2 reads alike, with comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _.,()/-]*[A-Za-z0-9.)]|[A-Za-z]")
_AMBIGUOUS = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})
_WIDTH = 116


class Comment(str):
    """A key whose value is not written: its text is a comment at this place."""

    __slots__ = ()

    def __hash__(self) -> int:
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        # Two equal comments in one mapping are two comments.
        return self is other


def yaml_text(value: Mapping[str, Any]) -> str:
    """Return data as YAML text; a key that is a :class:`Comment` becomes a comment."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, Comment):
                yield from (f"{indent}# {line}" for line in _wrapped(key, _WIDTH - len(indent) - 2))
            elif isinstance(inner, Mapping | list) and inner:
                yield f"{indent}{key}:"
                yield from _lines(inner, indent + "  ")
            else:
                yield f"{indent}{key}: {_scalar(inner)}"
    else:
        for item in value:
            lines = list(_lines(item, "")) if isinstance(item, Mapping | list) and item else [_scalar(item)]
            # Comments at the start of an item come before its dash.
            first = next(number for number, line in enumerate(lines) if not line.startswith("# "))
            yield from (f"{indent}{line}" for line in lines[:first])
            yield f"{indent}- {lines[first]}"
            yield from (f"{indent}  {line}" for line in lines[first + 1 :])


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping | Sequence) and not value and not isinstance(value, str):
        return "{}" if isinstance(value, Mapping) else "[]"
    text = " ".join(str(value).split())
    if _PLAIN.fullmatch(text) and text.casefold() not in _AMBIGUOUS:
        return text
    return "'" + text.replace("'", "''") + "'"


def _wrapped(text: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, width)
