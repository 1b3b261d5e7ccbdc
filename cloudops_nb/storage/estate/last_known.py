"""Keeps what an earlier scan read of a resource and the present scan could not read.

A refused call, or a scan that does not read every detail, must not make a resource lose its tags, facts or relations.
They stay with the time at which AWS last gave them. A verdict is never kept: it stays unknown, and its reason says what
it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.model import TAGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.model import IamPermissions, Resource

_FACTS, _METADATA, _RELATIONS = "facts", "metadata", "relations"
#: The key in ``Resource.metadata`` for the calls that failed.
_UNREAD = "unread"
_WAS_ALLOWED = "; it was allowed as read on "


def with_last_known(new: Resource, old: Resource) -> Resource:
    """Return a resource with the parts of an older reading of it that ``new.last_read`` names as not read."""
    times = {part: _time_of(part, old) for part in new.last_read}
    known = {part for part, time in times.items() if time}
    if not known:
        return new
    facts = {**new.constraints.facts, **_named(_FACTS, old.constraints.facts, known)}
    relations = [each for each in old.relations if _part_of(each) in known]
    return replace(
        new,
        tags=old.tags if TAGS in known else new.tags,
        # The name may be one of the tags.
        name=old.name if TAGS in known else new.name,
        constraints=replace(new.constraints, facts=facts),
        relations=tuple(dict.fromkeys((*new.relations, *relations))),
        metadata={**new.metadata, **_named(_METADATA, old.metadata, known)},
        iam=_with_earlier_verdicts(new.iam, old.iam, max(times[part] for part in known)),
        last_read=times,
    )


def age_of_tags(resource: Resource) -> str:
    """Return a clause for a hit that rests on tags of an earlier scan; empty if the last scan read them."""
    return f"; tags as read on {resource.last_read[TAGS][:10]}" if resource.tags_are_old else ""


def _time_of(part: str, old: Resource) -> str:
    """Return the time at which AWS gave a part of an older reading; empty if the part was never read."""
    if part in old.last_read:
        return old.last_read[part]
    kind, _, name = part.partition(".")
    values: Mapping[str, Mapping[str, Any]] = {_FACTS: old.constraints.facts, _METADATA: old.metadata}
    has_value = name in values[kind] if kind in values else kind != _RELATIONS or _has_relation(part, old)
    # A row of an earlier version says that a call failed, but not which of its parts that call would have given.
    is_known = has_value and (bool(old.last_read) or _UNREAD not in old.metadata)
    return old.last_synced.isoformat() if is_known and old.last_synced else ""


def _has_relation(part: str, resource: Resource) -> bool:
    return any(_part_of(each) == part for each in resource.relations)


def _part_of(relation: Any) -> str:
    return f"{_RELATIONS}.{relation.kind}.{relation.resource_type}"


def _named(kind: str, values: Mapping[str, Any], parts: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if f"{kind}.{name}" in parts}


def _with_earlier_verdicts(new: IamPermissions, old: IamPermissions, time: str) -> IamPermissions:
    """Return verdicts whose reason says of an unknown action that it was allowed; the action stays unknown."""
    reasons = dict(new.reasons)
    for action in new.unknown:
        earlier = old.reasons.get(action, "").partition(_WAS_ALLOWED)[2]
        if action in old.allowed or earlier:
            reasons[action] = f"{reasons.get(action, '')}{_WAS_ALLOWED}{earlier or time[:10]}"
    return replace(new, reasons=reasons)
