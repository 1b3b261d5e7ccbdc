"""The card as plain text and as Markdown: complete enough to decide on in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.presentation.escape import LONG, escape_markdown, visible
from cloudops_nb.presentation.section import Badge, Outcome, Row, Section, utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LABEL_WIDTH = 14


def outcome_line(outcome: Outcome) -> str:
    """Return what became of the plan in one line."""
    words = [outcome.status.replace("_", " ").upper()]
    if outcome.by:
        words.append(f"by {outcome.by}")
    if outcome.channel:
        words.append(f"({outcome.channel})")
    if outcome.at:
        words.append(f"at {utc(outcome.at)}")
    line = " ".join(words)
    if outcome.reason:
        line += f": {outcome.reason}"
    return f"{line}. {outcome.detail}" if outcome.detail else line


def card_text(sections: Sequence[Section], outcome: Outcome) -> str:
    """Return the card as plain text, without control characters of its own or anybody else's."""
    lines = [visible(outcome_line(outcome), limit=LONG)]
    for section in sections:
        lines.append("")
        lines.extend(section_text(section))
    return "\n".join(line.rstrip() for line in lines)


def card_markdown(sections: Sequence[Section], outcome: Outcome) -> str:
    """Return the card as Markdown in which no value is taken for markup."""
    lines = [f"**{escape_markdown(outcome_line(outcome), limit=LONG)}**"]
    for section in sections:
        lines.append("")
        lines.extend(section_markdown(section))
    return "\n".join(lines)


def section_text(section: Section) -> Iterator[str]:
    """Yield one section's lines of plain text."""
    badges = _badge_words(section.badges)
    yield visible(section.title) + (f"  {badges}" if badges else "")
    for line in section.lines:
        yield "  " + visible(line, limit=LONG)
    for item in section.items:
        yield "  - " + visible(item, limit=LONG)
    width = max([_LABEL_WIDTH, *(len(visible(label)) for label, _ in section.facts)])
    for label, value in section.facts:
        yield f"  {visible(label):<{width}} {visible(value, limit=LONG)}"
    yield from _text_table(section.head, section.rows)


def _text_table(head: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    cells = [[visible(cell, limit=LONG) for cell in row.cells] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, *([head] if head else []), strict=False)]
    if head and rows:
        yield "  " + "  ".join(f"{name:<{width}}" for name, width in zip(head, widths, strict=False))
    for row, texts in zip(rows, cells, strict=True):
        padded = [f"{text:<{width}}" for text, width in zip(texts, widths, strict=False)]
        yield "  " + "  ".join([*padded, _badge_words(row.badges)])
        if row.command:
            yield "     $ " + visible(row.command, limit=LONG)


def _badge_words(badges: Sequence[Badge]) -> str:
    return " ".join(f"[{visible(badge.text).upper()}]" for badge in badges)


def section_markdown(section: Section) -> Iterator[str]:
    """Yield one section's lines of Markdown."""
    badges = "".join(f" **{escape_markdown(badge.text.upper())}**" for badge in section.badges)
    yield f"#### {escape_markdown(section.title)}{badges}"
    for line in section.lines:
        yield from ("", escape_markdown(line, limit=LONG))
    if section.items or section.facts:
        yield ""
    for item in section.items:
        yield f"- {escape_markdown(item, limit=LONG)}"
    for label, value in section.facts:
        yield f"- {escape_markdown(label)}: {escape_markdown(value, limit=LONG)}"
    if section.rows:
        yield ""
        yield _markdown_cells([escape_markdown(name) for name in section.head])
        yield _markdown_cells(["---"] * len(section.head))
    for row in section.rows:
        cells = [escape_markdown(cell, limit=LONG) for cell in row.cells]
        if row.badges:
            cells.append(" ".join(f"**{escape_markdown(badge.text)}**" for badge in row.badges))
        if row.command:
            # A value's line break or pipe is a mark or an escape by now, so the command cannot leave its cell.
            cells[1] += f"<br>{escape_markdown(row.command, limit=LONG)}"
        yield _markdown_cells(cells)


def _markdown_cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
