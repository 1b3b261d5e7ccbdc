"""What may be said about a resource or a set of them: closed words and bucketed counts, nothing else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, get_args

from cloudops_nb import protocol
from cloudops_nb.ssm.effects import iam_actions
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudops_nb.model import Resource

CONSTRAINTS: tuple[protocol.ConstraintName, ...] = get_args(protocol.ConstraintName)
FACTS: tuple[protocol.FactName, ...] = get_args(protocol.FactName)


def describe(slot: str, members: Sequence[tuple[Resource, str]]) -> protocol.ResourceHandle | protocol.SetHandle:
    """Return the handle of one resource or of a set of one type.

    Args:
        slot: The handle's id in the request.
        members: Each resource with its environment class.
    """
    facets = [_facets(resource, environment) for resource, environment in members]
    if len(facets) == 1:
        return protocol.ResourceHandle(slot=slot, facets=facets[0])
    return protocol.SetHandle(
        slot=slot,
        resource_type=facets[0].resource_type,
        count=protocol.bucket(len(facets)),
        states=_buckets(facet.state for facet in facets),
        engines=_buckets(facet.engine for facet in facets),
        environments=_buckets(facet.environment for facet in facets),
        constraints={name: _buckets(facet.constraints[name] for facet in facets) for name in CONSTRAINTS},
        iam={
            action: _buckets(facet.iam[action] for facet in facets if action in facet.iam)
            for action in sorted({action for facet in facets for action in facet.iam})
        },
    )


def _facets(resource: Resource, environment: str) -> protocol.Facets:
    return protocol.Facets.model_validate(
        {
            "resource_type": closed_type(resource.resource_type),
            "state": closed_state(resource.state),
            "engine": engine_family(resource.metadata),
            "environment": environment,
            "constraints": {name: getattr(resource.constraints, name).value.value for name in CONSTRAINTS},
            "facts": {
                name: _fact(resource.constraints.facts[name]) for name in FACTS if name in resource.constraints.facts
            },
            "iam": _verdicts(resource),
        }
    )


def closed_type(resource_type: str) -> str:
    """Return the resource type if it is published, else ``other``."""
    return resource_type if resource_type in vocabulary().resource_types.values() else protocol.OTHER


def closed_state(state: str) -> str:
    """Return AWS's state word if it is published, else ``other`` (``none`` for no state)."""
    if not state:
        return protocol.NONE
    return state.lower() if state.lower() in vocabulary().states else protocol.OTHER


def engine_families(metadata: Mapping[str, Any]) -> list[str]:
    """Return the published families of an engine's name, as ``aurora`` and ``postgres`` of ``aurora-postgresql``."""
    families = vocabulary().engines
    return [families[part] for part in str(metadata.get("engine") or "").casefold().split("-") if part in families]


def engine_family(metadata: Mapping[str, Any]) -> str:
    """Return the engine family that may be told: the last one of its name, ``other``, or ``none`` for no engine."""
    if not metadata.get("engine"):
        return protocol.NONE
    return next(reversed(engine_families(metadata)), protocol.OTHER)


def _fact(value: bool | int | str) -> bool | str:
    return value if isinstance(value, bool) else protocol.bucket(int(value))


def _verdicts(resource: Resource) -> dict[str, str]:
    published = iam_actions()
    verdicts = (
        ("allowed", resource.iam.allowed),
        ("denied", resource.iam.denied),
        ("unknown", resource.iam.unknown),
    )
    return {action: verdict for verdict, actions in verdicts for action in actions if action in published}


def _buckets(values: Iterable[Any]) -> dict[Any, protocol.Bucket]:
    return {value: protocol.bucket(count) for value, count in sorted(Counter(values).items())}
