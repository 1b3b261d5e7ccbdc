"""Whether the actions that a declaration names are IAM's: right for the bundled types, too strict for a user's own.

IAM's prefix of a service differs from botocore's names for some services, and only the bundled ones are listed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.specs.checks.botocore_models import service_model
from cloudops_nb.specs.checks.problem import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.specs.model import ResourceSpec


def action_problems(spec: ResourceSpec, prefixes: Mapping[str, Sequence[str]], other: Sequence[str]) -> list[str]:
    """Check that actions are of the service, by the names that IAM has for services."""
    model = service_model(spec.service)
    plausible = {spec.service, model.signing_name, *prefixes.get(spec.service, ()), *other}
    return [
        f"action {action}: {spec.service}'s prefix is {' or '.join(sorted(plausible - set(other)))}"
        for action in spec.actions
        if action.split(":")[0] not in plausible
    ]


def action_name_problems(spec: ResourceSpec, other: Sequence[str]) -> list[str]:
    """Check that actions are called as operations of the service are."""
    names = service_model(spec.service).operation_names
    return [
        f"action {action}: {spec.service} has no operation {name}{nearest(name, names)}"
        for action in spec.actions
        for prefix, name in [action.split(":")]
        if name not in names and prefix not in set(other) - {spec.service}
    ]
