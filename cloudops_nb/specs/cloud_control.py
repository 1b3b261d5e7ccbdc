"""Makes declarations for resource types that have none, so that AWS Cloud Control lists their resources.

Cloud Control knows each type by its name in CloudFormation, such as ``AWS::Athena::NamedQuery``.

https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/supported-resources.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cloudops_nb.aws.error_states import Failure, shortened
from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.specs.model import ResourceSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVICE: Final = "cloudcontrol"
#: The parameters of each call of ``cloudformation:ListTypes``; together, the calls list what Cloud Control supports.
SUPPORTED_TYPE_FILTERS: Final = tuple(
    {
        "Visibility": "PUBLIC",
        "Type": "RESOURCE",
        "DeprecatedStatus": "LIVE",
        "ProvisioningType": provisioning,
        "Filters": {"Category": "AWS_TYPES"},
    }
    for provisioning in ("FULLY_MUTABLE", "IMMUTABLE")
)
_TYPE: Final = re.compile(r"AWS::([A-Za-z0-9]+)::([A-Za-z0-9]+)")
#: Matches each word of a name in camel case. Consecutive capitals are one word: ``DBInstance`` is ``DB``, ``Instance``.
_WORDS: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+|[0-9]+")
#: The largest value that ListResources accepts as MaxResults.
#: https://docs.aws.amazon.com/cloudcontrolapi/latest/APIReference/API_ListResources.html
_LARGEST_PAGE: Final = 100
#: ListResources returns the properties of each resource as JSON in a string.
_ITEMS: Final = "ResourceDescriptions[].merge(parsed_json(Properties) || `{}`, {CloudControlIdentifier: Identifier})"
_UNKNOWN_REASON: Final = "Cloud Control does not say"


def is_cloudformation_type(text: str) -> bool:
    """Return whether a text has the form of a CloudFormation type, such as ``AWS::Athena::NamedQuery``."""
    return _TYPE.fullmatch(text) is not None


def spec_for(type_name: str, specs: Iterable[ResourceSpec]) -> ResourceSpec:
    """Return the declaration of a CloudFormation type in ``specs``, else a new one that calls Cloud Control.

    Raises:
        ConfigurationError: The text is not a CloudFormation type.
    """
    declared = next((spec for spec in specs if spec.cloudformation_type == type_name), None)
    return declared or _cloud_control_spec(type_name)


def explained_failure(failure: Failure) -> Failure:
    """Return the failure of a Cloud Control call; if its error is known, the detail begins with an explanation."""
    code, _, message = failure.detail.partition(":")
    meanings = _cloud_control_table()["meanings"]
    meaning = next((text for known, word, text in meanings if known == code and word in message), "")
    return replace(failure, detail=shortened(f"{meaning} ({failure.detail})")) if meaning else failure


def _cloud_control_spec(type_name: str) -> ResourceSpec:
    match = _TYPE.fullmatch(type_name)
    if match is None:
        why = "a CloudFormation type looks like AWS::Athena::NamedQuery"
        raise ConfigurationError(f"unknown resource type {type_name}", why)
    namespace, kind = match.groups()
    homes: dict[str, str] = _cloud_control_table()["homes"]
    regional = f"AWS::{namespace}" not in homes
    unknown = [{"value": "unknown", "reason": _UNKNOWN_REASON}]
    parameters = {"TypeName": f"'{type_name}'", "Identifier": "CloudControlIdentifier"}
    declared: dict[str, Any] = {
        "service": namespace.casefold(),
        "api": SERVICE,
        "resource_type": f"{namespace.casefold()}_{'_'.join(_WORDS.findall(kind)).casefold()}",
        "cloudformation_type": type_name,
        "scope": "regional" if regional else "global",
        "home": homes.get(f"AWS::{namespace}", ""),
        "list": {
            "operation": "ListResources",
            "parameters": {"TypeName": type_name},
            "items": _ITEMS,
            "page_size": _LARGEST_PAGE,
        },
        "identifier": "CloudControlIdentifier",
        "name": f"not_null(Name, {kind}Name)",
        "arn": f"not_null(Arn, {kind}Arn)",
        "details": [{"into": "whole", "operation": "GetResource", "parameters": parameters, "on_demand": True}],
        "tags": {"style": "list", "path": "Tags"},
        "constraints": {"can_start": unknown, "can_stop": unknown, "can_delete": unknown},
        "metadata": {"properties": "parsed_json(whole.ResourceDescription.Properties)"},
    }
    return ResourceSpec.model_validate(declared)


@cache
def _cloud_control_table() -> dict[str, Any]:
    table: dict[str, Any] = bundled_table(__package__, "cloud_control.yaml")
    return table
