"""Makes up values of a document's parameters that fit their types, values and patterns."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from cloudops_nb.ssm.references import PARAMETER_STORE, references
from tests.survey.patterns import matching

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.ssm.document import AutomationDocument
    from cloudops_nb.ssm.parameters import Parameter

ACCOUNT = "123456789012"
REGION = "eu-central-1"

#: Plausible texts by a word in a parameter's name or type; the first one whose word occurs is tried first.
_TEXTS = {
    "role": f"arn:aws:iam::{ACCOUNT}:role/Operator",
    "instanceprofilearn": f"arn:aws:iam::{ACCOUNT}:instance-profile/Operator",
    "topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:AutomationTopic",
    "kmskey": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-4333-8444-555555555555",
    "dbinstanceid": "database-1",
    "dbclusterid": "cluster-1",
    "rdsclusterarn": f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:cluster-1",
    "rdsinstancearn": f"arn:aws:rds:{REGION}:{ACCOUNT}:db:database-1",
    "instance": "i-0123456789abcdef0",
    "volumetype": "gp3",
    "volume": "vol-0123456789abcdef0",
    "snapshot": "snap-0123456789abcdef0",
    "image": "ami-0123456789abcdef0",
    "ami": "ami-0123456789abcdef0",
    "subnet": "subnet-0123456789abcdef0",
    "vpc": "vpc-0123456789abcdef0",
    "securitygroup": "sg-0123456789abcdef0",
    "groupid": "sg-0123456789abcdef0",
    "allocation": "eipalloc-0123456789abcdef0",
    "bucket": "example-bucket",
    "account": ACCOUNT,
    "region": REGION,
    "zone": f"{REGION}a",
    "email": "operator@example.com",
    "url": "https://example.com/file",
    "cidr": "10.0.0.0/16",
    "approver": f"arn:aws:iam::{ACCOUNT}:user/ada",
    "tablearn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/table-1",
    "loadbalancerarn": f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/lb-1/0123456789abcdef",
    "stack": "stack-1",
    "duration": "PT1S",
    "sleep": "PT1S",
    "percent": "50",
    "count": "1",
    "size": "10",
    "number": "1",
    "days": "7",
    "id": "11111111-2222-4333-8444-555555555555",
}
_PLAIN = ("example-1", "1", "a", "example", "true", "", "x" * 8, "x" * 32)
_OTHER_TYPES: dict[str, Any] = {"Boolean": True, "StringMap": {"example": "1"}}


def made_up(document: AutomationDocument, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each parameter that needs one; one for which none is found is left out."""
    needed = {name: each for name, each in document.parameters.items() if each.required and name not in given}
    found = {name: value_of(name, parameter) for name, parameter in needed.items()}
    return {**{name: value for name, value in found.items() if value is not None}, **given}


def store_values(document: AutomationDocument, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each parameter of Parameter Store that a default is, fitting the document's parameter."""
    values: dict[str, Any] = {}
    for name, parameter in document.parameters.items():
        for each in references(parameter.default):
            if each.startswith(PARAMETER_STORE) and (found := value_of(name, parameter)) is not None:
                values[each.removeprefix(PARAMETER_STORE)] = found
    return {**values, **given}


def value_of(name: str, parameter: Parameter) -> Any:
    """Return a value that fits a parameter, ``None`` if none is found."""
    for value in _candidates(name, parameter):
        if not parameter.problem(value):
            return value
    return None


def _candidates(name: str, parameter: Parameter) -> Iterator[Any]:
    kind = parameter.base_type
    if kind in _OTHER_TYPES:
        yield from chain([_OTHER_TYPES[kind]], parameter.allowed_values)
    elif kind == "Integer":
        yield from chain(parameter.allowed_values, [parameter.min_value or 1, 1, 10, 100])
    elif kind == "MapList":
        yield [{"Key": "example", "Value": "1"}] * max(1, parameter.min_items or 1)
    else:
        for text in chain(parameter.allowed_values, _texts(f"{name} {parameter.type}", parameter)):
            yield text if kind == "String" else [text] * max(1, parameter.min_items or 1)


def _texts(name: str, parameter: Parameter) -> Iterator[str]:
    folded = name.lower().replace("_", "")
    yield from (text for word, text in _TEXTS.items() if word in folded)
    yield from _PLAIN
    yield "x" * (parameter.min_chars or 1)
    if parameter.allowed_pattern:
        yield from _TEXTS.values()
        yield from matching(parameter.allowed_pattern)
