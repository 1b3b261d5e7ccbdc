"""MIME types of notebook outputs, and MIME bundles, which map each text type to the same content in that type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.presentation.as_html import card_html, html_box, section_html
from cloudops_nb.presentation.as_text import card_markdown, card_text, section_markdown, section_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudops_nb.presentation.section import CardStatus, Section

#: The type for a front end that can show neither HTML nor Markdown.
PLAIN = "text/plain"
HTML = "text/html"
MARKDOWN = "text/markdown"
WIDGET = "application/vnd.jupyter.widget-view+json"


def sections_bundle(sections: Iterable[Section], *, label: str, text: str = "") -> dict[str, str]:
    """Return sections as a MIME bundle of plain text, Markdown and HTML.

    Args:
        sections: The sections, in the order shown.
        label: The name of the box around the HTML, for screen readers.
        text: The plain text; if empty, the plain text is rendered from the sections.
    """
    shown = list(sections)
    return {
        PLAIN: text or "\n".join(line for section in shown for line in section_text(section)),
        MARKDOWN: "\n".join(line for section in shown for line in section_markdown(section)),
        HTML: html_box("".join(section_html(section) for section in shown), label=label),
    }


def card_bundle(sections: Sequence[Section], status: CardStatus, *, html: str = "") -> dict[str, str]:
    """Return a plan's card as a MIME bundle of plain text, Markdown and HTML; ``html`` replaces the rendered HTML."""
    return {
        PLAIN: card_text(sections, status),
        MARKDOWN: card_markdown(sections, status),
        HTML: html or card_html(sections, status),
    }
