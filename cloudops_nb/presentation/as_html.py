"""Renders sections, such as those of an undecided or decided card, as static HTML with every value escaped."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

from cloudops_nb.execution.plan import PlanStatus
from cloudops_nb.presentation.escape import LONG_LIMIT, escape_html, marked_html
from cloudops_nb.presentation.section import Badge, CardStatus, Section, TableRow, Tone, utc_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATUS_TONES: dict[str, Tone] = {
    "not approved": Tone.DANGER,
    PlanStatus.AWAITING_APPROVAL: Tone.CAUTION,
    PlanStatus.RUNNING: Tone.CAUTION,
    PlanStatus.ROLLING_BACK: Tone.CAUTION,
    PlanStatus.APPROVED: Tone.GOOD,
    PlanStatus.COMPLETED: Tone.GOOD,
    PlanStatus.ROLLED_BACK: Tone.GOOD,
    PlanStatus.FAILED: Tone.DANGER,
    PlanStatus.TIMEOUT: Tone.DANGER,
    PlanStatus.ROLLBACK_FAILED: Tone.DANGER,
}


@functools.cache
def stylesheet() -> str:
    """Return the style element that every HTML output contains, because a notebook may show one output alone."""
    css = (resources.files("cloudops_nb.presentation") / "cloudops.css").read_text(encoding="utf-8")
    return f"<style>{css}</style>"


def html_box(content: str, *, label: str, edge: Tone = Tone.PLAIN) -> str:
    """Return HTML, whose values are escaped already, in a framed box; screen readers call the box ``label``."""
    named = f'role="region" aria-label="{escape_html(label)}"'
    return f'{stylesheet()}<div class="cloudops co-edge-{edge}" {named}>{content}</div>'


def status_tone(status: str) -> Tone:
    """Return the tone of a plan's or an execution's status."""
    return _STATUS_TONES.get(status, Tone.MUTED)


def card_html(sections: Sequence[Section], status: CardStatus) -> str:
    """Return the card of an undecided plan: its status, then every section in full."""
    return _card_box(sections, status_html(status) + _sections_html(sections))


def record_html(sections: Sequence[Section], status: CardStatus) -> str:
    """Return a card that is closed for decisions: its status and first two sections; the other sections are folded."""
    shown, folded = sections[:2], sections[2:]  # "where" and "what" stay visible
    details = f"<details><summary>The plan as it was shown</summary>{_sections_html(folded)}</details>"
    return _card_box(sections, status_html(status) + _sections_html(shown) + details)


def status_html(status: CardStatus) -> str:
    """Return a plan's status as a strip across the plan's card."""
    parts = [f'<span class="co-status">{escape_html(status.word.replace("_", " "))}</span>']
    if status.by:
        channel = f" ({escape_html(status.channel)})" if status.channel else ""
        parts.append(f"<span>by {marked_html(status.by)}{channel}</span>")
    if status.at:
        parts.append(f"<span>{escape_html(utc_text(status.at))}</span>")
    if status.reason:
        parts.append(f"<span>“{marked_html(status.reason)}”</span>")
    if status.detail:
        parts.append(f"<span>{marked_html(status.detail, limit=LONG_LIMIT)}</span>")
    return f'<div class="co-outcome co-{status_tone(status.word)}">{"".join(parts)}</div>'


def badge_html(badge: Badge) -> str:
    """Return a badge as a ``span`` element with the badge's tone."""
    return f'<span class="co-badge co-{badge.tone}">{marked_html(badge.text)}</span>'


def edge_of(sections: Sequence[Section]) -> Tone:
    """Return the tone of a card's edge, which is that of the environment badge in the card's first section."""
    return sections[0].badges[0].tone


def _card_box(sections: Sequence[Section], content: str) -> str:
    return html_box(content, label=f"Plan: {sections[1].title}", edge=edge_of(sections))


def _sections_html(sections: Sequence[Section]) -> str:
    return "".join(section_html(section) for section in sections)


def section_html(section: Section) -> str:
    """Return one section as HTML; the CSS class is the section's ``key`` with the prefix ``co-``."""
    level = "h3" if section.key == "what" else "h4"
    badges = "".join(badge_html(badge) for badge in section.badges)
    head = f'<div class="co-head"><{level}>{marked_html(section.title)}</{level}>{badges}</div>'
    lines = "".join(f"<p>{marked_html(line, limit=LONG_LIMIT)}</p>" for line in section.lines)
    items = "".join(f"<li>{marked_html(item, limit=LONG_LIMIT)}</li>" for item in section.items)
    listed = f"<ul>{items}</ul>" if items else ""
    rest = f"{_facts_html(section.facts)}{_table_html(section)}"
    return f'<section class="co-{section.key}">{head}{lines}{listed}{rest}</section>'


def _facts_html(facts: Sequence[tuple[str, str]]) -> str:
    if not facts:
        return ""
    pairs = "".join(
        f"<dt>{marked_html(label)}</dt><dd>{marked_html(value, limit=LONG_LIMIT)}</dd>" for label, value in facts
    )
    return f"<dl>{pairs}</dl>"


def _table_html(section: Section) -> str:
    if not section.rows:
        return ""
    head = "".join(f'<th scope="col">{escape_html(name)}</th>' for name in section.head)
    body = "".join(_row_html(row, len(section.head)) for row in section.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row_html(row: TableRow, width: int) -> str:
    cells = [f"<td>{marked_html(cell, limit=LONG_LIMIT)}</td>" for cell in row.cells]
    if row.badges:
        cells.append(f"<td>{''.join(badge_html(badge) for badge in row.badges)}</td>")
    kind = ' class="co-same"' if row.muted else ""
    line = f"<tr{kind}>{''.join(cells)}</tr>"
    if row.command:
        command = marked_html(row.command, limit=LONG_LIMIT)
        line += f'<tr class="co-command"><td></td><td colspan="{width - 1}"><code>{command}</code></td></tr>'
    return line
