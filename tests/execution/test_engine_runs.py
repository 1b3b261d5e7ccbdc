"""Plans that a person approved run, and change exactly what they said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import AwsError
from cloudops_nb.execution.outputs import REDACTED
from cloudops_nb.execution.plan import PlanStatus, StepStatus

if TYPE_CHECKING:
    from cloudops_nb.execution.engine import ExecutionEngine


DESCRIBE: dict[str, Any] = {
    "name": "describe",
    "action": "aws:executeAwsApi",
    "inputs": {"Service": "ec2", "Api": "DescribeInstances", "InstanceIds": ["{{ InstanceId }}"]},
}


@pytest.mark.parametrize(
    ("playbook", "before", "after"), [("ec2-stop", "running", "stopped"), ("ec2-start", "stopped", "running")]
)
def test_an_instance_is_stopped_and_started(
    *, aws: Any, engine: ExecutionEngine, bind: Any, approved: Any, run: Any, playbook: str, before: str, after: str
) -> None:
    instance = aws.instance(state=before)
    plan = approved(engine, bind(playbook, instance))
    assert aws.instance_state(instance) == before

    execution = engine.apply(plan)

    kinds = run(execution)
    assert kinds[0] == "started"
    assert kinds[-1] == "completed"
    assert execution.status is PlanStatus.COMPLETED
    assert {step.status for step in execution.steps} == {StepStatus.COMPLETED}
    assert aws.instance_state(instance) == after
    assert engine.status(plan) is PlanStatus.COMPLETED


@pytest.mark.parametrize(
    ("playbook", "before", "after"), [("rds-stop", "available", "stopped"), ("rds-start", "stopped", "available")]
)
def test_a_database_is_stopped_and_started(
    *, aws: Any, engine: ExecutionEngine, bind: Any, approved: Any, run: Any, playbook: str, before: str, after: str
) -> None:
    database = aws.database(state=before)

    execution = engine.apply(approved(engine, bind(playbook, database)))

    assert run(execution)[-1] == "completed"
    assert aws.database_state(database) == after
    assert execution.outputs[database.arn]


def test_outputs_reach_later_steps_and_the_caller(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    look = {
        **DESCRIBE,
        "outputs": [
            {"Name": "Type", "Selector": "$.Reservations[0].Instances[0].InstanceType", "Type": "String"},
            {"Name": "Cores", "Selector": "$.Reservations[0].Instances[0].CpuOptions.CoreCount", "Type": "Integer"},
            {"Name": "Place", "Selector": "$.Reservations[0].Instances[0].AmiLaunchIndex", "Type": "String"},
            {"Name": "Absent", "Selector": "$.Nothing", "Type": "String"},
        ],
    }
    choice = {"NextStep": "describeAgain", "Variable": "{{ describe.Type }}", "StringEquals": "m1.small"}
    branch = {"name": "choose", "action": "aws:branch", "inputs": {"Choices": [choice], "Default": "never"}}
    never = {"name": "never", "action": "aws:sleep", "inputs": {"Duration": "PT1H"}}
    again = {**DESCRIBE, "name": "describeAgain"}
    playbook = make_playbook([look, branch, never, again])
    instance, engine = aws.instance(), make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, instance)))

    assert execution.wait(30) is PlanStatus.COMPLETED
    assert execution.outputs[instance.arn]["describe.Type"] == "m1.small"
    assert execution.outputs[instance.arn]["describe.Place"] == "0"
    assert "describe.Absent" not in execution.outputs[instance.arn]
    assert [step.status.value for step in execution.steps] == ["completed", "completed", "skipped", "completed"]


def test_a_step_that_needs_an_output_that_never_came_fails(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    absent = [{"Name": "Id", "Selector": "$.Nothing", "Type": "String"}]
    inputs = {"Service": "ec2", "Api": "StopInstances", "InstanceIds": ["{{ describe.Id }}"]}
    playbook = make_playbook(
        [{**DESCRIBE, "outputs": absent}, {"name": "stop", "action": "aws:executeAwsApi", "inputs": inputs}]
    )
    engine = make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, aws.instance())))
    assert execution.wait(30) is PlanStatus.FAILED
    assert "describe.Id has no value" in execution.steps[1].message


def test_sensitive_outputs_stay_in_memory(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any, journal: Any
) -> None:
    kept = {"Name": "Host", "Selector": "$.Reservations[0].Instances[0].PrivateDnsName", "Type": "String"}
    shown = {"Name": "State", "Selector": "$.Reservations[0].Instances[0].State.Name", "Type": "String"}
    playbook = make_playbook([{**DESCRIBE, "outputs": [kept, shown]}], sensitive_outputs=["describe.Host"])
    instance, engine = aws.instance(), make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, instance)))
    events = list(execution)

    secret = execution.outputs[instance.arn]["describe.Host"]
    assert secret
    assert {"describe.Host": REDACTED, "describe.State": "running"} in [event.data for event in events]
    assert secret not in repr((events, execution.steps, execution, journal.lines))


def test_a_plan_of_reads_only_reads(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    playbook = make_playbook([DESCRIBE], level="low")
    engine = make_engine(playbook)
    plan = approved(engine, bind(playbook, aws.instance()))
    assert (plan.effect, plan.level) == ("read", "low")
    assert engine.apply(plan).wait(30) is PlanStatus.COMPLETED


def test_several_targets_can_be_changed_at_a_time(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    wait = {
        "name": "wait",
        "action": "aws:waitForAwsResourceProperty",
        "inputs": {
            **DESCRIBE["inputs"],
            "PropertySelector": "$.Reservations[0].Instances[0].State.Name",
            "DesiredValues": ["stopped"],
        },
    }
    playbook = make_playbook([wait])
    engine = make_engine(playbook)
    instances = [aws.instance(f"web-{number}") for number in range(3)]
    execution = engine.apply(approved(engine, bind(playbook, *instances), max_concurrency=3))
    waiting = set()
    for event in execution:
        if event.kind == "poll":
            waiting.add(event.target)
        if len(waiting) == 3:
            break
    aws.client("ec2").stop_instances(InstanceIds=[instance.identifier for instance in instances])
    assert execution.wait(30) is PlanStatus.COMPLETED


def test_failures_up_to_the_limit_do_not_stop_the_other_targets(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    first, second = aws.instance(), aws.instance("web-2")
    inputs = {
        **DESCRIBE["inputs"],
        "PropertySelector": "$.Reservations[0].Instances[0].InstanceId",
        "DesiredValues": [second.identifier],
    }
    playbook = make_playbook([{"name": "check", "action": "aws:assertAwsResourceProperty", "inputs": inputs}])
    engine = make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, first, second), max_errors=1))
    assert execution.wait(30) is PlanStatus.FAILED
    assert [step.status for step in execution.steps] == [StepStatus.FAILED, StepStatus.COMPLETED]


def test_a_playbook_that_promises_no_state_is_expected_to_leave_it_as_it_was(
    aws: Any, engine: Any, bind: Any, approved: Any
) -> None:
    plan = approved(engine, bind("ec2-tag", aws.instance(), TagKey="CostCentre", TagValue="4711"))
    execution = engine.apply(plan)
    execution.wait(30)
    (verified,) = [event for event in execution if "as_expected" in event.data]
    assert verified.data["as_expected"]
    assert verified.message.endswith("running -> running, as expected")


def test_after_a_run_its_resources_are_looked_at_again_but_not_after_a_dry_run(
    *, aws: Any, make_engine: Any, bind: Any, approved: Any
) -> None:
    looked: list[Any] = []
    engine = make_engine(after_run=looked.append)
    plan = approved(engine, bind("ec2-stop", aws.instance()))
    engine.apply(plan, dry_run=True).wait(30)
    assert looked == []
    engine.apply(plan).wait(30)
    assert looked == [plan]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AwsError("the account cannot be entered"), "not looked at again: the account cannot be entered"),
        (KeyError("arn:secret"), "looking at the resources again broke: KeyError"),
    ],
)
def test_a_run_is_completed_even_if_its_resources_cannot_be_looked_at_again(
    *, aws: Any, make_engine: Any, bind: Any, approved: Any, error: Exception, said: str
) -> None:
    def fail(_: Any) -> None:
        raise error

    engine = make_engine(after_run=fail)
    plan = approved(engine, bind("ec2-stop", aws.instance()))
    execution = engine.apply(plan)
    assert execution.wait(30) is PlanStatus.COMPLETED
    assert engine.status(plan) is PlanStatus.COMPLETED
    *_, last = [event.message for event in execution if event.kind == "output"]
    assert said in last
    assert "arn:secret" not in last


def test_a_result_that_cannot_be_read_again_is_said_not_to_be_verified(
    aws: Any, engine: Any, bind: Any, approved: Any
) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-tag", instance, TagKey="CostCentre", TagValue="4711"))
    see_nothing = {"InstanceIds": ["i-0123456789abcdef0"]}

    def look_elsewhere(**_: Any) -> None:
        aws.hook("ec2", "provide-client-params.ec2.DescribeInstances", lambda **_: see_nothing)

    aws.hook("ec2", "after-call.ec2.CreateTags", look_elsewhere)
    execution = engine.apply(plan)
    assert execution.wait(30) is PlanStatus.COMPLETED
    messages = [event.message for event in execution if event.target == instance.arn]
    assert any(message.startswith("not verified: ") for message in messages)
