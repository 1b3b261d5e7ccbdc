"""Composite actions, such as ``aws:changeInstanceState``, as the calls that they make.

A plan shows, judges and runs single calls, so a composite action is replaced by the steps that Automation's action
reference describes. Inputs that decide which calls are made may be references; as long as their values are unknown, the
steps branch on them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.actions import ActionInput, actions
from cloudops_nb.ssm.document import LOOP, AutomationDocument, DocumentStep, StepOutput
from cloudops_nb.ssm.references import substitute, whole_reference
from cloudops_nb.ssm.values import ABSENT, convert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ARRIVED = {"running": "waitUntilRunning", "stopped": "waitUntilStopped", "terminated": "waitUntilTerminated"}
_CHANGES = {"running": "startInstances", "stopped": "stopInstances", "terminated": "terminateInstances"}
#: The states that a wait for another state gives up at.
_GONE: Mapping[str, tuple[str, ...]] = {
    "running": ("shutting-down", "terminated"),
    "stopped": ("terminated",),
    "terminated": (),
}
#: The step that a ``DesiredState`` leads to which is none of the three.
_UNKNOWN_STATE = "refuseUnknownState"
_STATES = "$.Reservations[*].Instances[*].State.Name"


def expand(step: DocumentStep) -> DocumentStep:
    """Return a step with the calls of its composite action; any other step as it is.

    Raises:
        PlaybookError: An input has a value that the action does not take.
    """
    build = _COMPOSITES.get(step.action)
    return build(replace(step, inputs=_typed(step))) if build else step


def _typed(step: DocumentStep) -> dict[str, Any]:
    """Return a step's inputs as the action's table spells and types them; an input that is null is left out."""
    known = actions()[step.action].inputs or {}
    return {
        name: _typed_input(step, name, value, known[name]) for name, value in step.inputs.items() if value is not None
    }


def _typed_input(step: DocumentStep, name: str, value: Any, known: ActionInput) -> Any:
    boolean = known.type == "Boolean"
    if whole_reference(value) or not (boolean or known.values):
        return value
    spelled: Any = {each.casefold(): each for each in known.values}.get(str(value).casefold(), ABSENT)
    found = convert(value, "Boolean") if boolean else spelled
    if found is ABSENT:
        what = f"step {step.name} has a {name} that {step.action} does not take"
        raise PlaybookError(what, f"it takes {', '.join(known.values or ('true', 'false'))}")
    return found


def specialise(document: AutomationDocument, context: Mapping[str, Any]) -> AutomationDocument:
    """Return a document whose composite actions make only the calls that known values leave possible.

    Raises:
        PlaybookError: A known value is none that the action takes.
    """
    return replace(document, steps=tuple(_specialised(step, context) for step in document.steps))


def _specialised(step: DocumentStep, context: Mapping[str, Any]) -> DocumentStep:
    if step.action == LOOP:
        return replace(step, steps=tuple(_specialised(inner, context) for inner in step.steps))
    deciding = _DECIDING.get(step.action, ())
    known = {name: step.inputs[name] for name in deciding if whole_reference(step.inputs.get(name)) in context}
    if not known:
        return step
    return expand(replace(step, inputs={**step.inputs, **substitute(known, context)}))


def _call(name: str, service: str, api: str, parameters: Mapping[str, Any], *outputs: StepOutput) -> DocumentStep:
    given = {key: value for key, value in parameters.items() if value is not None}
    return DocumentStep(name, "aws:executeAwsApi", {"Service": service, "Api": api, **given}, outputs=outputs)


def _wait(
    name: str,
    service: str,
    api: str,
    parameters: Mapping[str, Any],
    *outputs: StepOutput,
    selector: str,
    desired: str,
    failures: tuple[str, ...] = (),
) -> DocumentStep:
    inputs = {"Service": service, "Api": api, **parameters, "PropertySelector": selector, "DesiredValues": [desired]}
    if failures:
        inputs["FailureValues"] = list(failures)
    return DocumentStep(name, "aws:waitForAwsResourceProperty", inputs, outputs=outputs)


def _branch(name: str, variable: str, choices: Mapping[str, str], default: str, operator: str) -> DocumentStep:
    listed = [{"Variable": variable, operator: value, "NextStep": target} for value, target in choices.items()]
    return DocumentStep(name, "aws:branch", {"Choices": listed, "Default": default})


def _change_instance_state(step: DocumentStep) -> DocumentStep:
    """automation-action-changestate: set the state and wait for it, or only wait for it with ``CheckStateOnly``."""
    inputs, ids = step.inputs, step.inputs["InstanceIds"]
    state = inputs["DesiredState"]
    check = convert(inputs.get("CheckStateOnly", False), "Boolean")
    states = [state] if state in _ARRIVED else list(_ARRIVED)
    extra = {"stopped": {"Force": inputs.get("Force")}, "running": {"AdditionalInfo": inputs.get("AdditionalInfo")}}
    steps: list[DocumentStep] = []
    if check is ABSENT:
        target = "decideWhatToAwait" if len(states) > 1 else _ARRIVED[states[0]]
        change = "decideWhatToChange" if len(states) > 1 else _CHANGES[states[0]]
        steps.append(
            _branch("decideWhetherToChange", inputs["CheckStateOnly"], {"true": target}, change, "BooleanEquals")
        )
    if len(states) > 1:
        by_state = [("decideWhatToChange", _CHANGES)] if check is not True else []
        by_state += [("decideWhatToAwait", _ARRIVED)] if check is not False else []
        for name, targets in by_state:
            steps.append(_branch(name, state, targets, _UNKNOWN_STATE, "StringEquals"))
    for each in states:
        if check is not True:
            api = _CHANGES[each][0].upper() + _CHANGES[each][1:]
            steps.append(_call(_CHANGES[each], "ec2", api, {"InstanceIds": ids, **extra.get(each, {})}))
        steps += _arrival(each, ids)
    if len(states) > 1:
        steps.append(_refuse_unknown_state(ids, state))
    predefined = {"InstanceStates": f"{{{{ {step.name}/{_ARRIVED[states[0]]}.States }}}}"} if len(states) == 1 else {}
    return replace(step, steps=tuple(steps), predefined=predefined)


def _refuse_unknown_state(ids: Any, state: str) -> DocumentStep:
    """Return an assertion that fails: no instance is in a state that ``DesiredState`` does not take."""
    inputs = {"Service": "ec2", "Api": "DescribeInstances", "InstanceIds": ids}
    compared = {"PropertySelector": _STATES, "DesiredValues": [state]}
    return DocumentStep(_UNKNOWN_STATE, "aws:assertAwsResourceProperty", {**inputs, **compared}, is_end=True)


def _arrival(state: str, ids: Any) -> list[DocumentStep]:
    """Return the waits for a state; ``running`` also means that both status checks are passed."""
    given = {"InstanceIds": ids}
    output = StepOutput("States", _STATES, "StringList")
    gone = _GONE[state]
    waits = [
        _wait(
            _ARRIVED[state], "ec2", "DescribeInstances", given, output, selector=_STATES, desired=state, failures=gone
        )
    ]
    if state == "running":
        for name, part in (("waitForInstanceStatus", "InstanceStatus"), ("waitForSystemStatus", "SystemStatus")):
            selector = f"$.InstanceStatuses[*].{part}.Status"
            waits.append(_wait(name, "ec2", "DescribeInstanceStatus", given, selector=selector, desired="ok"))
    return [*waits[:-1], replace(waits[-1], is_end=True)]


def _create_tags(step: DocumentStep) -> DocumentStep:
    """automation-action-createtag: EC2's own API for EC2, Systems Manager's for its own resources."""
    inputs, kind = step.inputs, step.inputs.get("ResourceType", "EC2")
    ids, tags = inputs["ResourceIds"], inputs["Tags"]
    one = ids[0] if isinstance(ids, list) and len(ids) == 1 else ids
    ec2 = replace(_call("createTags", "ec2", "CreateTags", {"Resources": ids, "Tags": tags}), is_end=True)
    other = _call(
        "addTagsToResource", "ssm", "AddTagsToResource", {"ResourceType": kind, "ResourceId": one, "Tags": tags}
    )
    if kind == "EC2":
        return replace(step, steps=(ec2,))
    if not whole_reference(kind):
        return replace(step, steps=(other,))
    decide = _branch("decideByResourceType", kind, {"EC2": "createTags"}, "addTagsToResource", "StringEquals")
    return replace(step, steps=(decide, ec2, other))


def _create_image(step: DocumentStep) -> DocumentStep:
    """automation-action-create: create the image and poll until it is available."""
    inputs = step.inputs
    mappings = inputs.get("BlockDeviceMappings")
    parameters = {
        "InstanceId": inputs["InstanceId"],
        "Name": inputs["ImageName"],
        "Description": inputs.get("ImageDescription"),
        "NoReboot": inputs.get("NoReboot"),
        "BlockDeviceMappings": [mappings] if isinstance(mappings, dict) else mappings,
    }
    create = _call("createImage", "ec2", "CreateImage", parameters, StepOutput("ImageId", "$.ImageId", "String"))
    image = f"{{{{ {step.name}/createImage.ImageId }}}}"
    state = StepOutput("ImageState", "$.Images[0].State", "String")
    wait = _wait(
        "waitUntilAvailable",
        "ec2",
        "DescribeImages",
        {"ImageIds": [image]},
        state,
        selector="$.Images[0].State",
        desired="available",
        failures=("failed", "invalid", "error"),
    )
    predefined = {"ImageId": image, "ImageState": f"{{{{ {step.name}/waitUntilAvailable.ImageState }}}}"}
    return replace(step, steps=(create, wait), predefined=predefined)


def _copy_image(step: DocumentStep) -> DocumentStep:
    """automation-action-copyimage: the copy may still be pending at the end."""
    inputs = step.inputs
    parameters = {
        "SourceRegion": inputs["SourceRegion"],
        "SourceImageId": inputs["SourceImageId"],
        "Name": inputs["ImageName"],
        "Description": inputs.get("ImageDescription"),
        **{name: inputs.get(name) for name in ("Encrypted", "KmsKeyId", "ClientToken")},
    }
    copy = _call("copyImage", "ec2", "CopyImage", parameters, StepOutput("ImageId", "$.ImageId", "String"))
    image = f"{{{{ {step.name}/copyImage.ImageId }}}}"
    state = StepOutput("ImageState", "$.Images[0].State", "String")
    describe = _call("describeImage", "ec2", "DescribeImages", {"ImageIds": [image]}, state)
    predefined = {"ImageId": image, "ImageState": f"{{{{ {step.name}/describeImage.ImageState }}}}"}
    return replace(step, steps=(copy, describe), predefined=predefined)


def _delete_image(step: DocumentStep) -> DocumentStep:
    """automation-action-delete: deletes the image "and all related snapshots"."""
    image = {"ImageId": step.inputs["ImageId"]}
    snapshots = StepOutput("SnapshotIds", "$.Images[0].BlockDeviceMappings[*].Ebs.SnapshotId", "StringList")
    find = _call("findSnapshots", "ec2", "DescribeImages", {"ImageIds": [image["ImageId"]]}, snapshots)
    deregister = _call("deregisterImage", "ec2", "DeregisterImage", image)
    current = f"{{{{ {step.name}/deleteSnapshots.CurrentIteratorValue }}}}"
    delete = _call("deleteSnapshot", "ec2", "DeleteSnapshot", {"SnapshotId": current})
    loop = DocumentStep(
        "deleteSnapshots",
        LOOP,
        {"Iterators": f"{{{{ {step.name}/findSnapshots.SnapshotIds }}}}"},
        steps=(delete,),
    )
    return replace(step, steps=(find, deregister, loop))


def _delete_stack(step: DocumentStep) -> DocumentStep:
    """automation-action-deletestack: by its id, because the name of a deleted stack is no longer found."""
    inputs = step.inputs
    name = {"StackName": inputs["StackName"]}
    stack = StepOutput("StackId", "$.Stacks[0].StackId", "String")
    find = _call("describeStack", "cloudformation", "DescribeStacks", name, stack)
    given = {each: inputs.get(each) for each in ("ClientRequestToken", "RetainResources", "RoleARN")}
    delete = _call("deleteStack", "cloudformation", "DeleteStack", {**name, **given})
    outputs = (
        StepOutput("StackStatus", "$.Stacks[0].StackStatus", "String"),
        StepOutput("StackStatusReason", "$.Stacks[0].StackStatusReason", "String"),
    )
    wait = _wait(
        "waitUntilDeleted",
        "cloudformation",
        "DescribeStacks",
        {"StackName": f"{{{{ {step.name}/describeStack.StackId }}}}"},
        *outputs,
        selector="$.Stacks[0].StackStatus",
        desired="DELETE_COMPLETE",
        failures=("DELETE_FAILED",),
    )
    predefined = {each.name: f"{{{{ {step.name}/waitUntilDeleted.{each.name} }}}}" for each in outputs}
    return replace(step, steps=(find, delete, wait), predefined=predefined)


_COMPOSITES: Mapping[str, Callable[[DocumentStep], DocumentStep]] = {
    "aws:changeInstanceState": _change_instance_state,
    "aws:createTags": _create_tags,
    "aws:createImage": _create_image,
    "aws:copyImage": _copy_image,
    "aws:deleteImage": _delete_image,
    "aws:deleteStack": _delete_stack,
}
#: Inputs that decide which calls an action makes.
_DECIDING = {"aws:changeInstanceState": ("DesiredState", "CheckStateOnly"), "aws:createTags": ("ResourceType",)}
