"""Verdicts and plans concern the principal that acts; the one that scans only reads."""

from __future__ import annotations

import pytest

DATABASE = "pg-instance-staging1"
STOP = "rds:StopDBInstance"
ADMINISTRATOR = "arn:aws:iam::444455556666:role/break-glass-admin"
AUDITOR = "arn:aws:iam::444455556666:role/auditor"


@pytest.fixture
def operated_by(open_ops, demo_environment, staging_database):
    """A client that has scanned the staging databases, which another role operates."""

    def make(**operator):
        (account,) = [dict(each) for each in demo_environment.accounts if each["name"] == "staging"]
        ops = open_ops(accounts=[{**account, **operator}])
        ops.scan(services=["rds_instance"])
        return ops

    return make


def verdicts(ops):
    """The verdicts on the database, as a person sees them."""
    return ops.resources(name=DATABASE).iloc[0]


def test_without_an_operator_the_one_that_scans_acts(operated_by):
    ops = operated_by()
    assert STOP in verdicts(ops).allowed
    assert verdicts(ops).unknown == []
    plan = ops.ask(f"stop {DATABASE}").plan
    assert plan.principal == "arn:aws:iam::444455556666:role/CloudOpsDemo"
    assert "cloudops-operate" in str([step.iam_reason for step in plan.steps])


def test_plans_run_as_the_operator_and_verdicts_are_its_own(operated_by):
    ops = operated_by(operate_role_arn=ADMINISTRATOR)
    assert STOP in verdicts(ops).allowed
    (hit,) = ops.storage.estate.resources()[:1]
    assert hit.resource.iam.principal == ADMINISTRATOR
    plan = ops.ask(f"stop {DATABASE}").plan
    assert plan.principal == ADMINISTRATOR
    assert {step.iam for step in plan.steps} == {"allowed"}
    assert "AdministratorAccess" in str([step.iam_reason for step in plan.steps])
    ops.approve(plan, reason="a test")
    assert [event.kind for event in ops.apply(plan)][-1] == "completed"


def test_an_operator_that_may_only_look_is_denied(operated_by):
    ops = operated_by(operate_role_arn=AUDITOR)
    assert STOP in verdicts(ops).denied
    assert verdicts(ops).allowed == []


def test_search_shows_the_verdicts_too(operated_by):
    ops = operated_by()
    found = ops.search(DATABASE).iloc[0]
    assert STOP in found.allowed
    assert found.denied == []
