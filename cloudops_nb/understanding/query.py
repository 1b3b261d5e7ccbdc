"""Which resources are meant: one frozen query, which filters of Python, of the command line and of magics become.

An index of exact values decides most of it. Wildcards, facts and relations are decided on the resources that the index
leaves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from cloudops_nb.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cloudops_nb.model import Resource

#: The fields of every resource that a query may name. ``account`` is an id or a name.
FIELDS = ("account", "region", "service", "resource_type", "state", "name", "identifier", "arn")
_WILDCARD = re.compile(r"[*?]")
_FACT_WORDS = "a fact, a metadata field or a kind of relation"
#: Further names of metadata fields: EC2 calls an instance's class its type.
_ALSO = {"instance_type": "instance_class"}
Value = str | bool | int | float


@dataclass(frozen=True)
class Match:
    """Which values one field may have.

    Attributes:
        options: The values; a text may have the wildcards ``*`` and ``?``. Case is ignored.
        absent: Whether a resource without the field passes, too.
    """

    options: tuple[Value, ...] = ()
    absent: bool = False

    @classmethod
    def of(cls, name: str, given: Any) -> Self:
        """Return what a value, a list of values or ``None``, which means absent, asks for.

        Raises:
            ConfigurationError: It is anything else, or an empty list.
        """
        listed = list(given) if isinstance(given, list | tuple | set | frozenset) else [given]
        wrong = next((each for each in listed if not isinstance(each, Value | None)), None)
        if wrong is not None or not listed:
            why = f"it is {'an empty list' if not listed else f'a {type(wrong).__name__}'}"
            raise ConfigurationError(
                f"the filter {name} cannot be used", why, "Give a value, a list of values, or None."
            )
        return cls(tuple(each for each in listed if each is not None), None in listed)

    @property
    def texts(self) -> list[str]:
        """The options that are whole texts, without wildcards."""
        return [each for each in self.options if isinstance(each, str) and not _WILDCARD.search(each)]

    @property
    def exact(self) -> bool:
        """Whether an index of whole texts decides it."""
        return not self.absent and all(isinstance(each, str) and not _WILDCARD.search(each) for each in self.options)

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_pattern(each) for each in self.options if isinstance(each, str))

    def holds(self, found: Iterable[Any]) -> bool:
        """Return whether one of the values that a resource has is among those asked for."""
        values = list(found)
        return any(map(self._fits, values)) if values else self.absent

    def _fits(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, str):
            return any(type(each) is type(value) and each == value for each in self.options) or self._fits_text(value)
        return any(pattern.fullmatch(_folded(value)) for pattern in self._patterns)

    def _fits_text(self, value: Any) -> bool:
        # A command line has no types: "true" asks for True, "5" for 5.
        return any(pattern.fullmatch(_folded(str(value))) for pattern in self._patterns)

    def __str__(self) -> str:
        shown = [str(each) for each in self.options] + (["absent"] if self.absent else [])
        return " or ".join(shown)


@dataclass(frozen=True)
class Query:
    """Which resources are meant; a resource must pass every part.

    Attributes:
        fields: What is asked of the fields in :data:`FIELDS`.
        tags: What is asked of tags, by key.
        facts: What is asked of facts, metadata fields and relations, by name.
    """

    fields: Mapping[str, Match] = field(default_factory=dict)
    tags: Mapping[str, Match] = field(default_factory=dict)
    facts: Mapping[str, Match] = field(default_factory=dict)

    @classmethod
    def of(cls, filters: Mapping[str, Any], known_facts: Collection[str]) -> Self:
        """Return the query for filters by name.

        Args:
            filters: Values by name, as for :meth:`Match.of`. For a field of :data:`FIELDS`, ``None`` does not filter;
                for a tag or a fact it asks for resources without it.
            known_facts: The names of facts, metadata fields and relations that some resource type declares.

        Raises:
            ConfigurationError: A name is unknown, or a value cannot be used.
        """
        rest = dict(filters)
        tags = rest.pop("tags", None) or {}
        if not isinstance(tags, Mapping):
            raise ConfigurationError("the filter tags cannot be used", f"it is a {type(tags).__name__}", "Give a dict.")
        fields = {name: rest.pop(name) for name in FIELDS if name in rest}
        if unknown := sorted(rest.keys() - set(known_facts)):
            names = (*FIELDS, "tags", *known_facts)
            why = did_you_mean(unknown[0], names, otherwise=f"no resource type has {_FACT_WORDS} of this name")
            raise ConfigurationError(f"unknown filter {unknown[0]}", why, f"Use {', '.join(FIELDS)}, tags or a fact.")
        return cls(
            {name: Match.of(name, value) for name, value in fields.items() if value is not None},
            {key: Match.of(f"tags[{key}]", value) for key, value in tags.items()},
            {name: Match.of(name, value) for name, value in rest.items()},
        )

    def holds(self, resource: Resource, *, whole: bool = False) -> bool:
        """Return whether a resource passes the parts that no index decides; if ``whole``, whether it passes all."""
        fields = [(name, match) for name, match in self.fields.items() if whole or not match.exact]
        tags = [(key, match) for key, match in self.tags.items() if whole or not match.exact]
        of_fields = ((match, _present(_field(resource, name))) for name, match in fields)
        of_tags = ((match, _tag(resource, key)) for key, match in tags)
        of_facts = ((match, _present(_fact(resource, name))) for name, match in self.facts.items())
        return all(match.holds(values) for part in (of_fields, of_tags, of_facts) for match, values in part)

    def __str__(self) -> str:
        named = (
            *self.fields.items(),
            *((f"tag {key}", match) for key, match in self.tags.items()),
            *self.facts.items(),
        )
        return ", ".join(f"{name} {match}" for name, match in named)


def fact_names(spec_facts: Iterable[str], relations: Iterable[tuple[str, str]]) -> set[str]:
    """Return the names that a query may give for facts and relations.

    Args:
        spec_facts: The names of facts and metadata fields.
        relations: The kind and the target's type of each declared relation.
    """
    names = {*spec_facts, *_ALSO}
    for kind, resource_type in relations:
        names |= {kind, resource_type, resource_type.partition("_")[2]}
    return names


def _present(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the values that are there; only a tag may be there and be empty."""
    yield from (each for each in values if each is not None and each != "")


def _field(resource: Resource, name: str) -> Iterator[str]:
    if name == "account":
        yield from (resource.account_id, resource.account_name)
    elif name == "name":
        yield from (resource.name, resource.tags.get("Name", ""))
    else:
        yield getattr(resource, name)


def _tag(resource: Resource, key: str) -> Iterator[str]:
    yield from (value for name, value in resource.tags.items() if _folded(name) == _folded(key))


def _fact(resource: Resource, name: str) -> Iterator[Any]:
    yield resource.constraints.facts.get(name)
    found = resource.metadata.get(_ALSO.get(name, name))
    yield from found if isinstance(found, list | tuple) else (found,)
    for relation in resource.relations:
        kind = relation.resource_type
        if name in (relation.kind, kind, kind.partition("_")[2]):
            yield relation.identifier
            yield relation.arn


def _pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of a folded text in which ``*`` stands for any text and ``?`` for any character."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(each, re.escape(each)) for each in _folded(text)), re.DOTALL)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()
