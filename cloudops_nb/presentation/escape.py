"""Make text that an attacker may have chosen (names, tags, states, reasons) safe and honest to show.

Escaping alone is not enough: a right-to-left override or a zero-width space is legal text that makes one name look like
another. Such characters are shown as marks, ``⟨U+202E⟩``, in every form of output, and every value has a length cap.
"""

from __future__ import annotations

import html
import re
import unicodedata

#: The longest value shown whole; AWS's longest tag value is 256 characters.
VALUE_LIMIT = 256
#: Commands, explanations and policy statements may be longer than a value.
LONG = 4000
#: Categories that draw nothing, or change how their neighbours are drawn, or mean nothing.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
#: Letters and marks that draw nothing although their category says otherwise (Unicode's Default_Ignorable_Code_Point
#: beyond the categories above, and the Braille blank).
_INVISIBLE_RANGES = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE0FFF),
)
#: More combining marks than this on one letter climb over the lines around it.
_COMBINING_LIMIT = 2
_MARK = re.compile(r"⟨U\+[0-9A-F]{4,6}⟩")
_MARKDOWN_PUNCTUATION = re.compile(r"([!-%'-.:;=?@\[-`{-~])")


def visible(text: object, *, limit: int = VALUE_LIMIT) -> str:
    """Return one line of text in which nothing is hidden.

    Invisible, direction-changing and control characters (line breaks included) become ``⟨U+XXXX⟩``; what exceeds
    ``limit`` characters is cut, with the number left out.
    """
    value = str(text)
    left_out = len(value) - limit
    shown: list[str] = []
    combining = 0
    for character in value[:limit]:
        combining = combining + 1 if unicodedata.combining(character) else 0
        hidden = _hides(character) or combining > _COMBINING_LIMIT
        shown.append(f"⟨U+{ord(character):04X}⟩" if hidden else character)
    if left_out > 0:
        shown.append(f"… ({left_out} more characters)")
    return "".join(shown)


def escape_html(text: object, *, limit: int = VALUE_LIMIT) -> str:
    """Return :func:`visible` text for an HTML element or a quoted attribute, its marks not yet highlighted."""
    return html.escape(visible(text, limit=limit), quote=True)


def marked_html(text: object, *, limit: int = VALUE_LIMIT) -> str:
    """Return :func:`visible` text for an HTML element, with the marks of hidden characters highlighted."""
    return _MARK.sub(r'<mark class="co-hidden">\g<0></mark>', escape_html(text, limit=limit))


def escape_markdown(text: object, *, limit: int = VALUE_LIMIT) -> str:
    """Return :func:`visible` text that Markdown shows literally: no link, image, table cell or HTML can start in it."""
    punctuated = _MARKDOWN_PUNCTUATION.sub(r"\\\1", visible(text, limit=limit))
    return html.escape(punctuated, quote=False)


def _hides(character: str) -> bool:
    if character == " ":
        return False
    category = unicodedata.category(character)
    if category in _INVISIBLE_CATEGORIES or category == "Zs":
        return True
    code = ord(character)
    return any(first <= code <= last for first, last in _INVISIBLE_RANGES)
