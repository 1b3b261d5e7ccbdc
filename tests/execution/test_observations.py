"""A document without metadata is compared by what it checks before its first change."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.errors import DriftError
from cloudops_nb.execution.executor import CallResult
from cloudops_nb.execution.plan import PlanStatus
from tests.execution.sample_documents import REFUSED, Scripted, bound, look, own_document, step, stop


def check(name: str, selector: str, *desired: Any, api: str = "DescribeInstances", **inputs: Any) -> dict[str, Any]:
    fields = {"Service": "ec2", "Api": api, "PropertySelector": selector, "DesiredValues": list(desired), **inputs}
    return step(name, "assertAwsResourceProperty", fields)


STATE = "$.Reservations[0].Instances[0].State.Name"


def test_what_the_document_checks_first_is_read_and_shown(aws: Any, make_engine: Any, account: Any) -> None:
    instance = aws.instance()
    steps = [
        check("running", STATE, "running", InstanceIds=[instance.identifier]),
        check("stopped", STATE, "stopped", "gone", InstanceIds=[instance.identifier]),
        stop("stop", instance.identifier),
        check("after", STATE, "stopped", InstanceIds=[instance.identifier]),
    ]
    playbook = own_document("stop", steps)
    plan = make_engine(playbook).prepare(bound(playbook), account=account)
    assert [(each.path, each.value, each.wanted, each.holds, each.text) for each in plan.observations] == [
        ("running", "running", "running", True, "running"),
        ("stopped", "running", "stopped or gone", False, "running"),
    ]
    outcomes = [check.outcome for check in plan.checks if "$.Reservations" in check.what]
    assert outcomes == ["passed: running", "not now: running"]
    assert not any("the live state" in each for each in plan.not_checked)


@pytest.mark.parametrize(
    "step_before",
    [
        stop("stop", "i-1"),
        step("halt", "changeInstanceState", {"InstanceIds": ["i-1"], "DesiredState": "stopped"}),
    ],
)
def test_nothing_is_read_after_a_change_or_with_values_of_the_run(
    *, aws: Any, make_engine: Any, account: Any, step_before: Any
) -> None:
    find = look("find", {"Id": "$.Id"})
    late = check("late", "$.S", "x", InstanceIds=["{{ find.Id }}"])
    data = "$.LaunchTemplateVersions[0].LaunchTemplateData.UserData"
    secret = check("secret", data, "x", api="DescribeLaunchTemplateVersions", Versions=["$Latest"])
    playbook = own_document("stop", [find, late, secret, step_before, check("after", "$.S", "x")])
    plan = make_engine(playbook, executor=Scripted()).prepare(bound(playbook), account=account)
    assert plan.observations == ()
    assert "the live state: the document checks none before its first change" in plan.not_checked


def test_a_property_that_changed_since_the_plan_is_drift(aws: Any, make_engine: Any, approved: Any) -> None:
    instance = aws.instance()
    playbook = own_document("stop", [check("check", STATE, "running", InstanceIds=[instance.identifier])])
    engine = make_engine(playbook)
    plan = approved(engine, bound(playbook))
    aws.client("ec2").stop_instances(InstanceIds=[instance.identifier])
    with pytest.raises(DriftError, match="was running and is stopped"):
        engine.apply(plan)


def test_a_property_that_can_no_longer_be_read_is_drift(aws: Any, make_engine: Any, approved: Any) -> None:
    executor = Scripted(DescribeInstances=[{"S": "x"}, REFUSED])
    playbook = own_document("stop", [check("check", "$.S", "x")])
    engine = make_engine(playbook, executor=executor)
    with pytest.raises(DriftError, match=r"\$\.S was x and is IncorrectState"):
        engine.apply(approved(engine, bound(playbook)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"S": ["b", "a"]}, {"S": ["a", "b"]}),
        (
            CallResult(problem="UnauthorizedOperation: encoded one", code="UnauthorizedOperation"),
            CallResult(problem="UnauthorizedOperation: encoded two", code="UnauthorizedOperation"),
        ),
    ],
)
def test_absence_another_order_and_another_wording_are_no_drift(
    *, aws: Any, make_engine: Any, approved: Any, before: Any, after: Any
) -> None:
    executor = Scripted(DescribeInstances=[before, after])
    playbook = own_document("stop", [check("check", "$.S", "x")])
    engine = make_engine(playbook, executor=executor)
    assert engine.apply(approved(engine, bound(playbook))).wait(30) is PlanStatus.FAILED


def test_a_check_whose_numbers_are_text_is_read(aws: Any, make_engine: Any, account: Any) -> None:
    aws.instance()
    playbook = own_document("look", [check("check", STATE, "running", MaxResults="5")])
    (observed,) = make_engine(playbook).prepare(bound(playbook), account=account).observations
    assert (observed.value, observed.problem) == ("running", "")


def test_each_target_of_a_playbook_without_a_fingerprint_is_read(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    instances = [aws.instance("web-1"), aws.instance("web-2")]
    steps = [check("check", STATE, "running", InstanceIds=["{{ InstanceId }}"]), stop("stop", "{{ InstanceId }}")]
    playbook = make_playbook(steps, fingerprint=None, allowed_states=[], expected_state="")
    engine = make_engine(playbook)
    plan = approved(engine, bind(playbook, *instances))
    assert [each.target for each in plan.observations] == [each.arn for each in instances]
    aws.client("ec2").stop_instances(InstanceIds=[instances[1].identifier])
    with pytest.raises(DriftError, match="was running and is stopped"):
        engine.apply(plan)
