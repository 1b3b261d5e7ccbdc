"""Variables keep the type that the document gives them."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.execution.plan import PlanStatus
from tests.execution.sample_documents import Scripted, each, look, messages, own_document, step

VALUES: dict[str, Any] = {
    "String": "text",
    "StringList": ["a", "b"],
    "Boolean": True,
    "Integer": 5,
    "MapList": [{"a": "b"}],
    "StringMap": {"a": "b"},
}
KIND = {"StringList": "StringList", "MapList": "MapList", "StringMap": "StringMap", "Integer": "Integer"}


def update(value: Any, name: str = "variable:It") -> dict[str, Any]:
    return step("update", "updateVariable", {"Name": name, "Value": value})


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("given", VALUES)
def test_a_variable_takes_values_of_its_own_type_alone(*, aws: Any, start: Any, kind: str, given: str) -> None:
    value = VALUES[given]
    playbook = own_document("set", [update(value)], variables={"It": {"type": kind}})
    execution = start(Scripted(), playbook)
    fits = kind == given or {kind, given} == {"StringList", "MapList"}
    assert execution.status is (PlanStatus.COMPLETED if fits else PlanStatus.FAILED)
    assert fits or messages(execution)["update"] == f"the value is not of type {kind}"


def test_a_value_that_was_found_keeps_its_type(aws: Any, start: Any) -> None:
    steps = [
        look("find", {"Ids": "$.Ids StringList"}),
        update("{{ find.Ids }}"),
        each("each", "{{ variable:It }}", look()),
    ]
    playbook = own_document("set", steps, variables={"It": {"type": "StringList", "default": []}})
    execution = start(Scripted(DescribeInstances={"Ids": ["a", "b"]}), playbook)
    assert execution.outputs[""]["each.CurrentIteratorValue"] == "b"


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        ("{{ find.Id }}", "variable:It", "the answer lacked the value"),
        ("x", "variable:Other", "there is no variable:Other"),
    ],
)
def test_a_variable_needs_a_value_and_must_exist(*, aws: Any, start: Any, value: str, name: str, message: str) -> None:
    steps = [look("find", {"Id": "$.Id"}), update(value, name)]
    execution = start(Scripted(), own_document("set", steps, variables={"It": {"type": "String", "default": "x"}}))
    assert execution.status is PlanStatus.FAILED
    assert messages(execution)["update"] == message


def test_a_variable_without_a_value_makes_no_choice_hold(aws: Any, start: Any) -> None:
    choices = [{"Variable": "{{ variable:It }}", "StringEquals": "", "NextStep": "look"}]
    steps = [step("choose", "branch", {"Choices": choices}, isEnd=True), look()]
    executor = Scripted()
    execution = start(executor, own_document("set", steps, variables={"It": {"type": "String"}}))
    assert (execution.status, executor.calls) == (PlanStatus.COMPLETED, [])
