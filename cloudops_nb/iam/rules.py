"""Facts about AWS that the evaluation of policies needs. The table ``rules.yaml`` keeps them apart from the code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.tables import bundled_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class PrincipalKeys:
    """The condition keys of one kind of principal.

    ``type`` is the value of ``aws:PrincipalType``. Requests of this kind of principal contain the keys in ``present``,
    and do not contain the keys in ``absent``. All keys are in lower case.
    """

    type: str
    present: Sequence[str]
    absent: Sequence[str]


@dataclass(frozen=True, slots=True)
class EvaluationRules:
    """The table ``rules.yaml``, whose comments explain the fields. Condition keys and actions are in lower case."""

    constant: Mapping[str, str]
    absent: Sequence[str]
    present: Sequence[str]
    principals: Mapping[str, PrincipalKeys]
    homes: Mapping[str, Mapping[str, str]]
    without_resource_account: frozenset[str]
    may_hide_tags: frozenset[str]
    own_policy_required: Mapping[str, str]
    without_resource: frozenset[str]
    always_allowed: frozenset[str]
    service_linked_roles: str


@cache
def evaluation_rules() -> EvaluationRules:
    """Return the table ``rules.yaml``; the file is loaded once per process."""
    data: dict[str, Any] = bundled_table(__package__, "rules.yaml")
    return EvaluationRules(
        constant=_lower_case_keys(data["constant"]),
        absent=_lower_case_names(data["absent"]),
        present=_lower_case_names(data["present"]),
        principals={
            kind: PrincipalKeys(
                row["type"], _lower_case_names(row.get("present", ())), _lower_case_names(row["absent"])
            )
            for kind, row in data["principals"].items()
        },
        homes=data["homes"],
        without_resource_account=frozenset(_lower_case_names(data["without_resource_account"])),
        may_hide_tags=frozenset(data["may_hide_tags"]),
        own_policy_required=data["own_policy_required"],
        without_resource=frozenset(_lower_case_names(data["without_resource"])),
        always_allowed=frozenset(_lower_case_names(data["always_allowed"])),
        service_linked_roles=data["service_linked_roles"],
    )


def _lower_case_names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _lower_case_keys(values: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): text for name, text in values.items()}
