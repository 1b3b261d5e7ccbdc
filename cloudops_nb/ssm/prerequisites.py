"""Judges a playbook's prerequisites by facts: the fingerprint of the live resource, and what the last scan found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cloudops_nb.model import Ternary
from cloudops_nb.ssm.values import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.model import Constraints
    from cloudops_nb.ssm.metadata import Prerequisite

Judgement = Literal["met", "violated", "unknown"]

_BY_CONSTRAINT: Mapping[Ternary, Judgement] = {Ternary.TRUE: "met", Ternary.FALSE: "violated"}


def judge(
    prerequisite: Prerequisite, fingerprint: Mapping[str, Any] | None, constraints: Constraints | None
) -> Judgement:
    """Return whether a prerequisite holds; ``unknown`` if no fact tells it.

    Args:
        prerequisite: The prerequisite.
        fingerprint: The live values by the names of the projection; ``None`` before they are read.
        constraints: The constraints of the resource; ``None`` if there are none.
    """
    if prerequisite.constraint is not None:
        constraint = getattr(constraints, prerequisite.constraint, None)
        return _BY_CONSTRAINT.get(constraint.value, "unknown") if constraint else "unknown"
    if not prerequisite.field or fingerprint is None or prerequisite.field not in fingerprint:
        return "unknown"
    found = fingerprint[prerequisite.field]
    match prerequisite.comparisons[0]:
        case "is_":
            expected, right = [prerequisite.is_], True
        case "is_not":
            expected, right = [prerequisite.is_not], False
        case _:
            expected, right = prerequisite.one_of, True
    if _is_empty(found) and not any(map(_is_empty, expected)):
        # The answer lacks the field, which says nothing about its value.
        return "unknown"
    return "met" if any(_equal(found, each) for each in expected) is right else "violated"


def _equal(found: Any, expected: Any) -> bool:
    if _is_empty(found) or _is_empty(expected):
        return _is_empty(found) and _is_empty(expected)
    return type(found) is type(expected) and bool(found == expected)


def _is_empty(value: Any) -> bool:
    """Return whether a value is nothing: AWS's answers leave out empty lists and fields without a value."""
    return value is None or value is ABSENT or value == []
