"""Why a hit matched, said in words and counted: what the opened resource itself shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.storage import search_ranking as ranking
from cloudops_nb.storage.description import engines_of, environment_of
from cloudops_nb.storage.estate_terms import short_identifier
from cloudops_nb.storage.lexicon import folded, grams, stem, words
from cloudops_nb.storage.search_query import SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.search_query import ParsedQuery


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that speaks for a hit: how much, and in words."""

    gain: float
    why: str


def evidence_for(resource: Resource, query: ParsedQuery) -> list[Evidence]:
    """Collect what speaks for a resource, the strongest first."""
    found = [*_exact(resource, query), *_rest(resource, query), *_slots(resource, query)]
    return sorted(found, key=lambda one: -one.gain)


def _exact(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    asked = {folded(name) for name in query.names}
    for label, value in (("name", resource.name), ("id", resource.identifier), ("ARN", resource.arn)):
        if folded(value) in asked:
            yield Evidence(ranking.EXACT, f"exact {label}")
            return


def _rest(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    """Compare what names no structure with the name, the id and the tags."""
    fragment, asked = folded(query.rest_text), query.rest_words
    if not asked:
        return
    named = [("name", resource.name), ("id", short_identifier(resource))]
    for label, value in named:
        if fragment in folded(value):
            yield Evidence(ranking.WHOLE_FRAGMENT, f"{label} contains '{query.rest_text}'")
            return
    for label, value in named:
        held = [word for word in asked if len(word) > 1 and stem(word) in folded(value)]
        if held:
            share = len(held) / len(asked)
            yield Evidence(ranking.NAME_WORDS * share, f"{label} contains {_quoted(held)}")
            break
    else:
        alike, label = max((_alike(fragment, value), label) for label, value in named)
        if alike >= ranking.SIMILAR_ENOUGH:
            yield Evidence(ranking.SIMILAR_NAME * alike, f"{label} similar to '{query.rest_text}'")
    yield from _tags(resource, asked)


def _tags(resource: Resource, asked: Sequence[str]) -> Iterator[Evidence]:
    wanted = {stem(word) for word in asked}
    for key, value in resource.tags.items():
        held = wanted & {stem(word) for word in words(value)}
        if held and key != "Name":
            yield Evidence(ranking.TAG_WORDS * len(held) / len(wanted), f"tag {key}={value}")


def _slots(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    for slot in SLOTS:
        if slot in query.slots:
            held = (value for value in _slot_values(resource, slot) if folded(value) in query.slots[slot])
            if value := next(held, ""):
                yield Evidence(ranking.SLOT, f"{slot} {value}")


def _slot_values(resource: Resource, slot: str) -> Sequence[str]:
    match slot:
        case "type":
            return [resource.resource_type]
        case "engine":
            return engines_of(resource)
        case "environment":
            return [environment_of(resource)]
        case "account":
            return [resource.account_name, resource.account_id]
        case _:
            return [str(getattr(resource, slot))]


def _alike(one: str, other: str) -> float:
    """Return the Dice coefficient of two texts' trigrams, from 0 to 1."""
    left, right = Counter(grams(one)), Counter(grams(other))
    total = left.total() + right.total()
    return 2 * (left & right).total() / total if total else 0.0


def _quoted(found: Sequence[str]) -> str:
    return " and ".join(f"'{word}'" for word in found)
