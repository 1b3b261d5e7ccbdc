"""Words: how text is cut into them, and what the declared ones mean (``search_words.yaml``)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import yaml

from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HEXADECIMAL = re.compile(r"[0-9a-f]{8,}")
_SHORTEST_PLURAL = 4
_PAD = "^{}$"


def folded(text: str) -> str:
    """Return the text as compared everywhere in the store: NFKC, without case or outer white space."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def words(text: str) -> list[str]:
    """Cut a name, an id or a sentence into folded words: ``pgMain-db_01`` is ``pg main db 01``."""
    return _WORD.findall(_CAMEL.sub(" ", unicodedata.normalize("NFKC", text)).casefold())


def plain_words(text: str) -> list[str]:
    """Return the words that mean something by themselves: no numbers, no hexadecimal ids, no digits at the end."""
    bare = (word.rstrip("0123456789") for word in words(text) if not _HEXADECIMAL.fullmatch(word))
    return [word for word in bare if len(word) > 1 and word.isalpha()]


def stem(word: str) -> str:
    """Take off an English plural, so that ``buckets`` finds ``bucket``."""
    if len(word) < _SHORTEST_PLURAL or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return word[:-3] + "y" if word.endswith("ies") else word[:-1]


def grams(text: str) -> list[str]:
    """Return the character trigrams of each word, its ends marked: ``pg`` is ``^pg`` and ``pg$``."""
    padded = (_PAD.format(word) for word in words(text))
    return [word[start : start + 3] for word in padded for start in range(len(word) - 2)]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The declared words. Phrases are stemmed words joined by a blank; each maps to every concept it may stand for.

    ``type_nouns`` and ``engine_nouns`` describe a type and an engine; ``engine_types`` are the types that have one.
    """

    types: Mapping[str, frozenset[str]]
    engines: Mapping[str, frozenset[str]]
    environments: Mapping[str, frozenset[str]]
    states: Mapping[str, frozenset[str]]
    regions: Mapping[str, frozenset[str]]
    filler: frozenset[str]
    type_nouns: Mapping[str, str]
    engine_nouns: Mapping[str, str]
    engine_types: Mapping[str, frozenset[str]]


def phrase(text: str) -> str:
    """Return the form in which phrases are compared."""
    return " ".join(stem(word) for word in words(text))


@cache
def lexicon() -> Lexicon:
    """Return the bundled words, together with the published vocabulary's environments and states."""
    text = (files("cloudops_nb.storage") / "search_words.yaml").read_text("utf-8")
    data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    published = vocabulary()
    return Lexicon(
        types=_by_phrase({name: declared["words"] for name, declared in data["types"].items()}),
        engines=_by_phrase({name: declared["words"] for name, declared in data["engines"].items()}),
        environments={phrase(word): frozenset([name]) for word, name in published.environments.items()},
        states=_by_phrase({state: [state] for state in published.states}),
        regions=_by_phrase({name: [name, *places] for name, places in data["regions"].items()}),
        filler=frozenset(data["filler"]),
        type_nouns={name: declared["noun"] for name, declared in data["types"].items()},
        engine_nouns={name: declared["noun"] for name, declared in data["engines"].items()},
        engine_types={name: frozenset(declared["types"]) for name, declared in data["engines"].items()},
    )


def _by_phrase(groups: Mapping[str, list[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, spoken in groups.items():
        for word in spoken:
            key = phrase(word)
            found[key] = found.get(key, frozenset()) | {name}
    return found
