"""``QueryReading``: explains to a user how a query was parsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.storage.estate.search.query_parser import SLOTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.storage.estate.search.query_parser import ParsedQuery


@dataclass(frozen=True, slots=True)
class QueryReading:
    """The interpretation of a query; ``str()`` returns it as one line.

    Attributes:
        filters: The slots that the query names (``type``, ``engine``, ``environment``, ``state``, ``account``,
            ``region``, ``tag``), each with its possible values, folded.
        looking_for: The words that name no slot, as typed. If there is no such word, the search returns the resources
            that pass the filters, and resources whose name, id or ARN is the query.
        corrections: Each misspelt word with its correction.
    """

    filters: Mapping[str, Sequence[str]]
    looking_for: str
    corrections: Mapping[str, str]

    @classmethod
    def of(cls, query: ParsedQuery) -> QueryReading:
        """Return the interpretation of a parsed query."""
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


def _alternatives(values: Sequence[str], slot: str) -> str:
    """Join the values with "or", but tags with "and", because a hit must have every tag of the query."""
    *others, last = values
    between = " and " if slot == "tag" else " or "
    return f"{', '.join(others)}{between}{last}" if others else last
