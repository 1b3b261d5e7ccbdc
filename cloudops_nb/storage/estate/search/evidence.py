"""Judges how well a decrypted resource matches a query, by collecting evidence.

A piece of evidence is a reason for the hit, with a gain: the number that it adds to the hit's score. A slot is a
property that words of the query name, such as the type or the region.
"""

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

#: Shorter words match only as whole words, because "go", for example, is a part of "category".
_SHORTEST_FRAGMENT = 3
#: Largest difference in length between a word and a misspelling of it.
_MISSPELT_LENGTH_DIFFERENCE = 2
#: Largest number of texts in each cache; the words of names and tags repeat between rows and queries.
_CACHED_WORDS = 1 << 14


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for a hit, and the gain that the reason adds to the score."""

    gain: float
    why: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of judging a resource against a query.

    Attributes:
        resource: The resource.
        gain: The sum of the gains of all evidence and of :func:`_name_and_owner_gain`.
        reasons: The reasons for the hit, strongest first.
        complete: Whether the resource matches every slot of the query, and has every other word of the query in its
            name, id or tags.
    """

    resource: Resource
    gain: float
    reasons: Sequence[str]
    complete: bool


def judge(resource: Resource, query: ParsedQuery) -> Judgement:
    """Collect the evidence that a resource matches a query, and add up the gains."""
    exact, slots = _exact_evidence(resource, query), list(_slot_evidence(resource, query))
    named = _structure_word_evidence(resource, query)
    rest, has_every_word = _rest_evidence(resource, query)
    found = sorted([*exact, *rest, *slots, *named], key=lambda evidence: -evidence.gain)
    matched_slots = {evidence.why.partition(" ")[0] for evidence in slots}  # the reason begins with the slot's name
    return Judgement(
        resource,
        sum(evidence.gain for evidence in found) + _name_and_owner_gain(resource, query),
        tuple(dict.fromkeys(evidence.why for evidence in found)),
        has_every_word and matched_slots.issuperset(query.slots),
    )


def _exact_evidence(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    own = (("name", resource.name), ("id", resource.identifier), ("ARN", resource.arn))
    for label, value in (*own, ("Name tag", resource.tags.get("Name", ""))):
        if folded(value) in query.names:
            # A word that names no slot may be a topic instead of a name, such as "kafka" in "the kafka boxes".
            gain = ranking.EXACT if folded(value) in query.identifiers else ranking.WHOLE_NAME
            yield Evidence(gain, f"exact {label}")
            return


def _rest_evidence(resource: Resource, query: ParsedQuery) -> tuple[list[Evidence], bool]:
    """Return the evidence for the words that name no slot; the second value is true if the resource has every word.

    If the words together are a part of the name or id, that is the only evidence. Otherwise each word is compared with
    the name, the id, the tags and the description. The second value counts only words in the name, the id or a tag, not
    words that are similar or in the description.
    """
    query_words = query.rest_words
    if not query_words:
        return [], True
    fragment = squashed(query.rest_text)
    if len(fragment) >= _SHORTEST_FRAGMENT:
        for label, value in _fragment_sources(resource, query):
            if fragment in squashed(value):
                return [Evidence(_fragment_gain(query, value), f"{label} contains '{query.rest_text}'")], True
    resource_words = _ResourceWords(resource, dict(_fragment_sources(resource, query)))
    total_weight = sum(weight_of(word) for word in query_words)
    supports = {word: resource_words.support(word) for word in query_words}
    gains: defaultdict[str, float] = defaultdict(float)
    supported: dict[str, list[str]] = {}
    for word, (gain, why) in supports.items():
        if gain:
            gains[why] += gain * weight_of(word) / total_weight
            supported.setdefault(why, []).append(f"'{word}'")
    found = [Evidence(gain, why.format(words=" and ".join(supported[why]))) for why, gain in gains.items()]
    return found, all(gain >= ranking.TAG_WORD for gain, _ in supports.values())


def _name_and_owner_gain(resource: Resource, query: ParsedQuery) -> float:
    """Return a gain for a name similar to the remaining words, less a loss for a resource that belongs to another."""
    similarity = _similarity(squashed(query.rest_text), squashed(resource.name)) if query.rest else 0.0
    is_companion = "type" not in query.slots and resource.resource_type in lexicon().companions
    return ranking.ALIKE * similarity - ranking.COMPANION * is_companion


def _fragment_sources(resource: Resource, query: ParsedQuery) -> Iterator[tuple[str, str]]:
    """Yield label and text of the name and, if the query looks like a name or an id, of the id.

    The remaining words of the query are searched for in these texts.
    """
    yield "name", resource.name
    if query.identifying:
        yield "id", short_identifier(resource)


def _fragment_gain(query: ParsedQuery, value: str) -> float:
    if len(query.rest_words) == 1 and not query.identifying:
        return ranking.ONE_WORD
    return ranking.WHOLE_FRAGMENT if folded(query.rest_text) in folded(value) else ranking.SQUASHED_FRAGMENT


class _ResourceWords:
    """The words in the name, the tags and the description of a resource; the description is split only when needed."""

    def __init__(self, resource: Resource, fragment_sources: Mapping[str, str]) -> None:
        self._resource = resource
        self._named = stems(resource.name)
        self._squashed = {label: squashed(value) for label, value in fragment_sources.items()}
        pairs = ((key, value) for key, value in resource.tags.items() if key != "Name")
        self._tags = {word: (key, value) for key, value in pairs for word in stems(value)}

    @cached_property
    def _described(self) -> dict[str, str]:
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
        topics = (declared.glossary.get(other) for other in (*self._named, *self._tags))
        return any(word in stems(topic) for topic in topics if topic)

    def _begins_or_is_long(self, word: str) -> bool:
        """Return whether a word is probably a part of the name on purpose, unlike "log" in "catalogue"."""
        return len(word) > _SHORTEST_FRAGMENT or any(name_word.startswith(word) for name_word in self._named)

    def support(self, word: str) -> tuple[float, str]:
        """Return the gain for one word of the query, and the reason.

        The reason may have the placeholder ``{words}``, for all words of the query that have the same reason.
        """
        sought = stem(word)
        if sought in self._named:
            return ranking.NAME_WORD, "name contains {words}"
        if sought in self._tags:
            return ranking.TAG_WORD, _literal("tag {}={}", self._tags[sought])
        if len(sought) >= _SHORTEST_FRAGMENT:
            for label, value in self._squashed.items():
                if sought in value and self._begins_or_is_long(sought):
                    return ranking.NAME_PART, f"{label} contains {{words}}"
        if sought in self._described:
            return ranking.DESCRIPTION_WORD, _literal("{}", [self._described[sought]])
        if self._is_about(sought):
            return ranking.DESCRIPTION_WORD, "about {words}"
        by_name, by_tag = _best_similarity(sought, self._named), _best_similarity(sought, self._tags)
        similarity, label = max((by_name, "name"), (by_tag, "tag"))
        return (ranking.SIMILAR_WORD * similarity, f"{label} similar to {{words}}") if similarity else (0.0, "")


def _structure_word_evidence(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    """Yield evidence for the words that name slots and are also in the resource's name."""
    if not query.structure_words:
        return
    named = stems(resource.name)
    if common := [word for word in query.structure_words if stem(word) in named]:
        why = f"name contains {' and '.join(repr(word) for word in common)}"
        yield Evidence(ranking.STRUCTURE_WORD * len(common), why)


def _slot_evidence(resource: Resource, query: ParsedQuery) -> Iterator[Evidence]:
    for slot in SLOTS:
        if slot in query.slots:
            matching = [value for value in _slot_values(resource, slot) if folded(value) in query.slots[slot]]
            # Every matching tag counts; any other slot counts once.
            for value in matching if slot == "tag" else matching[:1]:
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
    """Return the weight of a word of the query, which is low for a word that many names and tag keys share."""
    return ranking.WEAK_WORD if word in lexicon().weak else 1.0


@lru_cache(maxsize=_CACHED_WORDS)
def squashed(text: str) -> str:
    """Return the folded words of a text, joined without separators: ``price hist`` is then in ``PriceHistory``."""
    return "".join(words(text))


def _best_similarity(word: str, others: Iterable[str]) -> float:
    """Return the similarity of a word and the most similar other word; 0 if the words are too different."""
    # Without the limit on the length, "data" would count as a misspelt "database".
    close = (other for other in others if abs(len(other) - len(word)) <= _MISSPELT_LENGTH_DIFFERENCE)
    similarity = max((_similarity(word, other) for other in close), default=0.0)
    return similarity if similarity >= ranking.SIMILAR_ENOUGH else 0.0


def _similarity(one: str, other: str) -> float:
    """Return the Dice coefficient of two words' trigrams, from 0 to 1."""
    left, right = _trigrams(one), _trigrams(other)
    return 2 * len(left & right) / max(len(left) + len(right), 1)


@lru_cache(maxsize=_CACHED_WORDS)
def _trigrams(word: str) -> frozenset[str]:
    return frozenset(grams(word))


def _literal(pattern: str, values: Iterable[str]) -> str:
    """Fill a pattern and escape the braces in the values, because the result is itself a pattern."""
    return pattern.format(*(value.replace("{", "{{").replace("}", "}}") for value in values))
