"""Texts by which the rows of resources with a relation to a resource are found, once they are keyed hashes.

A relation has one key, made of what AWS told about the other resource. A resource has the keys of all relations that
may point to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.model import Relation, Resource

#: Every row that keeps the whole identity of its relations' targets has this key, also if it has no relation.
KEPT = ""


def key_of(relation: Relation) -> str:
    """Return the key of a relation's target."""
    if relation.arn:
        return _key(relation.resource_type, "", "", relation.arn)
    return _key(relation.resource_type, relation.account_id, relation.region, relation.identifier)


def keys_to(resource: Resource) -> Iterator[str]:
    """Yield the keys of the relations that may point to a resource."""
    if resource.arn:
        yield _key(resource.resource_type, "", "", resource.arn)
    for account_id in (resource.account_id, ""):
        for region in (resource.region, ""):
            yield _key(resource.resource_type, account_id, region, resource.identifier)
    for name in resource.dns_names:
        yield _key(resource.resource_type, "", "", name)


def _key(*parts: str) -> str:
    return "\n".join(parts)
