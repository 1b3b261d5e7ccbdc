"""Finds the resources that depend on a resource, from the relations that the scanner recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.model import ResourceFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloudops_nb.model import Resource, SearchHit
    from cloudops_nb.storage.estate.store import EstateStore


def dependents_of(estate: EstateStore, targets: Sequence[Resource]) -> dict[str, list[str]]:
    """Return, for each target's canonical key, labels of the resources that have a relation to this target.

    Args:
        estate: The stored estate.
        targets: Resources of one account; only dependents in the account and in the targets' regions are found.
    """
    keys = {target.identifier: target.canonical_key for target in targets}
    labels: dict[str, list[str]] = {target.canonical_key: [] for target in targets}
    places = sorted({(target.account_id, target.region) for target in targets})
    for account_id, region in places:
        for hit in estate.resources(ResourceFilter(account=account_id, region=region)):
            for relation in hit.resource.relations:
                if key := keys.get(relation.identifier):
                    name = hit.resource.name or hit.resource.identifier
                    labels[key].append(f"{hit.resource.resource_type} {name} ({relation.kind.replace('_', ' ')})")
    return labels


def hits_depending_on(estate: EstateStore, hits: Iterable[SearchHit], text: str) -> Iterator[SearchHit]:
    """Return the hits with a relation to the resource that ``text`` names by id, name or ARN.

    Raises:
        ConfigurationError: The store has no such resource.
    """
    named = estate.lookup(text)
    if not named:
        raise ConfigurationError(f"there is no resource {text}", "", "Give an id, name or ARN; or scan first.")
    named_keys = {(each.account_id, each.resource_type, each.identifier) for each in named}
    return (
        hit
        for hit in hits
        if any(
            (hit.resource.account_id, to.resource_type, to.identifier) in named_keys for to in hit.resource.relations
        )
    )
