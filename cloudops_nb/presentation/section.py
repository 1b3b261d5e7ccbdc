"""Sections: the content of cards, tables and reports, from which renderers make HTML, text and Markdown.

The texts of a section are not escaped; each renderer escapes them for its own format.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tone(StrEnum):
    """The meaning of a colour; the coloured text always expresses the same meaning in words."""

    PLAIN = "plain"
    GOOD = "good"
    CAUTION = "caution"
    DANGER = "danger"
    MUTED = "muted"


@dataclass(frozen=True, slots=True)
class Badge:
    """A short text with a tone."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table.

    Attributes:
        cells: The texts of the cells, beginning with the first column.
        command: The equivalent command, shown below the row or, in Markdown, in the second cell.
        badges: The content of one more cell, which follows ``cells``.
        muted: Whether the row is shown as less important.
    """

    cells: Sequence[str]
    command: str = ""
    badges: Sequence[Badge] = ()
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a card or report: badges, paragraphs, a list, facts and a table, each optional, in this order.

    Attributes:
        key: The name of the section; with the prefix ``co-`` it is a class in the style sheet.
        title: The heading.
        badges: Shown next to the heading.
        lines: Paragraphs.
        items: The items of a list.
        facts: Pairs of a label and a value.
        head: The table's column names.
        rows: The table's rows.
    """

    key: str
    title: str
    badges: Sequence[Badge] = ()
    lines: Sequence[str] = ()
    items: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    head: Sequence[str] = ()
    rows: Sequence[TableRow] = ()


@dataclass(frozen=True, slots=True)
class CardStatus:
    """The content of the status line on a plan's card, with the decision if a person has decided.

    Attributes:
        word: The plan's status, or another word, such as ``withdrawn``, ``superseded`` or ``not approved``.
        by: The name of the person who decided; empty while the plan is undecided.
        channel: Where the person decided, such as on the card or in a terminal.
        reason: The reason for the decision.
        at: The time of the decision; ``None`` while the plan is undecided.
        detail: What the reader can do next, or what went wrong.
    """

    word: str
    by: str = ""
    channel: str = ""
    reason: str = ""
    at: datetime | None = None
    detail: str = ""


def utc_text(moment: datetime) -> str:
    """Return a time in UTC, to the second, as ``2025-01-31 09:30:00 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def value_text(value: Any) -> str:
    """Return a JSON value as text for a reader, such as ``yes`` for true, ``none`` for null, ``a, b`` for a list."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value)
    return str(value)
