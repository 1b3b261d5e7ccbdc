"""The actions that AWS refuses on resources that AWS itself manages, whatever the policies allow."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.specs.field_types import Selector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ManagedRule(BaseModel):
    """One kind of resource that AWS manages.

    Attributes:
        when: Selects from an item whether the resource is of this kind.
        refuses: The IAM actions that AWS refuses on such a resource.
        reason: Why, as the end of a sentence.
        source: The page of AWS's documentation that says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Selector
    refuses: Annotated[tuple[str, ...], Field(min_length=1)]
    reason: str
    source: Annotated[str, Field(pattern=r"^https://docs\.aws\.amazon\.com/")]


def managed_rules(resource_type: str) -> Sequence[ManagedRule]:
    """Return the rules for a resource type; empty for a type of which AWS manages no resource."""
    return all_managed_rules().get(resource_type, ())


@cache
def all_managed_rules() -> Mapping[str, Sequence[ManagedRule]]:
    """Return the rules by resource type."""
    table = bundled_table(__package__, "managed_by_aws.yaml")
    return TypeAdapter(dict[str, tuple[ManagedRule, ...]]).validate_python(table)
