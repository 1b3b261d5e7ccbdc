"""Splitting a prompt into tokens, and the type a token's form gives it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

ValueType = Literal["text", "key_value", "number", "size", "duration", "instance_type", "place"]

_TOKEN = re.compile(
    r"""
    "(?P<double>[^"]+)"             # "a quoted span" is one token whatever it holds
    | '(?P<single>[^']+)'(?!\w)
    | `(?P<tick>[^`]+)`
    | (?P<bare>[^\s"`]+)
    """,
    re.VERBOSE,
)
_EDGES = ".,;:!?()[]{}<>…'"
_SHAPES: tuple[tuple[ValueType, re.Pattern[str]], ...] = (
    ("key_value", re.compile(r"[^=\s]+=.*", re.DOTALL)),
    ("number", re.compile(r"[+-]?\d+([.,]\d+)?%?")),
    ("size", re.compile(r"\d+([.,]\d+)?\s?[kmgtp]i?b", re.IGNORECASE)),
    ("duration", re.compile(r"\d+\s?(s|sec|secs|m|min|mins|h|hr|hrs|d)", re.IGNORECASE)),
    (
        "instance_type",
        re.compile(r"(db\.|cache\.)?[a-z]{1,4}\d[a-z0-9-]*\.(\d+)?(nano|micro|small|medium|large|xlarge|metal)"),
    ),
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a prompt: its text without edge punctuation, and whether the person quoted it."""

    text: str
    quoted: bool = False

    @property
    def folded(self) -> str:
        """The text as compared: NFKC, without case."""
        return unicodedata.normalize("NFKC", self.text).casefold()


def tokenize(prompt: str) -> list[Token]:
    """Split a prompt into tokens: quoted spans whole, else by white space, without punctuation at the edges."""
    tokens: list[Token] = []
    for match in _TOKEN.finditer(prompt):
        bare = match["bare"]
        text = bare.strip(_EDGES) if bare is not None else match.group(match.lastgroup or 0).strip()
        if text:
            tokens.append(Token(text, quoted=bare is None))
    return tokens


def value_type(text: str) -> ValueType:
    """Return the type that the form of a value gives it; ``text`` when nothing more is known."""
    return next((kind for kind, shape in _SHAPES if shape.fullmatch(text)), "text")
