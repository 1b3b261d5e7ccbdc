"""The card as static HTML, escaped throughout: the body of the live card, and the record that replaces it."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

from cloudops_nb.execution.plan import PlanStatus
from cloudops_nb.presentation.escape import LONG, escape_html, marked_html
from cloudops_nb.presentation.section import Badge, Outcome, Row, Section, Tone, utc

if TYPE_CHECKING:
    from collections.abc import Sequence

_OUTCOME_TONES: dict[str, Tone] = {
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
    """Return the style element that every piece of our HTML carries, so that each output stands alone."""
    css = (resources.files("cloudops_nb.presentation") / "cloudops.css").read_text(encoding="utf-8")
    return f"<style>{css}</style>"


def frame(content: str, *, label: str, edge: Tone = Tone.PLAIN) -> str:
    """Wrap escaped HTML in our box; ``label`` names it to a screen reader."""
    named = f'role="region" aria-label="{escape_html(label)}"'
    return f'{stylesheet()}<div class="cloudops co-edge-{edge}" {named}>{content}</div>'


def status_tone(status: str) -> Tone:
    """Return the tone of what became of a plan."""
    return _OUTCOME_TONES.get(status, Tone.MUTED)


def card_html(sections: Sequence[Section], outcome: Outcome) -> str:
    """Return the undecided card: what became of the plan so far, then every section open."""
    return _card(sections, outcome_html(outcome) + _sections(sections))


def record_html(sections: Sequence[Section], outcome: Outcome) -> str:
    """Return the decided card: the outcome, where and what; the rest of what was shown is folded away, not lost."""
    shown, folded = sections[:2], sections[2:]
    details = f"<details><summary>The plan as it was shown</summary>{_sections(folded)}</details>"
    return _card(sections, outcome_html(outcome) + _sections(shown) + details)


def outcome_html(outcome: Outcome) -> str:
    """Return what became of a plan as a strip across its card."""
    parts = [f'<span class="co-status">{escape_html(outcome.status.replace("_", " "))}</span>']
    if outcome.by:
        channel = f" ({escape_html(outcome.channel)})" if outcome.channel else ""
        parts.append(f"<span>by {marked_html(outcome.by)}{channel}</span>")
    if outcome.at:
        parts.append(f"<span>{escape_html(utc(outcome.at))}</span>")
    if outcome.reason:
        parts.append(f"<span>“{marked_html(outcome.reason)}”</span>")
    if outcome.detail:
        parts.append(f"<span>{marked_html(outcome.detail, limit=LONG)}</span>")
    return f'<div class="co-outcome co-{status_tone(outcome.status)}">{"".join(parts)}</div>'


def badge_html(badge: Badge) -> str:
    """Return a word in its tone."""
    return f'<span class="co-badge co-{badge.tone}">{marked_html(badge.text)}</span>'


def edge_of(sections: Sequence[Section]) -> Tone:
    """Return the tone of the card's edge, which is its environment's."""
    return sections[0].badges[0].tone


def _card(sections: Sequence[Section], content: str) -> str:
    return frame(content, label=f"Plan: {sections[1].title}", edge=edge_of(sections))


def _sections(sections: Sequence[Section]) -> str:
    return "".join(section_html(section) for section in sections)


def section_html(section: Section) -> str:
    """Return one section; ``co-`` and its key is its class."""
    level = "h3" if section.key == "what" else "h4"
    badges = "".join(badge_html(badge) for badge in section.badges)
    head = f'<div class="co-head"><{level}>{marked_html(section.title)}</{level}>{badges}</div>'
    lines = "".join(f"<p>{marked_html(line, limit=LONG)}</p>" for line in section.lines)
    items = "".join(f"<li>{marked_html(item, limit=LONG)}</li>" for item in section.items)
    listed = f"<ul>{items}</ul>" if items else ""
    rest = f"{_facts(section.facts)}{_table(section)}"
    return f'<section class="co-{section.key}">{head}{lines}{listed}{rest}</section>'


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    if not facts:
        return ""
    pairs = "".join(f"<dt>{marked_html(label)}</dt><dd>{marked_html(value, limit=LONG)}</dd>" for label, value in facts)
    return f"<dl>{pairs}</dl>"


def _table(section: Section) -> str:
    if not section.rows:
        return ""
    head = "".join(f'<th scope="col">{escape_html(name)}</th>' for name in section.head)
    body = "".join(_row(row, len(section.head)) for row in section.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: Row, width: int) -> str:
    cells = [f"<td>{marked_html(cell, limit=LONG)}</td>" for cell in row.cells]
    if row.badges:
        cells.append(f"<td>{''.join(badge_html(badge) for badge in row.badges)}</td>")
    kind = ' class="co-same"' if row.muted else ""
    line = f"<tr{kind}>{''.join(cells)}</tr>"
    if row.command:
        command = marked_html(row.command, limit=LONG)
        line += f'<tr class="co-command"><td></td><td colspan="{width - 1}"><code>{command}</code></td></tr>'
    return line
