"""Which verdicts of the scan count for a step: those on the resources that the step acts on, and the least of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudops_nb.execution.authorisation import Authorisation, permissions_of
from cloudops_nb.execution.plan import Effect, Step
from cloudops_nb.model import IamPermissions, Resource

pytestmark = pytest.mark.fast

ACCOUNT, REGION = "123456789012", "eu-west-1"
ACTION = "rds:StopDBInstance"


def database(name: str, verdict: str = "allowed") -> Resource:
    arn = f"arn:aws:rds:{REGION}:{ACCOUNT}:db:{name}"
    iam = replace(IamPermissions(reasons={ACTION: f"the policy on {name}"}), **{verdict: (ACTION,)})  # type: ignore[arg-type]
    return Resource("rds_instance", name, ACCOUNT, REGION, "rds", arn=arn, iam=iam)


def stop(**parameters: Any) -> Step:
    step = Step("stop", "aws:executeAwsApi", "", "rds", "StopDBInstance", parameters, Effect.MODIFY)
    assert not step.iam or step.iam == "unknown"
    return step


class NoAws:
    """No call can be made."""


def verdict(step: Step, *targets: Resource) -> tuple[str, str]:
    aws: Any = NoAws()
    judged = Authorisation(aws, aws).judge(step, permissions_of(step, targets), ACCOUNT, REGION, answered=("", ""))
    return judged.iam, judged.iam_reason


@pytest.mark.parametrize("name", ["pg-1", "arn:aws:rds:eu-west-1:123456789012:db:pg-1"])
def test_a_step_has_the_verdict_on_the_target_that_it_names(name: str) -> None:
    targets = (database("pg-1"), database("pg-2", "denied"))

    assert verdict(stop(DBInstanceIdentifier=name), *targets) == ("allowed", "the policy on pg-1")
    assert verdict(stop(DBInstanceIdentifier="pg-2"), *targets) == ("denied", "the policy on pg-2")


@pytest.mark.parametrize(
    "parameters",
    [
        {"DBInstanceIdentifier": "pg-9"},
        {"DBInstanceIdentifier": "{{ find.Id }}"},
        {"DBInstanceIdentifier": ""},
        {"Ids": ["pg-1", "pg-9"]},
        {"Ids": ["pg-1", "{{ find.Id }}"]},
        {"Filters": {"a": "pg-1", "b": ["other"]}},
        {},
    ],
)
def test_a_verdict_on_one_resource_says_nothing_about_another(parameters: dict[str, Any]) -> None:
    assert verdict(stop(**parameters), database("pg-1")) == ("unknown", f"{ACTION} was not evaluated")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("allowed", "allowed"), "allowed"),
        (("allowed", "unknown"), "unknown"),
        (("unknown", "denied"), "denied"),
        (("denied", "allowed"), "denied"),
    ],
)
def test_of_several_targets_the_least_verdict_counts(verdicts: tuple[str, ...], expected: str) -> None:
    targets = [database(f"pg-{number}", each) for number, each in enumerate(verdicts)]

    assert verdict(stop(Ids=["pg-0", "pg-1"]), *targets)[0] == expected


def test_values_beside_the_target_in_other_parameters_do_not_count() -> None:
    step = stop(DBInstanceIdentifier="pg-1", DBSnapshotIdentifier="before", Force=True, Tags=[{"Key": "a"}])

    assert verdict(step, database("pg-1"))[0] == "allowed"
