"""How a query was read, for the person who typed it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.estate.search.query_parser import SLOTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.storage.estate.search.query_parser import ParsedQuery


@dataclass(frozen=True, slots=True)
class QueryReading:
    """What the words of a query were taken for; as text, one line.

    Attributes:
        filters: The kinds of structure that were named (``type``, ``engine``, ``environment``, ``state``, ``account``,
            ``region``, ``tag``), each with the values that fit; folded.
        looking_for: The other words, as typed; empty if there are none, then the filters are the whole answer, except
            that what has the query's only word for a name comes first.
        corrections: Misspelt words with what they were read as.
    """

    filters: Mapping[str, Sequence[str]]
    looking_for: str
    corrections: Mapping[str, str]

    @classmethod
    def of(cls, query: ParsedQuery) -> QueryReading:
        """Tell what a query was parsed into."""
        filters = {slot: tuple(sorted(query.slots[slot])) for slot in SLOTS if slot in query.slots}
        return cls(filters, query.rest_text, dict(query.corrections))

    def __str__(self) -> str:
        named = ", ".join(f"{slot} {_alternatives(values, slot)}" for slot, values in self.filters.items())
        parts = [
            named,
            self.looking_for and f"looking for: {self.looking_for}",
            ", ".join(f"read {typed!r} as {read!r}" for typed, read in self.corrections.items()),
        ]
        return "; ".join(filter(None, parts))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        data = asdict(self)
        data["filters"] = {slot: list(values) for slot, values in self.filters.items()}
        return data


def _alternatives(values: Sequence[str], slot: str) -> str:
    """Name the values that any hit may have; of tags, it has each."""
    *others, last = values
    between = " and " if slot == "tag" else " or "
    return f"{', '.join(others)}{between}{last}" if others else last
