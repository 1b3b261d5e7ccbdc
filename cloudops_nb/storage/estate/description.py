"""Describes a resource in words: the text to embed, and the resource's environment and engines (``postgres``).

"Spoken" in the name of a variable or function means: words that people use in queries.

An attacker can guess a text from its embedding. So the text to embed takes only words of letters from names, ids, tags
and descriptions: no hexadecimal id, address or account number. Searches find ids in the keyed lexical index
(:mod:`cloudops_nb.storage.estate.terms`) instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.storage.estate.lexicon import lexicon, phrase, plain_words, stem, words
from cloudops_nb.understanding.environment import ENVIRONMENT_TAGS, environment_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.model import Resource

#: Increase this number with every change to the format of descriptions or index terms; the next scan then rewrites all
#: points.
DESCRIPTION_VERSION = 6
#: Metadata fields whose values name the software that a resource runs.
_ENGINE_FIELDS = ("engine", "runtime", "platform")
#: Largest number of words that the text to embed takes from the tags. The limit applies again, separately, to the words
#: from the metadata field ``description``.
_MOST_WORDS = 24


@dataclass(frozen=True, slots=True)
class Wording:
    """All words about a resource, computed once for its description, its index terms and its payload.

    Attributes:
        phrases: The parts of the text to embed, in order.
        spoken: The result of :func:`spoken_of`.
        traits: The result of :func:`traits_of`.
    """

    phrases: Sequence[str]
    spoken: Mapping[str, str]
    traits: Sequence[str]

    @property
    def description(self) -> str:
        """The text to embed."""
        return " ".join(self.phrases)


def wording_of(resource: Resource) -> Wording:
    """Return all words about a resource; determines its environment and engines only once."""
    environment, engines = environment_of(resource), engines_of(resource)
    phrases = tuple(_description_phrases(resource, environment, engines))
    return Wording(phrases, spoken_of(resource), _trait_texts(environment, engines))


def environment_of(resource: Resource) -> str:
    """Return ``production``, ``staging``, ``development``, or ``unknown``.

    The account's label is the one that the scan saw. A label that was changed since then counts after the next scan.
    """
    return environment_class(
        label=resource.account_environment,
        account_name=resource.account_name,
        tags=resource.tags,
        name=resource.name or resource.identifier,
        tags_are_old=resource.tags_are_old,
    )


def engines_of(resource: Resource) -> list[str]:
    """Return the engine families of a resource, such as ``["aurora", "postgres"]`` or ``["python"]``; often empty."""
    words_by_field = [_metadata_words(resource, name) for name in _ENGINE_FIELDS]
    # Also use the joined words: plain_words splits "RabbitMQ" at its capitals, but search_words.yaml has "rabbitmq".
    spoken = {word for parts in words_by_field for word in (*parts, "".join(parts))}
    known, names = lexicon().engines, lexicon().engine_nouns
    return sorted({engine for word in spoken for engine in known.get(phrase(word), ({word} & names.keys()))})


def traits_of(resource: Resource) -> list[str]:
    """Return searchable properties that are not AWS fields, such as ``environment=production`` and ``engine=mysql``."""
    return _trait_texts(environment_of(resource), engines_of(resource))


def spoken_of(resource: Resource) -> dict[str, str]:
    """Return words that people use for a resource's metadata and facts, by field: ``{"volume_type": "gp2"}``.

    A metadata field gives its value. A fact, which a scan found true or false, gives its declared words:
    ``encrypted``, if false, gives "unencrypted".
    """
    declared, metadata, facts = lexicon(), resource.metadata, resource.constraints.facts
    spoken = {
        name: " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name in declared.spoken_metadata
        if name in metadata and (value := metadata[name])
    }
    spoken |= {name: text for name, text in declared.spoken_facts.items() if facts.get(name) is True}
    return spoken | {name: text for name, text in declared.spoken_absences.items() if facts.get(name) is False}


def meanings_of(resource: Resource) -> list[str]:
    """Return the topics of well-known words in a resource's name and tag values: ``["dead letter"]`` for ``dlq``."""
    spoken = [resource.name, *_spoken_tags(resource).values()]
    known = lexicon().glossary
    stems = dict.fromkeys(stem(word) for text in spoken for word in plain_words(text))
    return [known[word] for word in stems if word in known]


def _trait_texts(environment: str, engines: Sequence[str]) -> list[str]:
    return [f"environment={environment}", *(f"engine={engine}" for engine in engines)]


def _description_phrases(resource: Resource, environment: str, engines: Sequence[str]) -> Iterator[str]:
    declared = lexicon()
    yield from (declared.engine_nouns[engine] for engine in engines)
    yield declared.type_nouns.get(resource.resource_type, resource.resource_type.replace("_", " "))
    if environment != "unknown":
        yield f"in {environment}"
    if named := plain_words(resource.name or resource.identifier.rpartition(":")[2]):
        yield f"named {' '.join(named)}"
    yield from meanings_of(resource)
    tags = (word for key, value in sorted(_spoken_tags(resource).items()) for word in _tag_words(key, value))
    if tagged := list(dict.fromkeys(tags))[:_MOST_WORDS]:
        yield f"for {' '.join(tagged)}"
    if about := plain_words(str(resource.metadata.get("description", "")))[:_MOST_WORDS]:
        yield " ".join(about)
    if resource.state:
        yield resource.state.casefold()


def _spoken_tags(resource: Resource) -> dict[str, str]:
    """Return the tags for the text to embed: all except ``Name``, environment tags and administrative tags."""
    unspoken = lexicon().unspoken_tags.union(ENVIRONMENT_TAGS, ["name"])
    return {key: value for key, value in resource.tags.items() if "".join(words(key)) not in unspoken}


def _tag_words(key: str, value: str) -> list[str]:
    # If a value has no plain word, such as the number of a cost centre, its key says nothing either.
    if not (value_words := plain_words(value)):
        return []
    # The values of tags such as aws:cloudformation:stack-name say more than the keys.
    return value_words if key.startswith("aws:") else [*plain_words(key), *value_words]


def _metadata_words(resource: Resource, name: str) -> list[str]:
    value = resource.metadata.get(name)
    return plain_words(value) if isinstance(value, str) else []
