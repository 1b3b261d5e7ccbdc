"""The grammar of a query: finds the resource type that it asks for among several types that it names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudops_nb.storage.estate.lexicon import folded, lexicon

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class QuerySpan:
    """Tokens of a query that belong together: as typed, as corrected, and the slots that they name, if any."""

    typed: Sequence[str]
    read: Sequence[str]
    found: Mapping[str, frozenset[str]]

    @property
    def filler(self) -> bool:
        """Whether the span says nothing about the wanted resources."""
        return not self.found and folded(self.typed[0]) in lexicon().filler

    @property
    def word(self) -> str:
        """The folded token of a span with a single one; otherwise an empty text."""
        return folded(self.typed[0]) if len(self.typed) == 1 else ""


def resolve_heads(spans: Iterable[QuerySpan]) -> list[QuerySpan]:
    """Keep the type slot only at the head of each phrase; types and engines that describe the head become plain words.

    The head is the last of several types in a row, as in "database subnets", or the type before a preposition, as in
    "subnets of the database"; "buckets and queues" has two heads. Two words with common types narrow each other, as in
    "rds databases" and "tables in dynamodb". An engine that the head cannot have describes it, as in "postgres
    firewall".
    """
    kept = list(spans)
    head: int | None = None
    linked = ""
    for place, span in enumerate(kept):
        if "type" in span.found:
            if head is None or linked == "and":
                head, linked = place, ""
                continue
            head, describing = (head, place) if linked else (place, head)
            both = kept[head].found["type"] & kept[describing].found["type"]
            kept[describing] = _of_types(kept[describing], both)
            kept[head] = _of_types(kept[head], both or kept[head].found["type"])
        elif span.word in lexicon().prepositions:
            linked = linked or "of"
        elif head is not None and not (span.filler and span.word not in lexicon().conjunctions):
            linked = "and"
    return _with_fitting_engines(kept)


def _with_fitting_engines(spans: list[QuerySpan]) -> list[QuerySpan]:
    named = frozenset().union(*(span.found.get("type", frozenset()) for span in spans))
    engines = lexicon().engine_types
    return [
        _without(span, "engine")
        if named and not any(engines[engine] & named for engine in span.found.get("engine", ()))
        else span
        for span in spans
    ]


def _of_types(span: QuerySpan, types: frozenset[str]) -> QuerySpan:
    return replace(span, found={**span.found, "type": types}) if types else _without(span, "type")


def _without(span: QuerySpan, slot: str) -> QuerySpan:
    return replace(span, found={name: values for name, values in span.found.items() if name != slot})
