"""Conditions that the words of a prompt put on its target, and literal matching of the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudops_nb.model import ResourceFilter
from cloudops_nb.request.facets import engine_families

if TYPE_CHECKING:
    from cloudops_nb.model import Resource

_SEPARATORS = re.compile(r"[^0-9a-z]+")


@dataclass(slots=True)
class Conditions:
    """What a target must be; values within one field are alternatives (but of engines all must fit), fields AND."""

    types: set[str] = field(default_factory=set)
    engines: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)
    states: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def names_something(self) -> bool:
        """Whether the conditions alone describe a target: a bare state or place does not."""
        return bool(self.types or self.engines or self.environments or self.tags)

    def filter(self, resource_type: str = "") -> ResourceFilter:
        """Return the part of the conditions that the store can filter by."""
        return ResourceFilter(
            resource_type=resource_type,
            account=_only(self.accounts),
            region=_only(self.regions),
            tags=dict(self.tags),
        )

    def admits(self, resource: Resource, environment: str) -> bool:
        """Whether a resource of an environment class passes every condition."""
        tags = {key.casefold(): value.casefold() for key, value in resource.tags.items()}
        return (
            (not self.types or resource.resource_type in self.types)
            and self.engines.issubset(engine_families(resource.metadata))
            and (not self.environments or environment in self.environments)
            and (not self.states or resource.state.lower() in self.states)
            and (not self.accounts or bool({resource.account_id, resource.account_name} & self.accounts))
            and (not self.regions or resource.region in self.regions)
            and all(tags.get(key.casefold()) == value.casefold() for key, value in self.tags.items())
        )


def matches_word(resource: Resource, word: str) -> bool:
    """Whether a casefolded word is part of the name or the id, or a whole word of a tag's value."""
    if word in resource.name.casefold() or word in resource.identifier.casefold():
        return True
    return any(
        word == value.casefold() or word in _SEPARATORS.split(value.casefold()) for value in resource.tags.values()
    )


def _only(values: set[str]) -> str:
    return next(iter(values)) if len(values) == 1 else ""
