"""Makes text that an attacker may have chosen (names, tags, states, reasons) safe to show, and shows hidden characters.

Escaping is not enough, because a right-to-left override or a zero-width space can make one name look like another.
In every output format, a code such as ``⟨U+202E⟩`` replaces such a character, and long values are cut.
"""

from __future__ import annotations

import html
import re
import unicodedata

#: The largest number of characters that are shown of a value; AWS limits a tag value to 256.
VALUE_LIMIT = 256
#: The same limit for longer texts, such as commands, explanations and policy statements.
LONG_LIMIT = 4000
#: Unicode categories of characters that draw nothing, change how their neighbours are drawn, or are unassigned.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
#: Characters that draw nothing although they are not in the categories above: Unicode's property
#: Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and the Braille blank.
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
#: The number of combining marks that may follow a letter; more of them would cover the lines above and below.
_COMBINING_LIMIT = 2
_MARK = re.compile(r"⟨U\+[0-9A-F]{4,6}⟩")
_MARKDOWN_PUNCTUATION = re.compile(r"([!-%'-.:;=?@\[-`{-~])")


def visible(text: object, *, limit: int = VALUE_LIMIT) -> str:
    """Return text as one line without hidden characters.

    Invisible, unassigned, direction-changing and control characters (line breaks included), spaces other than the usual
    one, and surplus combining marks become ``⟨U+XXXX⟩``. A text of more than ``limit`` characters is cut, and then ends
    with the number of characters that were cut.
    """
    value = str(text)
    left_out = len(value) - limit
    shown: list[str] = []
    combining = 0
    for character in value[:limit]:
        combining = combining + 1 if unicodedata.combining(character) else 0
        hidden = _is_invisible(character) or combining > _COMBINING_LIMIT
        shown.append(f"⟨U+{ord(character):04X}⟩" if hidden else character)
    if left_out > 0:
        shown.append(f"… ({left_out} more characters)")
    return "".join(shown)


def escape_html(text: object, *, limit: int = VALUE_LIMIT) -> str:
    """Return :func:`visible` text for an HTML element or a quoted attribute, with no markup in it."""
    return html.escape(visible(text, limit=limit), quote=True)


def marked_html(text: object, *, limit: int = VALUE_LIMIT) -> str:
    """Return :func:`visible` text for an HTML element, with the codes of hidden characters highlighted."""
    return _MARK.sub(r'<mark class="co-hidden">\g<0></mark>', escape_html(text, limit=limit))


def escape_markdown(text: object, *, limit: int = VALUE_LIMIT) -> str:
    """Return :func:`visible` text that Markdown shows literally; no link, image, table cell or HTML can start in it."""
    punctuated = _MARKDOWN_PUNCTUATION.sub(r"\\\1", visible(text, limit=limit))
    return html.escape(punctuated, quote=False)


def _is_invisible(character: str) -> bool:
    if character == " ":
        return False
    category = unicodedata.category(character)
    if category in _INVISIBLE_CATEGORIES or category == "Zs":
        return True
    code = ord(character)
    return any(first <= code <= last for first, last in _INVISIBLE_RANGES)
