"""Renders sections as plain text, with all that a person needs to decide in a terminal, and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.presentation.escape import LONG_LIMIT, escape_markdown, visible
from cloudops_nb.presentation.section import Badge, CardStatus, Section, TableRow, utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LABEL_WIDTH = 14


def status_line(status: CardStatus) -> str:
    """Return the status of a plan in one line."""
    words = [status.word.replace("_", " ").upper()]
    if status.by:
        words.append(f"by {status.by}")
    if status.channel:
        words.append(f"({status.channel})")
    if status.at:
        words.append(f"at {utc_text(status.at)}")
    line = " ".join(words)
    if status.reason:
        line += f": {status.reason}"
    return f"{line}. {status.detail}" if status.detail else line


def card_text(sections: Sequence[Section], status: CardStatus) -> str:
    """Return a card as plain text; hidden characters are made visible, because an attacker may have chosen a name."""
    lines = [visible(status_line(status), limit=LONG_LIMIT)]
    for section in sections:
        lines.append("")
        lines.extend(section_text(section))
    return "\n".join(line.rstrip() for line in lines)


def card_markdown(sections: Sequence[Section], status: CardStatus) -> str:
    """Return a card as Markdown, with values escaped so that none can act as markup."""
    lines = [f"**{escape_markdown(status_line(status), limit=LONG_LIMIT)}**"]
    for section in sections:
        lines.append("")
        lines.extend(section_markdown(section))
    return "\n".join(lines)


def section_text(section: Section) -> Iterator[str]:
    """Yield one section as lines of plain text."""
    badges = _badge_words(section.badges)
    yield visible(section.title) + (f"  {badges}" if badges else "")
    for line in section.lines:
        yield "  " + visible(line, limit=LONG_LIMIT)
    for item in section.items:
        yield "  - " + visible(item, limit=LONG_LIMIT)
    width = max([_LABEL_WIDTH, *(len(visible(label)) for label, _ in section.facts)])
    for label, value in section.facts:
        yield f"  {visible(label):<{width}} {visible(value, limit=LONG_LIMIT)}"
    yield from _table_lines(section.head, section.rows)


def _table_lines(head: Sequence[str], rows: Sequence[TableRow]) -> Iterator[str]:
    cells = [[visible(cell, limit=LONG_LIMIT) for cell in row.cells] for row in rows]
    # Rows may be one cell shorter than the head, because badges fill the last column. That column is not padded.
    widths = [max(map(len, column)) for column in zip(*cells, *([head] if head else []), strict=False)]
    if head and rows:
        yield "  " + "  ".join(f"{name:<{width}}" for name, width in zip(head, widths, strict=False))
    for row, texts in zip(rows, cells, strict=True):
        padded = [f"{text:<{width}}" for text, width in zip(texts, widths, strict=False)]
        yield "  " + "  ".join([*padded, _badge_words(row.badges)])
        if row.command:
            yield "     $ " + visible(row.command, limit=LONG_LIMIT)


def _badge_words(badges: Sequence[Badge]) -> str:
    return " ".join(f"[{visible(badge.text).upper()}]" for badge in badges)


def section_markdown(section: Section) -> Iterator[str]:
    """Yield one section as lines of Markdown."""
    badges = "".join(f" **{escape_markdown(badge.text.upper())}**" for badge in section.badges)
    yield f"#### {escape_markdown(section.title)}{badges}"
    for line in section.lines:
        yield from ("", escape_markdown(line, limit=LONG_LIMIT))
    if section.items or section.facts:
        yield ""
    for item in section.items:
        yield f"- {escape_markdown(item, limit=LONG_LIMIT)}"
    for label, value in section.facts:
        yield f"- {escape_markdown(label)}: {escape_markdown(value, limit=LONG_LIMIT)}"
    if section.rows:
        yield ""
        yield _markdown_row([escape_markdown(name) for name in section.head])
        yield _markdown_row(["---"] * len(section.head))
    for row in section.rows:
        cells = [escape_markdown(cell, limit=LONG_LIMIT) for cell in row.cells]
        if row.badges:
            cells.append(" ".join(f"**{escape_markdown(badge.text)}**" for badge in row.badges))
        if row.command:
            # Line breaks and pipes in the command are escaped, so that it cannot end its table cell.
            cells[1] += f"<br>{escape_markdown(row.command, limit=LONG_LIMIT)}"
        yield _markdown_row(cells)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
