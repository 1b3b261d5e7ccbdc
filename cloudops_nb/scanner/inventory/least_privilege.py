"""The least-privilege IAM policy for full and incremental scans, generated from the specs (the declared types)."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.session import Session

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.scanner.planning import cloudtrail_changes
from cloudops_nb.scanner.planning.scan_tasks import calls_of_type
from cloudops_nb.scanner.policies.policy_calls import policy_operations
from cloudops_nb.scanner.reading.tag_listing import TAGGING_OPERATION, TAGGING_SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from botocore.model import ServiceModel

    from cloudops_nb.specs.model import ResourceSpec

#: The largest size of a managed policy in characters, without white space.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_POLICY_CHARACTERS = 6_144
_VERSION = "2012-10-17"
_PARAMETER = re.compile(r"\{[^}]*\}")
_ANYTHING = "*"
_TAG_LISTING = (TAGGING_SERVICE, TAGGING_OPERATION)

#: An IAM action and the resource on which it is needed.
Permission = tuple[str, str]


def scan_operations(spec: ResourceSpec, *, every_detail: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the service and operation of each kind of call that a scan makes to read a resource type.

    Args:
        spec: The declaration of the type.
        every_detail: Whether to include the calls for expensive details, which a scan makes only on request.
    """
    calls = [(call.service, call.operation) for call in calls_of_type(spec, every_detail=every_detail)]
    # The tag listing comes last, because the coverage table shows the permission for it last.
    yield from sorted(calls, key=lambda call: call == _TAG_LISTING)


def iam_permission(service: str, operation: str, partition: str = "aws") -> Permission:
    """Return the IAM action that authorises an operation, and the resource on which it is needed.

    Raises:
        botocore.exceptions.UnknownServiceError: botocore does not know the service.
        botocore.model.OperationNotFoundError: The service has no such operation.
    """
    table, model = _iam_action_table(), _service_model(service)
    if service in table["methods"]:
        http = model.operation_model(operation).http
        path = _PARAMETER.sub(_ANYTHING, http["requestUri"].partition("?")[0]).removeprefix(table["methods"][service])
        return f"{model.signing_name}:{http['method']}", f"arn:{partition}:{model.signing_name}:*::{path}"
    prefix = table["prefixes"].get(service, model.signing_name)
    name = table["operations"].get(service, {}).get(model.operation_model(operation).name, operation)
    return f"{prefix}:{name}", _ANYTHING


def scan_policy(specs: Iterable[ResourceSpec], *, partition: str = "aws", every_detail: bool = False) -> dict[str, Any]:
    """Return the policy document that allows a principal to scan these types and to read IAM policies.

    The scan reads IAM policies to find out what the acting principal may do to each resource.

    Args:
        specs: The declarations of the types.
        partition: The partition of the ARNs.
        every_detail: Whether to include the calls for expensive details.
    """
    return _policy_document(_permissions(specs, partition=partition, every_detail=every_detail))


def managed_policies(
    specs: Iterable[ResourceSpec], *, partition: str = "aws", every_detail: bool = False
) -> list[dict[str, Any]]:
    """Return the statements of :func:`scan_policy`, split into documents that are small enough for managed policies."""
    documents: list[dict[str, Any]] = []
    current: list[Permission] = []
    for each in _permissions(specs, partition=partition, every_detail=every_detail):
        if current and _policy_size(_policy_document([*current, each])) > MANAGED_POLICY_CHARACTERS:
            documents.append(_policy_document(current))
            current = []
        current.append(each)
    return [*documents, _policy_document(current)]


def _permissions(specs: Iterable[ResourceSpec], *, partition: str, every_detail: bool) -> list[Permission]:
    calls = {call for spec in specs for call in scan_operations(spec, every_detail=every_detail)}
    # If no regions are selected, a scan asks AWS for the regions of each account.
    calls.add(("ec2", "DescribeRegions"))
    # An incremental scan looks up changes in CloudTrail; where it may not, it reads everything.
    calls.add((cloudtrail_changes.SERVICE, cloudtrail_changes.OPERATION))
    # A fallback operation is called only if one of the others is denied, but this policy allows all the others.
    calls |= {(each.service, each.operation) for each in policy_operations() if not each.fallback}
    # Sort by resource first, so that the permissions of one statement stay together when the policy is split.
    return sorted({iam_permission(*call, partition) for call in calls}, key=lambda each: (each[1] != _ANYTHING, *each))


def _policy_document(permissions: Sequence[Permission]) -> dict[str, Any]:
    everywhere = [action for action, resource in permissions if resource == _ANYTHING]
    statements = [_allow_statement(everywhere, _ANYTHING)] if everywhere else []
    methods = dict.fromkeys(action for action, resource in permissions if resource != _ANYTHING)
    statements += [
        _allow_statement([method], [resource for action, resource in permissions if action == method])
        for method in methods
    ]
    return {"Version": _VERSION, "Statement": statements}


def _allow_statement(actions: Sequence[str], resource: str | Sequence[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def _policy_size(document: dict[str, Any]) -> int:
    return len(json.dumps(document, separators=(",", ":")))


@cache
def _service_model(service: str) -> ServiceModel:
    return _session().get_service_model(service)


@cache
def _session() -> Session:
    return Session()


@cache
def _iam_action_table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = bundled_table(__package__, "iam_actions.yaml")
    return table
