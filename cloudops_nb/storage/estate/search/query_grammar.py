"""Finds the type that a query asks for, if the query names several resource types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudops_nb.storage.estate.lexicon import folded, lexicon

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class QuerySpan:
    """One or more tokens (typed words) of a query that belong together, such as "load balancer".

    Attributes:
        typed: The tokens as typed.
        read: The tokens with corrected misspellings.
        slots: The properties that the tokens name, such as ``type`` or ``region``, with the possible values; may be
            empty.
    """

    typed: Sequence[str]
    read: Sequence[str]
    slots: Mapping[str, frozenset[str]]

    @property
    def filler(self) -> bool:
        """Whether the span is a word such as "the", which does not narrow the query."""
        return not self.slots and folded(self.typed[0]) in lexicon().filler

    @property
    def word(self) -> str:
        """The folded token, if the span has only one; otherwise an empty text."""
        return folded(self.typed[0]) if len(self.typed) == 1 else ""


def resolve_heads(spans: Iterable[QuerySpan]) -> list[QuerySpan]:
    """Keep the slot ``type`` only in heads: the spans that name a wanted type.

    Any other span with a type only describes a head, and loses its type, so it becomes plain words. The head is the
    last of several types in a row, as in "database subnets", or the type before a preposition, as in "subnets of the
    database". A query can have several heads, as in "buckets and queues".

    If a head and the span that describes it have types in common, both keep these types, as in "rds databases" and
    "tables in dynamodb". An engine that no wanted type can have becomes a plain word, as in "postgres firewall".
    """
    kept = list(spans)
    head: int | None = None
    # The link between the head and the next type: empty for types in a row, "of" after a preposition, "and" otherwise.
    link = ""
    for position, span in enumerate(kept):
        if "type" in span.slots:
            if head is None or link == "and":
                head, link = position, ""
                continue
            head, describing = (head, position) if link else (position, head)
            common = kept[head].slots["type"] & kept[describing].slots["type"]
            kept[describing] = _of_types(kept[describing], common)
            kept[head] = _of_types(kept[head], common or kept[head].slots["type"])
        elif span.word in lexicon().prepositions:
            link = link or "of"
        elif head is not None and not (span.filler and span.word not in lexicon().conjunctions):
            link = "and"
    return _without_impossible_engines(kept)


def _without_impossible_engines(spans: list[QuerySpan]) -> list[QuerySpan]:
    types = frozenset().union(*(span.slots.get("type", frozenset()) for span in spans))
    engine_types = lexicon().engine_types
    return [
        _without(span, "engine")
        if types and not any(engine_types[engine] & types for engine in span.slots.get("engine", ()))
        else span
        for span in spans
    ]


def _of_types(span: QuerySpan, types: frozenset[str]) -> QuerySpan:
    return replace(span, slots={**span.slots, "type": types}) if types else _without(span, "type")


def _without(span: QuerySpan, slot: str) -> QuerySpan:
    return replace(span, slots={name: values for name, values in span.slots.items() if name != slot})
