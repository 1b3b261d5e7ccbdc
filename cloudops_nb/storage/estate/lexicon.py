"""Splits text into words, and loads the declared words of queries and descriptions (``search_words.yaml``)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HEXADECIMAL = re.compile(r"[0-9a-f]{8,}")
_SHORTEST_PLURAL = 4
_LONG_PLURALS = ("xes", "sses", "shes", "tches")
#: Shorter words are not corrected, because they differ by one letter from too many others.
_SHORTEST_CORRECTED = 5
_PAD = "^{}$"
_CACHED_TEXTS = 1 << 14


@lru_cache(maxsize=_CACHED_TEXTS)
def folded(text: str) -> str:
    """Return the form of a text that the store compares: NFKC, without case or outer white space."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def words(text: str) -> list[str]:
    """Split a name, an id or a sentence into folded words: ``pgMain-db_01`` is ``pg main db 01``."""
    return list(_words(text))


def plain_words(text: str) -> list[str]:
    """Return the meaningful words of a text: no numbers or hexadecimal ids, and trailing digits removed."""
    return list(_plain_words(text))


@lru_cache(maxsize=_CACHED_TEXTS)
def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(_CAMEL.sub(" ", unicodedata.normalize("NFKC", text)).casefold()))


@lru_cache(maxsize=_CACHED_TEXTS)
def _plain_words(text: str) -> tuple[str, ...]:
    bare = (word.rstrip("0123456789") for word in _words(text) if not _HEXADECIMAL.fullmatch(word))
    return tuple(word for word in bare if len(word) > 1 and word.isalpha())


@lru_cache(maxsize=_CACHED_TEXTS)
def stem(word: str) -> str:
    """Remove an English plural ending, so that ``buckets`` finds ``bucket``."""
    if len(word) < _SHORTEST_PLURAL or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(_LONG_PLURALS) else word[:-1]


@lru_cache(maxsize=_CACHED_TEXTS)
def stems(text: str) -> tuple[str, ...]:
    """Return the stemmed words of a text."""
    return tuple(map(stem, _words(text)))


def grams(text: str) -> list[str]:
    """Return the character trigrams of each word, with marks at its ends: ``pg`` gives ``^pg`` and ``pg$``."""
    return [gram for word in _words(text) for gram in word_grams(word)]


def word_grams(word: str) -> list[str]:
    """Return the character trigrams of one word, with marks at its ends."""
    padded = _PAD.format(word)
    return [padded[start : start + 3] for start in range(len(padded) - 2)]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The declared words. Phrases are stemmed words joined by a blank; each maps to every concept that it may mean.

    ``type_nouns`` and ``engine_nouns`` describe a type and an engine; ``engine_types`` are the types that an engine can
    have; ``companions`` are types of resources that belong to another resource. ``spoken_facts`` and
    ``spoken_absences`` are words for a resource with a fact and without it. ``glossary`` maps a well-known word to its
    topic. ``known`` holds the single words of all groups. ``spellings`` maps each declared word, and each variant of it
    without one letter, to the declared words that it may be.
    """

    types: Mapping[str, frozenset[str]]
    engines: Mapping[str, frozenset[str]]
    environments: Mapping[str, frozenset[str]]
    states: Mapping[str, frozenset[str]]
    regions: Mapping[str, frozenset[str]]
    region_names: Sequence[str]
    filler: frozenset[str]
    openers: frozenset[str]
    endings: frozenset[str]
    auxiliaries: frozenset[str]
    prepositions: frozenset[str]
    conjunctions: frozenset[str]
    weak: frozenset[str]
    companions: frozenset[str]
    type_nouns: Mapping[str, str]
    engine_nouns: Mapping[str, str]
    engine_types: Mapping[str, frozenset[str]]
    spoken_metadata: Sequence[str]
    spoken_facts: Mapping[str, str]
    spoken_absences: Mapping[str, str]
    unspoken_tags: frozenset[str]
    glossary: Mapping[str, str]
    known: frozenset[str]
    spellings: Mapping[str, frozenset[str]]

    def regions_at(self, start: str) -> frozenset[str]:
        """Return the regions whose names begin with these parts: ``us-east`` is ``us-east-1`` and ``us-east-2``."""
        return frozenset(name for name in self.region_names if f"{name}-".startswith(f"{start.rstrip('-')}-"))

    def corrected(self, word: str) -> str:
        """Return the declared word that is misspelt as this word; an empty text if there is no such word.

        The two words begin with the same letter, and differ by one missing, added, wrong or misplaced letter.
        """
        spelt = stem(word)
        if len(spelt) < _SHORTEST_CORRECTED or spelt in self.spellings.get(spelt, ()):
            return ""
        near = {found for variant in _variants(spelt) for found in self.spellings.get(variant, ())}
        alike = (found for found in near if found[0] == spelt[0])
        return min(alike, key=lambda found: (abs(len(found) - len(spelt)), found), default="")


def phrase(text: str) -> str:
    """Return the form of a text in which phrases are compared: its stemmed words."""
    return " ".join(stems(text))


def words_of_type(resource_type: str) -> str:
    """Return the phrase for a type without declared words, from its name: ``polly_lexicon`` is ``polly lexicon``.

    Of a type that only Cloud Control knows, ``AWS::Athena::NamedQuery`` is ``athena named query``.
    """
    return phrase(resource_type.removeprefix("AWS::"))


@cache
def lexicon() -> Lexicon:
    """Return the bundled words, with the environments and states of the published vocabulary."""
    data = bundled_table(__package__, "search_words.yaml")
    types, engines = (_by_phrase(_field(data[group], "words")) for group in ("types", "engines"))
    environments = {phrase(word): frozenset([name]) for word, name in vocabulary().environments.items()}
    states, regions = _states(data["states"]), _regions(data["regions"], data["places"])
    structure = (types, engines, environments, states, regions)
    glossary = {stem(word): meaning for word, meaning in data["glossary"].items()}
    return Lexicon(
        types=types,
        engines=engines,
        environments=environments,
        states=states,
        regions=regions,
        region_names=tuple(data["regions"]),
        filler=frozenset(data["filler"]),
        openers=frozenset(data["openers"]),
        endings=frozenset(data["endings"]),
        auxiliaries=frozenset(data["auxiliaries"]),
        prepositions=frozenset(data["prepositions"]),
        conjunctions=frozenset(data["conjunctions"]),
        weak=frozenset(data["weak"]),
        companions=frozenset(data["companions"]),
        type_nouns=_field(data["types"], "noun"),
        engine_nouns=_field(data["engines"], "noun"),
        engine_types={name: frozenset(types) for name, types in _field(data["engines"], "types").items()},
        spoken_metadata=tuple(data["spoken_metadata"]),
        spoken_facts={name: said or name.replace("_", " ") for name, said in data["spoken_facts"].items()},
        spoken_absences=data["spoken_absences"],
        unspoken_tags=frozenset(data["unspoken_tags"]),
        glossary=glossary,
        known=frozenset(word for group in structure for spoken in group for word in spoken.split()) | glossary.keys(),
        spellings=_spellings(*structure),
    )


def _field(declared: Mapping[str, Any], field: str) -> dict[str, Any]:
    return {name: each[field] for name, each in declared.items()}


def _states(declared: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the states by AWS's words and people's words; for example, a running resource may be ``available``."""
    spoken = {state: [state, *declared.get(state, {}).get("words", ())] for state in {*vocabulary().states, *declared}}
    found = _by_phrase(spoken)
    also = {state: frozenset(each.get("also", ())) for state, each in declared.items()}
    return {words: states.union(*(also.get(state, frozenset()) for state in states)) for words, states in found.items()}


def _regions(names: Mapping[str, list[str]], places: Mapping[str, list[str]]) -> dict[str, frozenset[str]]:
    found = _by_phrase({name: [name, *spoken] for name, spoken in names.items()})
    for start, spoken in places.items():
        within = frozenset(name for name in names if name.startswith(start))
        found.update((phrase(place), found.get(phrase(place), frozenset()) | within) for place in spoken)
    return found


def _by_phrase(groups: Mapping[str, list[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, spoken in groups.items():
        for word in spoken:
            key = phrase(word)
            found[key] = found.get(key, frozenset()) | {name}
    return found


def _spellings(*groups: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for word in {word for group in groups for spoken in group for word in spoken.split()}:
        if len(word) >= _SHORTEST_CORRECTED:
            for variant in _variants(word):
                found.setdefault(variant, set()).add(word)
    return {variant: frozenset(spelt) for variant, spelt in found.items()}


def _variants(word: str) -> set[str]:
    """Return the word and its variants without one letter; a misspelt and a correct word have a variant in common."""
    return {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}
