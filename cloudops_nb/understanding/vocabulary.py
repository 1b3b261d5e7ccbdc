"""The published operations vocabulary, loaded from ``vocabulary.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Closed sets of public words; ``words`` is all of them, and all that may travel.

    ``intents``, ``resource_types``, ``engines`` and ``environments`` map a word to its concept;
    ``reading`` names the intents that change nothing.
    """

    words: frozenset[str]
    intents: Mapping[str, str]
    resource_types: Mapping[str, str]
    engines: Mapping[str, str]
    environments: Mapping[str, str]
    states: frozenset[str]
    quantifiers: frozenset[str]
    pronouns: frozenset[str]
    reading: frozenset[str]

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Build a vocabulary from the file's groups."""
        intents, types, engines, environments = (
            _by_word(data[name]) for name in ("intents", "resource_types", "engines", "environments")
        )
        states, quantifiers, pronouns = (frozenset(data[name]) for name in ("states", "quantifiers", "pronouns"))
        return cls(
            words=frozenset(
                [*intents, *types, *engines, *environments, *states, *quantifiers, *pronouns, *data["connectives"]]
            ),
            intents=intents,
            resource_types=types,
            engines=engines,
            environments=environments,
            states=states,
            quantifiers=quantifiers,
            pronouns=pronouns,
            reading=frozenset(data["reading"]),
        )

    def environment_of(self, *values: str) -> str:
        """Return the environment class of the first value that is exactly an environment word, else ``unknown``."""
        for value in values:
            if found := self.environments.get(value.strip().casefold()):
                return found
        return "unknown"


def _by_word(groups: Mapping[str, list[str]]) -> dict[str, str]:
    return {word: concept for concept, words in groups.items() for word in words}


@cache
def vocabulary() -> Vocabulary:
    """Return the bundled vocabulary."""
    text = (files("cloudops_nb.understanding") / "vocabulary.yaml").read_text("utf-8")
    return Vocabulary.from_data(yaml.safe_load(text))
