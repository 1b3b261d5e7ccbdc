"""Splits text into words, and loads the declared words for queries and descriptions (``search_words.yaml``)."""

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
#: Plural endings; removing their last two letters gives the singular.
_LONG_PLURALS = ("xes", "sses", "shes", "tches")
#: Shorter words are not corrected, because too many other words differ from them by one letter.
_SHORTEST_CORRECTED = 5
_PAD = "^{}$"
_CACHED_TEXTS = 1 << 14


@lru_cache(maxsize=_CACHED_TEXTS)
def folded(text: str) -> str:
    """Return the folded text, which the store compares: in NFKC, without case, without white space at its ends."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def words(text: str) -> list[str]:
    """Split a name, an id or a sentence into folded words: ``pgMain-db_01`` gives ``pg``, ``main``, ``db``, ``01``."""
    return list(_words(text))


def plain_words(text: str) -> list[str]:
    """Return the meaningful words of a text, without trailing digits.

    Single letters, hexadecimal ids, and words that have a digit elsewhere are left out.
    """
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
    """Return the words of a text without plural endings."""
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
    """The declared words; "spoken" in a name means that people use the words in queries.

    A phrase is one or more words without plural endings, joined by blanks.

    Attributes:
        types: Each phrase for resource types, with the types that it may mean.
        engines: Each phrase for engine families (software, such as ``postgres`` or ``python``), with the families.
        environments: Each phrase for an environment, with the environment.
        states: Each phrase for states, with the states in AWS's words.
        regions: Each phrase for regions, with the regions.
        region_names: The names of all regions.
        filler: Words that do not narrow a query.
        openers: First words of polite queries, such as "show".
        endings: Verbs that are ignored at the end of a question with an auxiliary: "live" in "where do photos live".
        auxiliaries: The auxiliary verbs of questions.
        prepositions: Words between a type and the words that describe the type, such as "of".
        conjunctions: Words between types that are equally wanted, such as "and".
        weak: Words that many names and tag keys share, and that therefore have a low weight.
        companions: Types of resources that belong to another resource and usually have the other resource's name.
        type_nouns: Each declared type, with the words that describe it.
        engine_nouns: Each engine family, with the words that describe it.
        engine_types: Each engine family, with the resource types that can have it.
        spoken_metadata: Metadata fields whose values people use in queries.
        spoken_facts: Each fact that people ask for, with the words for a resource for which the fact is true.
        spoken_absences: Some of these facts, with the words for a resource for which the fact is false.
        unspoken_tags: Keys of administrative tags, which do not describe a resource.
        glossary: Each well-known word in names and tags, with its topic.
        known: Every single word that occurs in a phrase or in the glossary.
        spellings: Each word of five or more letters in a phrase, and each of its variants without one letter, with the
            words that the word or variant may stand for.
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
        """Return the regions whose names begin with these parts: ``us-east`` gives ``us-east-1`` and ``us-east-2``."""
        return frozenset(name for name in self.region_names if f"{name}-".startswith(f"{start.rstrip('-')}-"))

    def corrected(self, word: str) -> str:
        """Return the declared word of which ``word`` is a misspelling; an empty text if there is none.

        A misspelling begins with the same letter as the declared word, and has one missing, additional, wrong or
        misplaced letter.
        """
        spelt = stem(word)
        if len(spelt) < _SHORTEST_CORRECTED or spelt in self.spellings.get(spelt, ()):
            return ""
        near = {found for variant in _variants(spelt) for found in self.spellings.get(variant, ())}
        alike = (found for found in near if found[0] == spelt[0])
        return min(alike, key=lambda found: (abs(len(found) - len(spelt)), found), default="")


def phrase(text: str) -> str:
    """Return the phrase of a text: its words without plural endings, joined by blanks."""
    return " ".join(stems(text))


def words_of_type(resource_type: str) -> str:
    """Return the phrase for a type without declared words, made from its name: ``polly lexicon`` for ``polly_lexicon``.

    The name of a type that is read through Cloud Control, such as ``AWS::Athena::NamedQuery``, gives
    ``athena named query``.
    """
    return phrase(resource_type.removeprefix("AWS::"))


@cache
def lexicon() -> Lexicon:
    """Return the words of ``search_words.yaml``, with the environments and states of ``vocabulary.yaml``."""
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
        spoken_facts={fact: spoken or fact.replace("_", " ") for fact, spoken in data["spoken_facts"].items()},
        spoken_absences=data["spoken_absences"],
        unspoken_tags=frozenset(data["unspoken_tags"]),
        glossary=glossary,
        known=frozenset(word for group in structure for spoken in group for word in spoken.split()) | glossary.keys(),
        spellings=_spellings(*structure),
    )


def _field(declared: Mapping[str, Any], field: str) -> dict[str, Any]:
    return {name: each[field] for name, each in declared.items()}


def _states(declared: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return each phrase for a state, in AWS's or people's words, with the states that it means.

    A phrase for a state also means the states that ``also`` lists for it: "running" includes ``available``.
    """
    spoken = {state: [state, *declared.get(state, {}).get("words", ())] for state in {*vocabulary().states, *declared}}
    found = _by_phrase(spoken)
    also = {state: frozenset(declaration.get("also", ())) for state, declaration in declared.items()}
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
    """Return the word, and each variant of it without one letter.

    A word and a misspelling of it, as defined by :meth:`Lexicon.corrected`, have a variant in common.
    """
    return {word, *(word[:position] + word[position + 1 :] for position in range(len(word)))}
