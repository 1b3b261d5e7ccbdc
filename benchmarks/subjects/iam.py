"""Verdicts a second of one core over a company's estate, beside the same evaluation that remembers nothing."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.estate import resources
from benchmarks.figure import Figure, median
from cloudops_nb.iam import Evaluator, Policy, Principal, PrincipalKind, PrincipalPolicies
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.model import IamPermissions, Resource

    Actions = Mapping[str, Sequence[str]]

POLICIES = Path(__file__).parents[1] / "iam_policies.yaml"
RESOURCES = 3_000
RUNS = 5
REFERENCE_NAME = "the same, remembering nothing"
ORGANIZATION = {"aws:PrincipalOrgID": ("o-a1b2c3d4e5",)}


def run(*, quick: bool) -> Iterator[Figure]:
    """Judge every action of every resource, buckets with a policy of their own; each run begins with nothing known.

    It is one thread that computes, so that its processor time counts: what else the machine does is no matter.
    """
    estate = list(resources(RESOURCES // 10 if quick else RESOURCES))
    actions = {spec.resource_type: spec.actions for spec in bundled_specs()}
    judged = _judged(estate, actions, remember=True)
    assert judged == _judged(estate, actions, remember=False)
    count = sum(len(found.reasons) for found in judged)
    rates: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(RUNS):
        for remember, taken in rates.items():
            start = time.process_time()
            _judged(estate, actions, remember=remember)
            taken.append(count / (time.process_time() - start))
    name = f"{count:,} verdicts on {len(estate):,} resources"
    yield Figure(name, median(rates[True]), "verdicts/s", median(rates[False]), REFERENCE_NAME, "higher", RUNS)
    unknown = sum(len(found.unknown) for found in judged) / count * 100
    yield Figure("of them unknown", unknown, "%", 10.0, "the most that is of use")


def _judged(estate: Sequence[Resource], actions: Actions, *, remember: bool) -> list[IamPermissions]:
    declared = _declared()
    accounts = {resource.account_id for resource in estate}
    evaluators = {account: Evaluator(_policies(declared, account), remember=remember) for account in accounts}
    bucket = json.dumps({"Version": "2012-10-17", "Statement": declared["bucket"]})
    return [
        evaluators[resource.account_id].permissions(
            actions.get(resource.resource_type, ()),
            resource.arn,
            account_id=resource.account_id,
            region=resource.region,
            tags=resource.tags,
            resource_policy=_policy(bucket.replace("{arn}", resource.arn), "the bucket's policy")
            if resource.resource_type == "s3_bucket"
            else None,
        )
        for resource in estate
    ]


@cache
def _declared() -> Mapping[str, Any]:
    declared: Mapping[str, Any] = yaml.safe_load(POLICIES.read_text("utf-8"))
    return declared


def _policies(declared: Mapping[str, Any], account: str) -> PrincipalPolicies:
    return PrincipalPolicies(
        principal=Principal(
            PrincipalKind.ROLE, f"arn:aws:iam::{account}:role/Operator", "aws", account, "Operator", "x"
        ),
        tags={"team": "platform"},
        identity=_each(declared["identity"]),
        boundary=_document(declared["boundary"], "Boundary"),
        service_control=[_each(level) for level in declared["service_control"]],
        resource_control=[_each(level) for level in declared["resource_control"]],
        known_context=ORGANIZATION,
    )


def _each(documents: Mapping[str, Any]) -> list[Policy]:
    return [_document(statements, name) for name, statements in documents.items()]


def _document(statements: Any, name: str) -> Policy:
    return _policy({"Version": "2012-10-17", "Statement": statements}, name)


def _policy(document: Any, name: str) -> Policy:
    return Policy.parse(document, name=name)
