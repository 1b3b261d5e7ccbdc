"""A resource in words: what is embedded, and what its environment and engine are.

No id, address or account number goes into the words: those are found by the keyed lexical index, and an embedding can
be turned back into text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.storage.lexicon import lexicon, phrase, plain_words
from cloudops_nb.understanding.environment import environment_class
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.model import Resource

#: Raised when descriptions or their terms change, so that the next scan writes every point anew.
DESCRIPTION_VERSION = 1
#: Metadata fields that say what software a resource runs.
_ENGINE_FIELDS = ("engine", "runtime", "platform")
_LONGEST_TAGS = 24


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
    spoken = {word for name in _ENGINE_FIELDS for word in _metadata_words(resource, name)}
    known = lexicon().engines
    return sorted({engine for word in spoken for engine in known.get(phrase(word), ())})


def traits_of(resource: Resource) -> list[str]:
    """Return what a query may ask for that no AWS field holds, as ``environment=production``."""
    return [f"environment={environment_of(resource)}", *(f"engine={engine}" for engine in engines_of(resource))]


def describe(resource: Resource) -> str:
    """Return the description that is embedded: kind, engine, environment, name words, tag words, state."""
    return " ".join(_sentence(resource))


def _sentence(resource: Resource) -> Iterator[str]:
    declared = lexicon()
    yield from (declared.engine_nouns[engine] for engine in engines_of(resource))
    yield declared.type_nouns.get(resource.resource_type, resource.resource_type.replace("_", " "))
    environment = environment_of(resource)
    if environment != "unknown":
        yield f"in {environment}"
    if named := plain_words(resource.name or resource.identifier.rpartition(":")[2]):
        yield f"named {' '.join(named)}"
    tags = (word for key, value in sorted(resource.tags.items()) if key != "Name" for word in _tag_words(key, value))
    if tagged := list(dict.fromkeys(tags))[:_LONGEST_TAGS]:
        yield f"for {' '.join(tagged)}"
    if about := plain_words(str(resource.metadata.get("description", "")))[:_LONGEST_TAGS]:
        yield " ".join(about)
    if resource.state:
        yield resource.state.casefold()


def _tag_words(key: str, value: str) -> list[str]:
    # Keys such as aws:cloudformation:stack-name tell less than their values.
    return plain_words(value) if key.startswith("aws:") else [*plain_words(key), *plain_words(value)]


def _metadata_words(resource: Resource, name: str) -> list[str]:
    value = resource.metadata.get(name)
    return plain_words(value) if isinstance(value, str) else []
