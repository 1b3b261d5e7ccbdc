"""The status of the store, the backups or the regular scans as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudops_nb.presentation.as_text import section_text
from cloudops_nb.presentation.mime_types import sections_bundle
from cloudops_nb.presentation.section import Badge, Section, TableRow, Tone, utc_text, value_text

_BYTES = "_bytes"
_WARNINGS = "warnings"


class StatusTables:
    """Shows a status mapping, such as that of ``CloudOps.health``, as tables.

    Attributes:
        health: The status mapping.
    """

    def __init__(self, health: Mapping[str, Any], title: str = "CloudOps on this host") -> None:
        self.health = health
        self._title = title

    def __repr__(self) -> str:
        return "\n".join(line.rstrip() for section in self._status_sections() for line in section_text(section))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return sections_bundle(self._status_sections(), label=self._title, text=repr(self))

    def _status_sections(self) -> Iterator[Section]:
        yield from _status_sections(self.health, self._title)


def _status_sections(data: Mapping[str, Any], title: str) -> Iterator[Section]:
    """Yield a section of the single values and warnings, then a table or further sections for each nested value."""
    # An empty mapping counts as nested, because as a single value it would be shown as "none", which is misleading.
    nested = {name: value for name, value in data.items() if _table_groups(value) or isinstance(value, Mapping)}
    facts = [
        (_readable_name(name.removesuffix(_BYTES)), _value_text(name, value))
        for name, value in data.items()
        if name not in nested and name != _WARNINGS
    ]
    yield Section("health", title, facts=facts, rows=[_warning_row(text) for text in data.get(_WARNINGS, ())])
    for name, value in nested.items():
        if groups := _table_groups(value):
            yield _group_section(_readable_name(name).capitalize(), groups)
        else:
            yield from _status_sections(value, _readable_name(name).capitalize())


def _table_groups(value: Any) -> Sequence[Mapping[str, Any]]:
    """Return the table rows of a list of mappings or of a mapping of mappings by name; empty for any other value."""
    if isinstance(value, Mapping) and value and all(isinstance(inner, Mapping) for inner in value.values()):
        return [{"name": name, **inner} for name, inner in value.items()]
    if isinstance(value, list) and value and all(isinstance(inner, Mapping) for inner in value):
        return value
    return ()


def _group_section(title: str, groups: Sequence[Mapping[str, Any]]) -> Section:
    head = [_readable_name(name.removesuffix(_BYTES)).capitalize() for name in groups[0]]
    rows = [TableRow([_cell_text(name, value) for name, value in group.items()]) for group in groups]
    return Section("table", title, head=head, rows=rows)


def _cell_text(name: str, value: Any) -> str:
    return "" if value in (None, "") else _readable_name(value) if isinstance(value, str) else _value_text(name, value)


def _value_text(name: str, value: Any) -> str:
    if name.endswith(_BYTES) and isinstance(value, int):
        return size_text(value)
    return utc_text(value) if isinstance(value, datetime) else value_text(value)


def _warning_row(text: str) -> TableRow:
    return TableRow([text], badges=(Badge("warning", Tone.CAUTION),))


def _readable_name(name: str) -> str:
    # A text without spaces is an internal name, such as aws_estate. A text with spaces is a sentence, which may quote
    # such names unchanged.
    return name if " " in name else name.replace("_", " ")


def size_text(count: int) -> str:
    """Return a number of bytes in a readable unit, such as ``1.5 MB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count} B"
