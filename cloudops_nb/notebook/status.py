"""The store's health as one readable table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloudops_nb.notebook.card_html import frame
from cloudops_nb.notebook.escape import marked_html, visible
from cloudops_nb.notebook.screen import HTML, PLAIN
from cloudops_nb.notebook.section import value_words


class Status:
    """What ``CloudOps.health`` said, or another mapping of how things are; ``health`` is the mapping itself."""

    def __init__(self, health: Mapping[str, Any], title: str = "CloudOps on this host") -> None:
        self.health = health
        self._title = title

    def __repr__(self) -> str:
        rows = list(_rows(self.health))
        width = max((len(label) for label, _ in rows), default=0)
        return "\n".join(f"{visible(label):<{width}}  {visible(value)}" for label, value in rows)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        pairs = "".join(
            f"<dt>{marked_html(label)}</dt><dd>{marked_html(value)}</dd>" for label, value in _rows(self.health)
        )
        content = f'<section><div class="co-head"><h4>{self._title}</h4></div><dl>{pairs}</dl></section>'
        return {PLAIN: repr(self), HTML: frame(content, label="CloudOps status")}


def _rows(data: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        label = f"{above}{str(name).replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _rows(value, f"{label} · ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for item in value:
                (_, first), *others = item.items()
                yield from _rows(dict(others), f"{above}{str(first).replace('_', ' ')} · ")
        else:
            yield label.removesuffix(" bytes"), _size(value) if label.endswith(" bytes") else value_words(value)


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"  # noqa: PLR2004 - one billion
