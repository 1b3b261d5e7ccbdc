"""A resource's live state as its playbook sees it, and how it differs from the one a plan was shown with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlanError
from cloudops_nb.execution.executor import ApiCall
from cloudops_nb.ssm.expressions import substitute
from cloudops_nb.ssm.selectors import project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.ssm.metadata import Fingerprint

#: The field of every projection that holds AWS's own word for the resource's state.
STATE = "state"


def read_fingerprint(
    specification: Fingerprint,
    context: Mapping[str, Any],
    *,
    account_id: str,
    region: str,
    executor: Executor,
) -> dict[str, Any]:
    """Ask AWS for the resource now and return the playbook's projection of the answer, JSON-ready.

    Args:
        specification: Which call to make and which fields to keep.
        context: The values of the call's references.
        account_id: The resource's account.
        region: The resource's region.
        executor: Makes the call.

    Raises:
        PlanError: AWS did not answer, refused, or knows no such resource.
    """
    call = ApiCall(
        account_id=account_id,
        region=region,
        service=specification.service,
        api=specification.api,
        parameters=substitute(specification.parameters, context),
    )
    result = executor.call(call)
    if result.problem:
        raise PlanError(
            f"the live state cannot be read by {call.service}:{call.api}",
            result.problem,
            "Check that the resource still exists and may be described.",
        )
    found: dict[str, Any] = plain(project(specification.projection, result.data))
    if found.get(STATE) is None:
        raise PlanError(f"{call.service}:{call.api} shows no state", "the resource may be gone", "Scan again.")
    return found


def plain(value: Any) -> Any:
    """Return AWS's answer as JSON-ready data: times become ISO 8601 in UTC, anything else unknown becomes text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case dict():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
    return str(value)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return one clause for each field that differs, as ``state: running -> stopped``."""
    return [
        f"{field}: {_shown(old.get(field))} -> {_shown(new.get(field))}"
        for field in sorted({*old, *new})
        if old.get(field) != new.get(field)
    ]


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
