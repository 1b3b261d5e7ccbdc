"""A resource in words: what is embedded, and what its environment and engine are.

No id, address or account number goes into the words: those are found by the keyed lexical index, and an embedding can
be turned back into text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.storage.estate.lexicon import lexicon, phrase, plain_words, stem, words
from cloudops_nb.understanding.environment import ENVIRONMENT_TAGS, environment_class
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.model import Resource

#: Raised when descriptions or their terms change, so that the next scan writes every point anew.
DESCRIPTION_VERSION = 5
#: Metadata fields that say what software a resource runs.
_ENGINE_FIELDS = ("engine", "runtime", "platform")
_LONGEST_TAGS = 24


@dataclass(frozen=True, slots=True)
class Wording:
    """Everything that is said of a resource, found once for all who need a part of it.

    Attributes:
        phrases: What the description consists of; those of one kind of resource are alike.
        spoken: What else people call it, as :func:`spoken_of` returns it.
        traits: As :func:`traits_of` returns them.
    """

    phrases: Sequence[str]
    spoken: Mapping[str, str]
    traits: Sequence[str]

    @property
    def description(self) -> str:
        """The text that is embedded."""
        return " ".join(self.phrases)


def wording_of(resource: Resource) -> Wording:
    """Say everything about a resource."""
    environment, engines = environment_of(resource), engines_of(resource)
    phrases = tuple(_phrases(resource, environment, engines))
    return Wording(phrases, spoken_of(resource), _traits(environment, engines))


def environment_of(resource: Resource) -> str:
    """Return ``production``, ``staging``, ``development``, or ``unknown``.

    Tags and the account's name decide; where they are silent, a whole word of the resource's own name does.
    """
    declared = environment_class(resource.tags, resource.account_name)
    if declared != "unknown":
        return declared
    spoken = [*plain_words(resource.name or resource.identifier), *plain_words(resource.account_name)]
    named = (vocabulary().environment_of(word) for word in spoken)
    return next((name for name in named if name != "unknown"), "unknown")


def engines_of(resource: Resource) -> list[str]:
    """Return the engine families of a resource, as ``["aurora", "postgres"]``; often none."""
    told = [_metadata_words(resource, name) for name in _ENGINE_FIELDS]
    # RabbitMQ is one word to whoever looks for it.
    spoken = {word for parts in told for word in (*parts, "".join(parts))}
    known, names = lexicon().engines, lexicon().engine_nouns
    return sorted({engine for word in spoken for engine in known.get(phrase(word), ({word} & names.keys()))})


def traits_of(resource: Resource) -> list[str]:
    """Return what a query may ask for that no AWS field holds, as ``environment=production``."""
    return _traits(environment_of(resource), engines_of(resource))


def spoken_of(resource: Resource) -> dict[str, str]:
    """Return what else people call a resource by: some metadata, as ``volume_type: gp2``, and facts, in their words."""
    declared, metadata, facts = lexicon(), resource.metadata, resource.constraints.facts
    told = {
        name: " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name in declared.spoken_metadata
        if name in metadata and (value := metadata[name])
    }
    told |= {name: said for name, said in declared.spoken_facts.items() if facts.get(name) is True}
    return told | {name: said for name, said in declared.spoken_absences.items() if facts.get(name) is False}


def meanings_of(resource: Resource) -> list[str]:
    """Return what the well-known words in a resource's name and tags are about, as ``["dead letter"]``."""
    spoken = [resource.name, *_spoken_tags(resource).values()]
    known = lexicon().glossary
    stems = dict.fromkeys(stem(word) for text in spoken for word in plain_words(text))
    return [known[word] for word in stems if word in known]


def describe(resource: Resource) -> str:
    """Return the description that is embedded: kind, engine, environment, name words and their meaning, tags, state."""
    return wording_of(resource).description


def _traits(environment: str, engines: Sequence[str]) -> list[str]:
    return [f"environment={environment}", *(f"engine={engine}" for engine in engines)]


def _phrases(resource: Resource, environment: str, engines: Sequence[str]) -> Iterator[str]:
    declared = lexicon()
    yield from (declared.engine_nouns[engine] for engine in engines)
    yield declared.type_nouns.get(resource.resource_type, resource.resource_type.replace("_", " "))
    if environment != "unknown":
        yield f"in {environment}"
    if named := plain_words(resource.name or resource.identifier.rpartition(":")[2]):
        yield f"named {' '.join(named)}"
    yield from meanings_of(resource)
    tags = (word for key, value in sorted(_spoken_tags(resource).items()) for word in _tag_words(key, value))
    if tagged := list(dict.fromkeys(tags))[:_LONGEST_TAGS]:
        yield f"for {' '.join(tagged)}"
    if about := plain_words(str(resource.metadata.get("description", "")))[:_LONGEST_TAGS]:
        yield " ".join(about)
    if resource.state:
        yield resource.state.casefold()


def _spoken_tags(resource: Resource) -> dict[str, str]:
    """Return the tags that say more than name and environment do, and more than how the resource is kept."""
    said = lexicon().unspoken_tags.union(ENVIRONMENT_TAGS, ["name"])
    return {key: value for key, value in resource.tags.items() if "".join(words(key)) not in said}


def _tag_words(key: str, value: str) -> list[str]:
    # A number such as a cost centre's leaves no word that could mean something.
    if not (told := plain_words(value)):
        return []
    # Keys such as aws:cloudformation:stack-name tell less than their values.
    return told if key.startswith("aws:") else [*plain_words(key), *told]


def _metadata_words(resource: Resource, name: str) -> list[str]:
    value = resource.metadata.get(name)
    return plain_words(value) if isinstance(value, str) else []
