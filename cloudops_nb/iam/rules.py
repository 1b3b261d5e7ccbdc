"""The table of what evaluation has to know of AWS, apart from its logic: ``rules.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.tables import bundled_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class PrincipalKeys:
    """The condition keys of one kind of principal: its type, and which keys are there or not, in lower case."""

    type: str
    present: Sequence[str]
    absent: Sequence[str]


@dataclass(frozen=True, slots=True)
class KeyRules:
    """The table, with keys and actions in lower case; the fields are explained in it."""

    constant: Mapping[str, str]
    absent: Sequence[str]
    present: Sequence[str]
    principals: Mapping[str, PrincipalKeys]
    homes: Mapping[str, Mapping[str, str]]
    without_resource_account: frozenset[str]
    shows_tags: frozenset[str]
    own_tag_keys: Mapping[str, str]
    sole_policies: Mapping[str, str]
    service_linked_roles: str


@cache
def rules() -> KeyRules:
    """Return the table."""
    data: dict[str, Any] = bundled_table(__package__, "rules.yaml")
    return KeyRules(
        constant=_lower(data["constant"]),
        absent=_lowered(data["absent"]),
        present=_lowered(data["present"]),
        principals={
            kind: PrincipalKeys(row["type"], _lowered(row.get("present", ())), _lowered(row["absent"]))
            for kind, row in data["principals"].items()
        },
        homes=data["homes"],
        without_resource_account=frozenset(_lowered(data["without_resource_account"])),
        shows_tags=frozenset(data["shows_tags"]),
        own_tag_keys=_lower(data["own_tag_keys"]),
        sole_policies=data["sole_policies"],
        service_linked_roles=data["service_linked_roles"],
    )


def _lowered(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _lower(by_name: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): text for name, text in by_name.items()}
