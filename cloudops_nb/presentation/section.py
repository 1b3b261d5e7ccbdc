"""The parts that everything we show is made of, before it becomes HTML, text or Markdown.

Texts in here are as they came; each renderer escapes them for its own medium.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tone(StrEnum):
    """What a colour would say; the words beside it always say it too."""

    PLAIN = "plain"
    GOOD = "good"
    CAUTION = "caution"
    DANGER = "danger"
    MUTED = "muted"


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with a tone."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: ``badges`` fill its last cell, ``command`` is shown whole below, ``muted`` is background."""

    cells: Sequence[str]
    command: str = ""
    badges: Sequence[Badge] = ()
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the card: any of badges, paragraphs, a list, labelled facts and a table, shown in that order."""

    key: str
    title: str
    badges: Sequence[Badge] = ()
    lines: Sequence[str] = ()
    items: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    head: Sequence[str] = ()
    rows: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan: its status or another word, and who decided when, how and why (empty while nobody has)."""

    status: str
    by: str = ""
    channel: str = ""
    reason: str = ""
    at: datetime | None = None
    detail: str = ""


def utc(moment: datetime) -> str:
    """Return a moment as UTC to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def value_words(value: Any) -> str:
    """Return a JSON value as people say it."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(value_words(item) for item in value)
    return str(value)
