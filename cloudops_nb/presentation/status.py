"""How the store and its backups are, as readable tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudops_nb.presentation.as_text import section_text
from cloudops_nb.presentation.mime_types import sections_bundle
from cloudops_nb.presentation.section import Badge, Row, Section, Tone, utc, value_words

_BYTES = "_bytes"
_WARNINGS = "warnings"


class Status:
    """What ``CloudOps.health`` said, or another mapping of how things are; ``health`` is the mapping itself."""

    def __init__(self, health: Mapping[str, Any], title: str = "CloudOps on this host") -> None:
        self.health = health
        self._title = title

    def __repr__(self) -> str:
        return "\n".join(line.rstrip() for section in self._sections() for line in section_text(section))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return sections_bundle(self._sections(), label=self._title, text=repr(self))

    def _sections(self) -> Iterator[Section]:
        yield from _sections(self.health, self._title)


def _sections(data: Mapping[str, Any], title: str) -> Iterator[Section]:
    """Say single values as facts, and groups of alike ones as tables below them; warnings come first."""
    nested = {name: value for name, value in data.items() if _groups(value) or isinstance(value, Mapping)}
    facts = [
        (_words(name.removesuffix(_BYTES)), _said(name, value))
        for name, value in data.items()
        if name not in nested and name != _WARNINGS
    ]
    yield Section("health", title, facts=facts, rows=[_warning(text) for text in data.get(_WARNINGS, ())])
    for name, value in nested.items():
        if groups := _groups(value):
            yield _table(_words(name).capitalize(), groups)
        else:
            yield from _sections(value, _words(name).capitalize())


def _groups(value: Any) -> Sequence[Mapping[str, Any]]:
    """Return the rows of what reads best as a table: a list of mappings, or a mapping of mappings by name."""
    if isinstance(value, Mapping) and value and all(isinstance(inner, Mapping) for inner in value.values()):
        return [{"name": name, **inner} for name, inner in value.items()]
    if isinstance(value, list) and value and all(isinstance(inner, Mapping) for inner in value):
        return value
    return ()


def _table(title: str, groups: Sequence[Mapping[str, Any]]) -> Section:
    head = [_words(name.removesuffix(_BYTES)).capitalize() for name in groups[0]]
    rows = [Row([_cell(name, value) for name, value in group.items()]) for group in groups]
    return Section("table", title, head=head, rows=rows)


def _cell(name: str, value: Any) -> str:
    return "" if value in (None, "") else _words(value) if isinstance(value, str) else _said(name, value)


def _said(name: str, value: Any) -> str:
    if name.endswith(_BYTES) and isinstance(value, int):
        return size(value)
    return utc(value) if isinstance(value, datetime) else value_words(value)


def _warning(text: str) -> Row:
    return Row([text], badges=(Badge("warning", Tone.CAUTION),))


def _words(name: str) -> str:
    # Names of ours, as aws_estate; sentences keep their underscores.
    return name if " " in name else name.replace("_", " ")


def size(count: int) -> str:
    """Return a number of bytes in the unit that people would choose."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count} B"
