"""Judges an opened resource against a query: the evidence for the match, in words and as a score."""

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

#: Shorter words match only as whole words: "go" is in "catalogue".
_SHORTEST_FRAGMENT = 3
#: Largest difference in length between a word and a misspelling of it.
_MISSPELT_LENGTH_DIFFERENCE = 2
#: Size of the caches; words of names and tags repeat between rows and queries.
_CACHED_WORDS = 1 << 14


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for a hit, and its gain."""

    gain: float
    why: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement of an opened resource: its total gain, and the reasons, strongest first.

    ``complete`` tells whether the resource matches every slot of the query and has every other word in name or tags.
    """

    resource: Resource
    gain: float
    reasons: Sequence[str]
    complete: bool


def judge(resource: Resource, query: ParsedQuery) -> Judgement:
    """Judge a resource against a query."""
    exact, slots = _exact_evidence(resource, query), list(_slot_evidence(resource, query))
    named = _structure_word_evidence(resource, query)
    rest, has_every_word = _rest_evidence(resource, query)
    found = sorted([*exact, *rest, *slots, *named], key=lambda one: -one.gain)
    matched_slots = {one.why.partition(" ")[0] for one in slots}
    return Judgement(
        resource,
        sum(one.gain for one in found) + _aptness(resource, query),
        tuple(dict.fromkeys(one.why for one in found)),
        has_every_word and matched_slots.issuperset(query.slots),
    )


def _exact_evidence(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    for label, value in (("name", resource.name), ("id", resource.identifier), ("ARN", resource.arn)):
        if folded(value) in query.names:
            # A remaining word may be a topic instead of a name: "kafka" in "the kafka boxes".
            gain = ranking.EXACT if folded(value) in query.identifiers else ranking.WHOLE_NAME
            yield Evidence(gain, f"exact {label}")
            return


def _rest_evidence(resource: Resource, query: ParsedQuery) -> tuple[list[Evidence], bool]:
    """Compare the remaining words with the name, the id, the tags and the description, word by word.

    Returns:
        The evidence, and whether the name, id or tags have every word, not only a similar one.
    """
    asked = query.rest_words
    if not asked:
        return [], True
    fragment = squashed(query.rest_text)
    if len(fragment) >= _SHORTEST_FRAGMENT:
        for label, value in _fragment_sources(resource, query):
            if fragment in squashed(value):
                return [Evidence(_fragment_gain(query, value), f"{label} contains '{query.rest_text}'")], True
    known_words = _ResourceWords(resource, dict(_fragment_sources(resource, query)))
    total = sum(weight_of(word) for word in asked)
    supports = {word: known_words.support(word) for word in asked}
    gains: defaultdict[str, float] = defaultdict(float)
    supported: dict[str, list[str]] = {}
    for word, (gain, why) in supports.items():
        if gain:
            gains[why] += gain * weight_of(word) / total
            supported.setdefault(why, []).append(f"'{word}'")
    found = [Evidence(gain, why.format(words=" and ".join(supported[why]))) for why, gain in gains.items()]
    return found, all(gain >= ranking.TAG_WORD for gain, _ in supports.values())


def _aptness(resource: Resource, query: ParsedQuery) -> float:
    """Prefer names close to the whole query over longer ones, and resources over those that belong to them."""
    alike = _likeness(squashed(query.rest_text), squashed(resource.name)) if query.rest else 0.0
    is_companion = "type" not in query.slots and resource.resource_type in lexicon().companions
    return ranking.ALIKE * alike - ranking.COMPANION * is_companion


def _fragment_sources(resource: Resource, query: ParsedQuery) -> Iterator[tuple[str, str]]:
    """Yield the texts that may contain the query as a fragment; an id only if the query looks like a name or an id."""
    yield "name", resource.name
    if query.identifying:
        yield "id", short_identifier(resource)


def _fragment_gain(query: ParsedQuery, value: str) -> float:
    if len(query.rest_words) == 1 and not query.identifying:
        return ranking.ONE_WORD
    return ranking.WHOLE_FRAGMENT if folded(query.rest_text) in folded(value) else ranking.SQUASHED_FRAGMENT


class _ResourceWords:
    """The words of an opened resource by their source; those of its description are split only when needed."""

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
        """Return whether a part of a name is more than a coincidence, such as "log" in "catalogue"."""
        return len(word) > _SHORTEST_FRAGMENT or any(one.startswith(word) for one in self._named)

    def support(self, word: str) -> tuple[float, str]:
        """Return the gain of one word of the query, and the reason, with a placeholder for the words."""
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


def _structure_word_evidence(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    """Count words that name slots and are also in the resource's name."""
    if not query.structure_words:
        return
    named = stems(resource.name)
    if held := [word for word in query.structure_words if stem(word) in named]:
        why = f"name contains {' and '.join(repr(word) for word in held)}"
        yield Evidence(ranking.STRUCTURE_WORD * len(held), why)


def _slot_evidence(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    for slot in SLOTS:
        if slot in query.slots:
            held = [value for value in _slot_values(resource, slot) if folded(value) in query.slots[slot]]
            # A hit has every tag of the query, and one value of every other slot.
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
    """Return the weight of a query's word; a word that many names and tag keys share weighs little."""
    return ranking.WEAK_WORD if word in lexicon().weak else 1.0


@lru_cache(maxsize=_CACHED_WORDS)
def squashed(text: str) -> str:
    """Return a text without the separators of its words, so that ``price hist`` is in ``PriceHistory``."""
    return "".join(words(text))


def _most_alike(word: str, others: Iterable[str]) -> float:
    """Return the likeness of the most similar word, 0 if no word is a misspelling of this one."""
    # The limit keeps "data" from counting as a misspelt "database".
    like = (_likeness(word, other) for other in others if abs(len(other) - len(word)) <= _MISSPELT_LENGTH_DIFFERENCE)
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
    """Fill a pattern, with braces escaped so that the result can be formatted again."""
    return pattern.format(*(value.replace("{", "{{").replace("}", "}}") for value in values))
