"""Why a hit matched, said in words and counted: what the opened resource itself shows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from cloudops_nb.storage.estate.description import engines_of, environment_of, spoken_of
from cloudops_nb.storage.estate.lexicon import folded, grams, lexicon, stem, stems, words
from cloudops_nb.storage.estate.search import ranking
from cloudops_nb.storage.estate.search.query_parser import SLOTS
from cloudops_nb.storage.estate.terms import short_identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.estate.search.query_parser import ParsedQuery

#: Shorter words are found as whole words only: "go" is in "catalogue".
_SHORTEST_FRAGMENT = 3
#: How many letters a misspelt word may have too many or too few.
_FORGOTTEN_LETTERS = 2
#: Words of names and tags repeat from row to row, and from query to query.
_CACHED_WORDS = 1 << 14


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that speaks for a hit: how much, and in words."""

    gain: float
    why: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an opened resource shows for a query: what it gains, and why, the strongest reason first.

    ``complete`` is one that fits all structure that the query names, and whose name or tags bear every other word.
    """

    resource: Resource
    gain: float
    reasons: Sequence[str]
    complete: bool


def judge(resource: Resource, query: ParsedQuery) -> Judgement:
    """Look at a resource for what speaks for it."""
    exact, slots, named = _exact(resource, query), list(_slots(resource, query)), _named(resource, query)
    rest, borne = _rest(resource, query)
    found = sorted([*exact, *rest, *slots, *named], key=lambda one: -one.gain)
    fitting = {one.why.partition(" ")[0] for one in slots}
    return Judgement(
        resource,
        sum(one.gain for one in found) + _aptness(resource, query),
        tuple(dict.fromkeys(one.why for one in found)),
        borne and fitting.issuperset(query.slots),
    )


def _exact(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    for label, value in (("name", resource.name), ("id", resource.identifier), ("ARN", resource.arn)):
        if folded(value) in query.names:
            # A word that is left of a query may be a name as well as a topic: "kafka" of "the kafka boxes".
            gain = ranking.EXACT if folded(value) in query.identifiers else ranking.WHOLE_NAME
            yield Evidence(gain, f"exact {label}")
            return


def _rest(resource: Resource, query: ParsedQuery) -> tuple[list[Evidence], bool]:
    """Compare what names no structure with the name, the id, the tags and the description, word by word.

    Returns:
        What was found, and whether every word was, and not only something like it.
    """
    asked = query.rest_words
    if not asked:
        return [], True
    fragment = squashed(query.rest_text)
    if len(fragment) >= _SHORTEST_FRAGMENT:
        for label, value in _spelt(resource, query):
            if fragment in squashed(value):
                return [Evidence(_fragment_gain(query, value), f"{label} contains '{query.rest_text}'")], True
    seen = _Seen(resource, dict(_spelt(resource, query)))
    total = sum(weight_of(word) for word in asked)
    supports = {word: seen.support(word) for word in asked}
    gains: defaultdict[str, float] = defaultdict(float)
    supported: dict[str, list[str]] = {}
    for word, (gain, why) in supports.items():
        if gain:
            gains[why] += gain * weight_of(word) / total
            supported.setdefault(why, []).append(f"'{word}'")
    found = [Evidence(gain, why.format(words=" and ".join(supported[why]))) for why, gain in gains.items()]
    return found, all(gain >= ranking.TAG_WORD for gain, _ in supports.values())


def _aptness(resource: Resource, query: ParsedQuery) -> float:
    """Weigh a name that is all of the query against a longer one, and a thing against what only belongs to it."""
    alike = _likeness(squashed(query.rest_text), squashed(resource.name)) if query.rest else 0.0
    aside = "type" not in query.slots and resource.resource_type in lexicon().companions
    return ranking.ALIKE * alike - ranking.COMPANION * aside


def _spelt(resource: Resource, query: ParsedQuery) -> Iterator[tuple[str, str]]:
    """Yield what a query may be a part of by its letters; words of a language are no part of an id."""
    yield "name", resource.name
    if query.identifying:
        yield "id", short_identifier(resource)


def _fragment_gain(query: ParsedQuery, value: str) -> float:
    if len(query.rest_words) == 1 and not query.identifying:
        return ranking.ONE_WORD
    return ranking.WHOLE_FRAGMENT if folded(query.rest_text) in folded(value) else ranking.SQUASHED_FRAGMENT


class _Seen:
    """The words of an opened resource, by where they stand; those in its description are cut only when they matter."""

    def __init__(self, resource: Resource, spelt: Mapping[str, str]) -> None:
        self._resource = resource
        self._named = stems(resource.name)
        self._spelt = {label: squashed(value) for label, value in spelt.items()}
        pairs = ((key, value) for key, value in resource.tags.items() if key != "Name")
        self._tags = {word: (key, value) for key, value in pairs for word in stems(value)}

    @cached_property
    def _told(self) -> dict[str, str]:
        facts = lexicon().spoken_facts
        return {
            word: value if field in facts else f"{field} {value}"
            for field, value in spoken_of(self._resource).items()
            for word in stems(value)
        }

    def _is_about(self, word: str) -> bool:
        declared = lexicon()
        if word in stems(declared.type_nouns.get(self._resource.resource_type, "")):
            return True
        known = (declared.glossary.get(other) for other in (*self._named, *self._tags))
        return any(word in stems(meaning) for meaning in known if meaning)

    def _begins_or_is_long(self, word: str) -> bool:
        """Return whether a part of a name is no accident, as "log" of "catalogue" is."""
        return len(word) > _SHORTEST_FRAGMENT or any(one.startswith(word) for one in self._named)

    def support(self, word: str) -> tuple[float, str]:
        """Return what speaks for one word of the query: the gain, and why, with a place for the words."""
        sought = stem(word)
        if sought in self._named:
            return ranking.NAME_WORD, "name contains {words}"
        if sought in self._tags:
            return ranking.TAG_WORD, _literal("tag {}={}", self._tags[sought])
        if len(sought) >= _SHORTEST_FRAGMENT:
            for label, value in self._spelt.items():
                if sought in value and self._begins_or_is_long(sought):
                    return ranking.NAME_PART, f"{label} contains {{words}}"
        if sought in self._told:
            return ranking.TOLD_WORD, _literal("{}", [self._told[sought]])
        if self._is_about(sought):
            return ranking.TOLD_WORD, "about {words}"
        alike, label = max((_most_alike(sought, self._named), "name"), (_most_alike(sought, self._tags), "tag"))
        return (ranking.SIMILAR_WORD * alike, f"{label} similar to {{words}}") if alike else (0.0, "")


def _named(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    """Count words that name structure, but stand in the name too."""
    if not query.structure_words:
        return
    named = stems(resource.name)
    if held := [word for word in query.structure_words if stem(word) in named]:
        why = f"name contains {' and '.join(repr(word) for word in held)}"
        yield Evidence(ranking.STRUCTURE_WORD * len(held), why)


def _slots(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    for slot in SLOTS:
        if slot in query.slots:
            held = [value for value in _slot_values(resource, slot) if folded(value) in query.slots[slot]]
            # Each tag was asked for by itself; of the other kinds a resource has one.
            for value in held if slot == "tag" else held[:1]:
                yield Evidence(ranking.TYPE if slot == "type" else ranking.SLOT, f"{slot} {value}")


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
        case "tag":
            return [f"{key}={value}" for key, value in resource.tags.items()]
        case _:
            return [str(getattr(resource, slot))]


def weight_of(word: str) -> float:
    """Return what a word of a query counts: one that many names and tag keys share counts little."""
    return ranking.WEAK_WORD if word in lexicon().weak else 1.0


@lru_cache(maxsize=_CACHED_WORDS)
def squashed(text: str) -> str:
    """Return a text without what separates its words, so that ``price hist`` is in ``PriceHistory``."""
    return "".join(words(text))


def _most_alike(word: str, others: Iterable[str]) -> float:
    """Return how alike the most similar word is, 0 if none is this one misspelt."""
    # "data" is no misspelt "database".
    like = (_likeness(word, other) for other in others if abs(len(other) - len(word)) <= _FORGOTTEN_LETTERS)
    alike = max(like, default=0.0)
    return alike if alike >= ranking.SIMILAR_ENOUGH else 0.0


def _likeness(one: str, other: str) -> float:
    """Return the Dice coefficient of two words' trigrams, from 0 to 1."""
    left, right = _trigrams(one), _trigrams(other)
    return 2 * len(left & right) / max(len(left) + len(right), 1)


@lru_cache(maxsize=_CACHED_WORDS)
def _trigrams(word: str) -> frozenset[str]:
    return frozenset(grams(word))


def _literal(pattern: str, values: Iterable[str]) -> str:
    """Fill a pattern in such a way that it may be formatted once more."""
    return pattern.format(*(value.replace("{", "{{").replace("}", "}}") for value in values))
