"""The published operations vocabulary, loaded from ``vocabulary.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from cloudops_nb.declarations.tables import bundled_table

if TYPE_CHECKING:
    from collections.abc import Mapping


#: Groups of the file that are plain lists of words.
SETS = ("states", "quantifiers", "pronouns", "plural_pronouns", "naming", "qualifiers")


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
    plural_pronouns: frozenset[str]
    naming: frozenset[str]
    qualifiers: frozenset[str]
    reading: frozenset[str]

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Build a vocabulary from the file's groups."""
        intents, types, engines, environments = (
            _by_word(data[name]) for name in ("intents", "resource_types", "engines", "environments")
        )
        sets = {name: frozenset(data[name]) for name in SETS}
        return cls(
            words=frozenset([*intents, *types, *engines, *environments, *data["connectives"]]).union(*sets.values()),
            intents=intents,
            resource_types=types,
            engines=engines,
            environments=environments,
            states=sets["states"],
            quantifiers=sets["quantifiers"],
            pronouns=sets["pronouns"],
            plural_pronouns=sets["plural_pronouns"],
            naming=sets["naming"],
            qualifiers=sets["qualifiers"],
            reading=frozenset(data["reading"]),
        )

    def environment_of(self, value: str) -> str:
        """Return the environment class of a value that is exactly an environment word, else ``unknown``."""
        return self.environments.get(value.strip().casefold(), "unknown")


def _by_word(groups: Mapping[str, list[str]]) -> dict[str, str]:
    return {word: concept for concept, words in groups.items() for word in words}


@cache
def vocabulary() -> Vocabulary:
    """Return the bundled vocabulary."""
    return Vocabulary.from_data(bundled_table(__package__, "vocabulary.yaml"))
