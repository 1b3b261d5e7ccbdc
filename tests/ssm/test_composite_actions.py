from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.composite_actions import expand, specialise
from cloudops_nb.ssm.conditions import evaluated_choice
from cloudops_nb.ssm.control_flow import ControlFlow
from cloudops_nb.ssm.document import AutomationDocument, DocumentStep, walk
from cloudops_nb.ssm.references import references

pytestmark = pytest.mark.fast


def expanded(action: str, **inputs) -> DocumentStep:
    return expand(DocumentStep("act", f"aws:{action}", inputs))


def calls(step: DocumentStep, context: dict[str, Any] | None = None) -> list[str]:
    """Return the APIs that a composite action calls if nothing fails, its branches decided by a context."""
    flow, name, found = ControlFlow(step.steps), step.steps[0].name, []
    while name:
        inner = flow.step(name)
        chosen = evaluated_choice(inner.inputs, context or {}) if inner.action == "aws:branch" else ""
        found += [each.api for _, each in walk((inner,)) if each.api]
        name = flow.after_success(inner, chosen)
    return found


@pytest.mark.parametrize(
    ("state", "apis"),
    [
        ("running", ["StartInstances", "DescribeInstances", "DescribeInstanceStatus", "DescribeInstanceStatus"]),
        ("stopped", ["StopInstances", "DescribeInstances"]),
        ("Stopped", ["StopInstances", "DescribeInstances"]),
        ("terminated", ["TerminateInstances", "DescribeInstances"]),
    ],
)
def test_a_state_is_set_and_awaited(state, apis):
    step = expanded("changeInstanceState", InstanceIds=["i-1"], DesiredState=state)

    assert calls(step) == apis
    assert (
        calls(expanded("changeInstanceState", InstanceIds=["i-1"], DesiredState=state, CheckStateOnly="true"))
        == apis[1:]
    )


@pytest.mark.parametrize("state", ["running", "stopped", "terminated"])
@pytest.mark.parametrize("check", [True, False])
def test_a_state_that_is_not_known_yet_is_decided_by_branches(state, check):
    step = expanded("changeInstanceState", InstanceIds="{{ Ids }}", DesiredState="{{ S }}", CheckStateOnly="{{ C }}")
    known = expanded("changeInstanceState", InstanceIds="{{ Ids }}", DesiredState=state, CheckStateOnly=check)

    assert calls(step, {"S": state, "C": check}) == calls(known)


def test_a_state_that_no_instance_has_changes_nothing_and_fails():
    step = expanded("changeInstanceState", InstanceIds=["i-1"], DesiredState="{{ S }}")

    assert calls(step, {"S": "gone"}) == ["DescribeInstances"]
    refusal = next(each for each in step.steps if each.name == "refuseUnknownState")
    assert (refusal.action, refusal.is_end) == ("aws:assertAwsResourceProperty", True)


def test_known_values_leave_only_the_possible_calls():
    inputs = {"InstanceIds": ["i-1"], "DesiredState": "{{ S }}"}
    inner = DocumentStep("act", "aws:changeInstanceState", inputs)
    loop = DocumentStep("loop", "aws:loop", steps=(expand(inner), DocumentStep("nap", "aws:sleep")))
    document = AutomationDocument("0.3", "", "", {}, (loop,))

    apis = [step.api for _, step in walk(specialise(document, {"S": "stopped"}).steps) if step.api]
    assert apis == ["StopInstances", "DescribeInstances"]
    assert specialise(document, {}) == document
    with pytest.raises(PlaybookError, match=r"step act has a DesiredState .*: it takes running, stopped, terminated"):
        specialise(document, {"S": "gone"})


def test_a_forced_stop_is_forced():
    step = expanded(
        "changeInstanceState", InstanceIds=["i-1"], DesiredState="stopped", Force="true", CheckStateOnly=None
    )

    assert step.steps[0].api_parameters == {"InstanceIds": ["i-1"], "Force": True}
    assert step.predefined == {"InstanceStates": "{{ act/waitUntilStopped.States }}"}


@pytest.mark.parametrize(
    ("kind", "api"),
    [("EC2", "CreateTags"), ("ec2", "CreateTags"), (None, "CreateTags"), ("Parameter", "AddTagsToResource")],
)
def test_tags_are_created_by_the_api_of_the_resource_type(kind, api):
    step = expanded("createTags", ResourceIds=["r"], Tags=[], ResourceType=kind)

    assert calls(step) == [api]


def test_the_api_of_a_resource_type_that_is_not_known_yet_is_decided_by_a_branch():
    step = expanded("createTags", ResourceIds=["r"], Tags=[], ResourceType="{{ Kind }}")

    assert calls(step, {"Kind": "EC2"}) == ["CreateTags"]
    assert calls(step, {"Kind": "Parameter"}) == ["AddTagsToResource"]


def test_an_image_is_created_and_awaited_and_a_copy_is_only_described():
    made = expanded("createImage", InstanceId="i-1", ImageName="n", NoReboot="True", BlockDeviceMappings={"a": 1})
    copied = expanded("copyImage", SourceRegion="r", SourceImageId="ami-1", ImageName="n")

    assert calls(made) == ["CreateImage", "DescribeImages"]
    assert made.steps[0].api_parameters["NoReboot"] is True
    assert made.steps[0].api_parameters["BlockDeviceMappings"] == [{"a": 1}]
    assert calls(copied) == ["CopyImage", "DescribeImages"]
    assert copied.steps[0].api_parameters == {"SourceRegion": "r", "SourceImageId": "ami-1", "Name": "n"}


def test_an_image_is_deleted_with_its_snapshots():
    step = expanded("deleteImage", ImageId="ami-1")

    assert calls(step) == ["DescribeImages", "DeregisterImage", "DeleteSnapshot"]


def test_a_stack_is_awaited_by_its_id():
    step = expanded("deleteStack", StackName="s")

    assert calls(step) == ["DescribeStacks", "DeleteStack", "DescribeStacks"]
    assert step.steps[-1].api_parameters == {"StackName": "{{ act/describeStack.StackId }}"}


@pytest.mark.parametrize(
    "step",
    [
        expanded("changeInstanceState", InstanceIds=["i-1"], DesiredState="running"),
        expanded("createImage", InstanceId="i-1", ImageName="n"),
        expanded("copyImage", SourceRegion="r", SourceImageId="ami-1", ImageName="n"),
        expanded("deleteImage", ImageId="ami-1"),
        expanded("deleteStack", StackName="s"),
    ],
)
def test_references_between_the_calls_name_outputs_that_exist(step):
    inner = [each for _, each in walk(step.steps)]
    outputs = {f"act/{each.name}.{output.name}" for each in inner for output in each.outputs}
    outputs |= {f"act/{each.name}.CurrentIteratorValue" for each in inner if each.action == "aws:loop"}

    assert references([dict(each.inputs) for each in inner]) <= outputs
    assert references(dict(step.predefined)) <= outputs


def test_any_other_step_stays_as_it_is():
    step = DocumentStep("nap", "aws:sleep", {"Duration": "PT1S"})

    assert expand(step) is step
