"""Plans, approvals and bound playbooks as the JSON-ready bodies of journal records, and back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.plan import (
    Approval,
    Channel,
    Check,
    Effect,
    Level,
    NestedDocument,
    Observation,
    Plan,
    Rollback,
    Step,
    StoreParameter,
    Target,
)
from cloudops_nb.model import BoundPlaybook, PlaybookRef, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """Return plain JSON-ready data; times as ISO 8601."""
    return {**asdict(plan), "created": plan.created.isoformat(), "expires": plan.expires.isoformat()}


def plan_from_dict(data: Mapping[str, Any]) -> Plan:
    """Rebuild a plan from :func:`plan_to_dict`'s data."""
    return Plan(
        **{
            **data,
            "created": datetime.fromisoformat(data["created"]),
            "expires": datetime.fromisoformat(data["expires"]),
            "playbook": PlaybookRef(**data["playbook"]),
            "target_states": tuple(_target(target) for target in data["target_states"]),
            "steps": tuple(Step(**{**step, "effect": Effect(step["effect"])}) for step in data["steps"]),
            "effect": Effect(data["effect"]),
            "level": Level(data["level"]),
            "rollback": Rollback(**data["rollback"]),
            "checks": tuple(Check(**check) for check in data["checks"]),
            **{name: tuple(data[name]) for name in ("allowed_states", "reasons", "not_checked")},
            "store_parameters": tuple(StoreParameter(**each) for each in data.get("store_parameters", ())),
            "observations": tuple(Observation(**each) for each in data.get("observations", ())),
            "nested": tuple(_nested(each) for each in data.get("nested", ())),
            # The first form had no field for its number.
            "format": data.get("format", 1),
        }
    )


def _nested(data: Mapping[str, Any]) -> NestedDocument:
    return NestedDocument(data["path"], PlaybookRef(**data["playbook"]), data["automation_id"])


def _target(data: Mapping[str, Any]) -> Target:
    return Target(**{**data, "managed_by": tuple(data["managed_by"]), "dependents": tuple(data["dependents"])})


def approval_to_dict(approval: Approval) -> dict[str, Any]:
    """Return plain JSON-ready data; times as ISO 8601."""
    return {**asdict(approval), "at": approval.at.isoformat(), "expires": approval.expires.isoformat()}


def approval_from_dict(data: Mapping[str, Any]) -> Approval:
    """Rebuild an approval from :func:`approval_to_dict`'s data."""
    return Approval(
        **{
            **data,
            "channel": Channel(data["channel"]),
            "at": datetime.fromisoformat(data["at"]),
            "expires": datetime.fromisoformat(data["expires"]),
        }
    )


def bound_to_dict(bound: BoundPlaybook) -> dict[str, Any]:
    """Return plain JSON-ready data, so that a plan can be replayed or rolled back in another process."""
    return {
        "playbook": asdict(bound.playbook),
        "targets": [resource.to_dict() for resource in bound.targets],
        "target_parameter": bound.target_parameter,
        "parameters": dict(bound.parameters),
        "level": bound.level,
        "reasons": list(bound.reasons),
        "explanation": bound.explanation,
        "region": bound.region,
    }


def bound_from_dict(data: Mapping[str, Any]) -> BoundPlaybook:
    """Rebuild a bound playbook from :func:`bound_to_dict`'s data."""
    return BoundPlaybook(
        **{
            **data,
            "playbook": PlaybookRef(**data["playbook"]),
            "targets": tuple(Resource.from_dict(resource) for resource in data["targets"]),
        }
    )
