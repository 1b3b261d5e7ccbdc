"""Loops, variables, composite actions and nested documents run here as Systems Manager's user guide describes them."""

from __future__ import annotations

from typing import Any

from cloudops_nb.execution.plan import PlanStatus
from tests.execution.sample_documents import bound, call, messages, paths


def test_a_composite_action_is_shown_and_run_as_its_calls(
    *, aws: Any, make_engine: Any, make_document: Any, account: Any, approved: Any
) -> None:
    instance = aws.instance()
    playbook = make_document(
        "halt",
        [
            {
                "name": "halt",
                "action": "aws:changeInstanceState",
                "inputs": {"InstanceIds": ["{{ InstanceId }}"], "DesiredState": "{{ State }}"},
            }
        ],
        parameters={"InstanceId": {"type": "String"}, "State": {"type": "String"}},
    )
    engine = make_engine(playbook)
    plan = approved(engine, bound(playbook, InstanceId=instance.identifier, State="stopped"))

    assert [(step.name, step.api) for step in plan.steps] == [
        ("halt", ""),
        ("halt/stopInstances", "StopInstances"),
        ("halt/waitUntilStopped", "DescribeInstances"),
    ]
    execution = engine.apply(plan)
    assert execution.wait(30) is PlanStatus.COMPLETED, messages(execution)
    assert aws.instance_state(instance) == "stopped"


def test_a_loop_runs_its_body_for_each_item_under_paths_of_its_own(
    *, aws: Any, make_engine: Any, make_document: Any, approved: Any
) -> None:
    instances = [aws.instance(f"web-{number}") for number in (1, 2)]
    playbook = make_document(
        "each",
        [
            {
                "name": "each",
                "action": "aws:loop",
                "inputs": {
                    "Iterators": "{{ Ids }}",
                    "Steps": [
                        call("stop", "ec2", "StopInstances", InstanceIds=["{{ each.CurrentIteratorValue }}"]),
                        {
                            "name": "count",
                            "action": "aws:updateVariable",
                            "inputs": {"Name": "variable:done", "Value": "{{ each.CurrentIteration }}"},
                        },
                    ],
                },
            },
            {
                "name": "check",
                "action": "aws:branch",
                "inputs": {
                    "Choices": [{"Variable": "{{ variable:done }}", "NumericEquals": 2, "NextStep": "look"}],
                },
                "isEnd": True,
            },
            call("look", "ec2", "DescribeInstances"),
        ],
        parameters={"Ids": {"type": "StringList"}},
        variables={"done": {"type": "Integer", "default": 0}},
    )
    engine = make_engine(playbook)
    plan = approved(engine, bound(playbook, Ids=[each.identifier for each in instances]))

    assert [step.at_most for step in plan.steps] == [1, 2, 2, 1, 1]
    execution = engine.apply(plan)
    assert execution.wait(30) is PlanStatus.COMPLETED, messages(execution)
    assert dict(paths(execution)).keys() >= {"each/stop#1", "each/stop#2", "each/count#2", "look"}
    assert [aws.instance_state(each) for each in instances] == ["stopped", "stopped"]


def test_a_nested_document_has_parameters_and_outputs_of_its_own(
    *, aws: Any, make_engine: Any, make_document: Any, approved: Any
) -> None:
    instance = aws.instance()
    child = make_document(
        "child",
        [call("look", "ec2", "DescribeInstances", {"State": "$.Reservations[0].Instances[0].State.Name"},
              InstanceIds=["{{ Id }}"])],
        parameters={"Id": {"type": "String"}},
        outputs=["look.State"],
    )  # fmt: skip
    parent = make_document(
        "parent",
        [
            call("find", "ec2", "DescribeInstances", {"Id": "$.Reservations[0].Instances[0].InstanceId"}),
            {
                "name": "inner",
                "action": "aws:executeAutomation",
                "inputs": {"DocumentName": "own-child", "RuntimeParameters": {"Id": ["{{ find.Id }}"]}},
            },
            {
                "name": "decide",
                "action": "aws:branch",
                "inputs": {
                    "Choices": [{"Variable": "{{ inner.Output }}", "Contains": "running", "NextStep": "stop"}],
                },
                "isEnd": True,
            },
            call("stop", "ec2", "StopInstances", InstanceIds=["{{ find.Id }}"]),
        ],
    )
    engine = make_engine(parent, child)
    plan = approved(engine, bound(parent))
    assert [step.name for step in plan.steps] == ["find", "inner", "inner/look", "decide", "stop"]
    assert plan.steps[2].parameters == {"InstanceIds": ["{{ inner/Id }}"]}
    execution = engine.apply(plan)
    assert execution.wait(30) is PlanStatus.COMPLETED, messages(execution)
    assert aws.instance_state(instance) == "stopped"


def test_a_plan_without_targets_is_in_the_history(
    *, aws: Any, make_engine: Any, make_document: Any, account: Any
) -> None:
    playbook = make_document("look", [call("look", "ec2", "DescribeInstances")])
    engine = make_engine(playbook)
    plan = engine.prepare(bound(playbook), account=account)
    assert [row["plan_id"] for row in engine.history()] == [plan.id]
    assert engine.history(resource="web-1") == []


def test_a_dead_run_without_targets_names_its_unknown_call_by_the_step_alone(
    *, aws: Any, make_engine: Any, make_document: Any, approved: Any, journal: Any
) -> None:
    playbook = make_document("stop", [call("stop", "ec2", "StopInstances", InstanceIds=["i-0123456789abcdef0"])])
    engine = make_engine(playbook)
    plan = approved(engine, bound(playbook))
    journal.append("approval_consumed", plan.id, {"execution_id": "dead"}, once="approval")
    journal.append("step_intent", "dead", {"step": "stop", "target": "", "attempt": 1})
    (recovered,) = engine.recover()
    assert recovered.unknown == ("stop",)
