"""Text of others, made safe and honest to show."""

from __future__ import annotations

import html
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.presentation.escape import escape_html, escape_markdown, marked_html, visible

pytestmark = pytest.mark.fast

HIDDEN = [
    "\u202e",
    "\u200b",
    "\u2066",
    "\x1b",
    "\x00",
    "\r",
    "\n",
    "\u2028",
    "\ufeff",
    "\u3164",
    "\ufe0f",
    "\u00a0",
    "\U000e0041",
]


class Elements(HTMLParser):
    """The elements and attributes that a browser would make of some HTML."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


@pytest.mark.parametrize("character", HIDDEN)
def test_a_character_that_hides_is_shown_as_a_mark(character: str) -> None:
    assert visible(f"prod{character}1") == f"prod⟨U+{ord(character):04X}⟩1"


@pytest.mark.parametrize("name", ["pg-main1", "datenbank-größe", "東京-db", "café", "a b"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert visible(name) == name


def test_combining_marks_cannot_climb_over_other_lines() -> None:
    assert visible("a" + "\u0301" * 4) == "a\u0301\u0301⟨U+0301⟩⟨U+0301⟩"


def test_long_text_is_cut_and_says_so() -> None:
    assert visible("x" * 300) == "x" * 256 + "… (44 more characters)"


@given(st.text())
def test_nothing_shown_is_invisible(text: str) -> None:
    for character in visible(text):
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


@given(st.text(alphabet=st.characters() | st.sampled_from("<>&\"'`=/!-"), max_size=80))
def test_html_never_holds_an_element_but_our_mark(text: str) -> None:
    assert Elements(f"<p>{escape_html(text)}</p>").found == ["p"]
    assert set(Elements(f"<p>{marked_html(text)}</p>").found) <= {"p", "mark"}
    assert '"' not in escape_html(text)


@pytest.mark.parametrize(
    "text", ["[x](javascript:1)", "![](http://h/x)", "<img>", "a|b", "`x`", "**b**", "http://h.example", "$x$", "# t"]
)
def test_markdown_syntax_is_literal(text: str) -> None:
    escaped = escape_markdown(text)
    assert html.unescape(escaped.replace("\\", "")) == text
    assert "<" not in escaped
    for position, character in enumerate(escaped):
        if character in "[]()!|`*:$#":
            assert escaped[position - 1] == "\\"
