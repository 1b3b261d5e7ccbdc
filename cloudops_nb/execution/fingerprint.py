"""A resource's live state as its playbook sees it, and how it differs from the one a plan was shown with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlanError
from cloudops_nb.execution.executor import ApiCall
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.references import substitute
from cloudops_nb.ssm.selectors import project, select
from cloudops_nb.ssm.sensitive_answers import selects_sensitive
from cloudops_nb.ssm.values import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.ssm.metadata import Fingerprint

#: The field of a projection that holds AWS's own word for the resource's state, if it has one.
STATE = "state"
#: How AWS's services call a list of tags in an answer.
_TAG_LISTS = ("Tags", "TagList", "TagSet")


@dataclass(frozen=True, slots=True)
class Live:
    """A resource as AWS shows it now: the playbook's projection, and its tags, ``None`` where the answer has none."""

    fingerprint: Mapping[str, Any]
    tags: Mapping[str, str] | None


def read_live(
    specification: Fingerprint,
    context: Mapping[str, Any],
    *,
    account_id: str,
    region: str,
    executor: Executor,
) -> Live:
    """Ask AWS for the resource now and return the playbook's projection of the answer, JSON-ready, and the tags.

    Args:
        specification: Which call to make and which fields to keep.
        context: The values of the call's references.
        account_id: The resource's account.
        region: The resource's region.
        executor: Makes the call.

    Raises:
        PlanError: The call does more than read; or AWS did not answer, refused, or knows no such resource.
    """
    # Nobody has approved anything yet when a plan is made, so this must not rest on the linter alone.
    if not effect_of(specification.service, specification.api).plainly_reads(specification.parameters):
        what = f"the live state is not read by {specification.service}:{specification.api}"
        raise PlanError(what, "it is no plain read, and the metadata may name no other call")
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
    shown = found.get(STATE) if STATE in specification.projection else next(filter(_is_something, found.values()), None)
    if shown is None:
        raise PlanError(f"{call.service}:{call.api} shows no state", "the resource may be gone", "Scan again.")
    place = specification.projection.get(STATE) or next(iter(specification.projection.values()))
    return Live(found, _tags(place, result.data))


def require_no_secret(specification: Fingerprint, model: Any) -> None:
    """Raise :class:`PlanError` if a projection may take out a secret: a plan is shown and kept.

    Args:
        specification: Which call is made and which fields are kept.
        model: botocore's model of the service.
    """
    service, api = specification.service, specification.api
    for name, selector in specification.projection.items():
        if selects_sensitive(service, api, selector, model=model):
            what = f"the live state cannot be read by {service}:{api}"
            raise PlanError(what, f"the field {name} of the metadata's fingerprint may hold a secret")


def _is_something(value: Any) -> bool:
    return value is not None and value != []


def _tags(state: str, answer: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the tags of whatever holds the state: the innermost part of the answer around it that lists any."""
    place = state
    while "." in place:
        place = place.rpartition(".")[0]
        part = select(place, answer)
        for name in _TAG_LISTS if isinstance(part, dict) else ():
            listed = part.get(name)
            if isinstance(listed, list) and all(isinstance(tag, dict) and "Key" in tag for tag in listed):
                return {str(tag["Key"]): str(tag.get("Value", "")) for tag in listed}
    return None


def plain(value: Any) -> Any:
    """Return AWS's answer as JSON-ready data: times become ISO 8601 in UTC, and what else JSON lacks, text."""
    match value:
        case float() if not math.isfinite(value):
            return as_text(value)
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
