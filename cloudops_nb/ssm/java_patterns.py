r"""Forms of Java's regular expressions that Python's parser does not read, or reads otherwise.

Systems Manager is written in Java, and checks ``allowedPattern`` with its regular expressions. A property such as
``\p{L}`` has no form in Python: it becomes a character of a private plane, which :func:`property_of` knows.
"""

from __future__ import annotations

import re
import string
import unicodedata
from typing import TYPE_CHECKING

from cloudops_nb.errors import PlaybookError

if TYPE_CHECKING:
    from collections.abc import Callable

#: The first character that stands for a property; Unicode gives the characters of this plane no meaning.
_FIRST = 0x100000
_ASCII_PROPERTIES: dict[str, str] = {
    "ASCII": "".join(map(chr, range(128))),
    "Alnum": string.ascii_letters + string.digits,
    "Alpha": string.ascii_letters,
    "Blank": " \t",
    "Cntrl": "".join(map(chr, range(32))) + "\x7f",
    "Digit": string.digits,
    "Graph": string.ascii_letters + string.digits + string.punctuation,
    "Lower": string.ascii_lowercase,
    "Print": string.ascii_letters + string.digits + string.punctuation + " ",
    "Punct": string.punctuation,
    "Space": string.whitespace,
    "Upper": string.ascii_uppercase,
    "XDigit": string.hexdigits,
}
#: The general categories of Unicode, and their first letters.
_GENERAL = {unicodedata.category(chr(code)) for code in range(0x3000)} | {"Cs", "Co"}
_GENERAL |= {name[0] for name in _GENERAL}
_NAMES = (*sorted(_ASCII_PROPERTIES), *sorted(_GENERAL))
_BLANKS = r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
_TOKEN = re.compile(
    r"""
      \\Q(?P<quoted>.*?)(?:\\E|\Z)
    | \\(?P<negated>[pP])(?:\{(?:Is|IN|gc=)?(?P<property>\w+)\}|(?P<letter>[A-Z]))
    | \\x\{(?P<code>[0-9A-Fa-f]{1,6})\}
    | \\u(?P<high>[dD][89abAB][0-9A-Fa-f]{2})\\u(?P<low>[dD][c-fC-F][0-9A-Fa-f]{2})
    | (?P<end>\\z)
    | (?P<blank>\\h)
    | (?P<shorthand>\\[wdsWDS]-(?=[^\]]))
    | \(\?<(?P<name>[A-Za-z][A-Za-z0-9]*)>
    | (?P<flags>\(\?[imsux]+\))
    | (?P<other>\\.|\(|\)|\||\[\^?\]?|\]|.)
    """,
    re.VERBOSE | re.DOTALL,
)


def as_python(pattern: str) -> str:
    """Return a pattern in Python's form.

    Raises:
        PlaybookError: It has a property that is not known here.
    """
    return _Rewriting().of(pattern)


def property_of(code: int) -> Callable[[str], bool] | None:
    """Return whether a character has the property that another one stands for, ``None`` if it stands for none."""
    index, negated = divmod(code - _FIRST, 2)
    if not 0 <= index < len(_NAMES):
        return None
    name = _NAMES[index]
    if name in _ASCII_PROPERTIES:
        return lambda character: (character in _ASCII_PROPERTIES[name]) != bool(negated)
    return lambda character: unicodedata.category(character).startswith(name) != bool(negated)


class _Rewriting:
    """Rewrites one pattern; ``flags`` has those set in each open group, which hold up to the group's end."""

    def __init__(self) -> None:
        self._flags: list[list[str]] = [[]]
        self._in_set = False

    def of(self, pattern: str) -> str:
        text = "".join(map(self._token, _TOKEN.finditer(pattern)))
        return text + ")" * len(self._flags[0])

    def _token(self, token: re.Match[str]) -> str:
        kind = token.lastgroup or ""
        if form := _CHARACTERS.get(kind):
            return form(token)
        if kind == "blank":
            return _BLANKS if self._in_set else f"[{_BLANKS}]"
        if kind == "shorthand" and self._in_set:
            return f"{token[0][:2]}\\-"
        return token[0] if self._in_set and kind != "other" else self._structure(token)

    def _structure(self, token: re.Match[str]) -> str:
        """Follow groups and sets, and give flags and names of groups Python's form."""
        text = token[0]
        if token["name"]:
            self._flags.append([])
            return f"(?P<{token['name']}>"
        if token["flags"]:
            if token.start() == 0:
                return text
            self._flags[-1].append(f"{text[:-1]}:")
            return self._flags[-1][-1]
        if self._in_set:
            self._in_set = text != "]"
        elif text.startswith("["):
            self._in_set = True
        elif text == "(":
            self._flags.append([])
        elif text == ")" and len(self._flags) > 1:
            return ")" * (len(self._flags.pop()) + 1)
        elif text == "|":
            opened = self._flags[-1]
            return ")" * len(opened) + "|" + "".join(opened)
        return text


def _stand_in(token: re.Match[str]) -> str:
    name = token["property"] or token["letter"]
    if name not in _NAMES:
        raise PlaybookError("allowedPattern is no regular expression", f"there is no property \\p{{{name}}}")
    return chr(_FIRST + 2 * _NAMES.index(name) + (token["negated"] == "P"))


def _pair(token: re.Match[str]) -> str:
    high, low = int(token["high"], 16), int(token["low"], 16)
    return f"\\U{0x10000 + ((high & 0x3FF) << 10 | low & 0x3FF):08x}"


#: What is the same in a set of characters and outside, by the last group of the token.
_CHARACTERS: dict[str, Callable[[re.Match[str]], str]] = {
    "property": _stand_in,
    "letter": _stand_in,
    "quoted": lambda token: re.escape(token["quoted"]),
    "code": lambda token: f"\\U{int(token['code'], 16):08x}",
    "low": _pair,
    "end": lambda _: r"\Z",
}
