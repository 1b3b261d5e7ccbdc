"""Finds the resources that depend on a resource: those with a relation to it, in any account and region.

Some types only stand between two others, as an alias stands between a key and what it encrypts. They count as no hop:
what depends on the alias is found with what depends on the key.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.selectors import fields
from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.storage.estate.relation_keys import key_of, keys_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from cloudops_nb.model import Resource
    from cloudops_nb.specs.model import ResourceSpec
    from cloudops_nb.storage.estate.store import EstateStore
    from cloudops_nb.storage.facade import StorageService

DEPENDENT_COLUMNS = (
    "path", "relation", "resource", "place", "hops", "resource_type", "state", "arn", "depends_on", "as_of",
)  # fmt: skip
#: The most cells or types that an answer names before it only counts them.
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Dependent:
    """A resource that depends on another one.

    Attributes:
        resource: The resource.
        relation: The kind of its relation to the last resource of the path.
        hops: The number of relations between the two; resources of types that only stand between do not count.
        path: The resources between, beginning with the one on which all depend.
    """

    resource: Resource
    relation: str
    hops: int
    path: tuple[Resource, ...]

    @property
    def label(self) -> str:
        """The dependent in words, as the card shows it, such as ``rds_instance pg-1 (encrypted with, by alias/db)``."""
        between = "".join(f", by {_name(each)}" for each in self.path[1:])
        return f"{self.resource.resource_type} {_name(self.resource)} ({self.relation.replace('_', ' ')}{between})"


def dependents_of(estate: EstateStore, resources: Sequence[Resource], hops: int = 1) -> dict[str, list[Dependent]]:
    """Return, for each resource's canonical key, what depends on it; nearer dependents first.

    Only the rows of dependents are decrypted.

    Args:
        estate: The stored estate.
        resources: The resources.
        hops: The largest number of hops.
    """
    return {each.canonical_key: list(_walk(estate, each, hops)) for each in resources}


def _walk(estate: EstateStore, start: Resource, hops: int) -> Iterator[Dependent]:
    paths: dict[str, tuple[Resource, ...]] = {start.canonical_key: (start,)}
    nearest = [start]
    for hop in range(1, hops + 1):
        frontier, found = nearest, []
        while frontier:
            level = [Dependent(each, kind, hop, paths[to]) for each, kind, to in _pointing(estate, frontier, paths)]
            for dependent in level:
                paths[dependent.resource.canonical_key] = (*dependent.path, dependent.resource)
            yield from level
            found += [each.resource for each in level]
            frontier = [each.resource for each in level if each.resource.resource_type in _between()]
        nearest = [each for each in found if each.resource_type not in _between()]
        if not nearest:
            return


def _pointing(
    estate: EstateStore, targets: Sequence[Resource], known: Mapping[str, object]
) -> Iterator[tuple[Resource, str, str]]:
    """Yield each new resource with a relation to a target, the kind of the relation, and the target's canonical key."""
    by_key: dict[str, list[Resource]] = defaultdict(list)
    for target in targets:
        for key in keys_to(target):
            by_key[key].append(target)
    for found in estate.related_to(targets):
        if found.canonical_key not in known:
            link, to = next((link, to) for link in found.relations for to in by_key[key_of(link)] if link.points_to(to))
            yield found, link.kind, to.canonical_key


def _between() -> frozenset[str]:
    return frozenset(bundled_table("cloudops_nb.specs", "between.yaml"))


def _name(resource: Resource) -> str:
    return resource.name or resource.identifier


def _place(resource: Resource) -> str:
    return f"{resource.account_name or resource.account_id} {resource.region}"


def not_looked_at(storage: StorageService, resources: Iterable[Resource], specs: Sequence[ResourceSpec]) -> list[str]:
    """Return, one line each, where the estate may lack resources that depend on the given ones.

    Args:
        storage: The store.
        resources: The resources.
        specs: The declared resource types.
    """
    types = {each.resource_type for each in resources}
    # A declaration of a relation to a key also means its aliases.
    types |= {"kms_key"} if "kms_alias" in types else set()
    types |= {spec.resource_type for spec in specs if spec.resource_type in _between() and _may_depend(spec, types)}
    return list(_gaps(storage, types, specs))


def _gaps(storage: StorageService, types: set[str], specs: Sequence[ResourceSpec]) -> Iterator[str]:
    if old := storage.estate.without_targets():
        yield f"scanned by an earlier version: {old} of the resources; scan again"
    depending = {spec.resource_type: spec for spec in specs if _may_depend(spec, types)}
    cells = [result for result in storage.scan_state.cells() if result.key.resource_type in depending]
    failed = [each for each in cells if not each.state.complete]
    if failed:
        yield f"not read completely: {_listed([f'{each.key} ({each.state})' for each in failed])}"
    if missing := sorted(depending.keys() - {each.key.resource_type for each in cells}):
        yield f"never scanned: {_listed(missing)}"
    if partly := sorted(kind for kind, spec in depending.items() if _read_on_demand(spec, types)):
        yield f"relations that only a scan with every detail reads: {_listed(partly)}"


def _may_depend(spec: ResourceSpec, types: set[str]) -> bool:
    return any(path.resource_type in types for path in spec.relations)


def _read_on_demand(spec: ResourceSpec, types: set[str]) -> bool:
    """Return whether a relation to one of the types is in an answer that a scan does not always read."""
    optional = {detail.into for detail in spec.details if detail.on_demand}
    return any(path.resource_type in types and optional & fields(path.path) for path in spec.relations)


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _MOST_NAMED
    return ", ".join(texts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def resources_named(estate: EstateStore, text: str) -> list[Resource]:
    """Return the resources that ``text`` names by id, name or ARN.

    Raises:
        ConfigurationError: The store has no such resource.
    """
    named = estate.lookup(text)
    if not named:
        raise ConfigurationError(f"there is no resource {text}", "", "Give an id, name or ARN; or scan first.")
    return named


def dependents_frame(storage: StorageService, data_path: Path, text: str, hops: int) -> pd.DataFrame:
    """Return what depends on the resources that ``text`` names; see ``CloudOps.dependents``."""
    from cloudops_nb.client.frames import rows_frame
    from cloudops_nb.specs.files import specs_of

    if hops < 1:
        raise ConfigurationError(f"hops is {hops}", "a dependent is at least one relation away", "Give 1 or more.")
    named = resources_named(storage.estate, text)
    found = [each for of_one in dependents_of(storage.estate, named, hops).values() for each in of_one]
    frame = rows_frame([_row(each) for each in found], DEPENDENT_COLUMNS)
    frame.attrs["resources"] = [
        (each.canonical_key, f"{each.resource_type} {_name(each)}", _place(each)) for each in named
    ]
    frame.attrs["not_looked_at"] = not_looked_at(storage, named, specs_of(data_path))
    return frame


def _row(dependent: Dependent) -> dict[str, Any]:
    resource = dependent.resource
    return {
        "path": " ← ".join(_name(each) for each in (*dependent.path, resource)),
        "relation": dependent.relation.replace("_", " "),
        "resource": _name(resource),
        "place": _place(resource),
        "hops": dependent.hops,
        "resource_type": resource.resource_type,
        "state": resource.state,
        "arn": resource.canonical_key,
        "depends_on": dependent.path[-1].canonical_key,
        "as_of": resource.last_synced,
    }
