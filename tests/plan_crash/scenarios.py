"""The plans that are killed: documents of their own and bundled playbooks, with the changing calls that each makes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudops_nb.model import BoundPlaybook
from cloudops_nb.ssm.catalogue import Catalogue, Playbook
from tests.plan_crash.aws import REGION
from tests.plan_crash.cloud import change_key

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.model import Resource
    from tests.plan_crash.aws import Aws

#: A unit (a target's ARN, or empty for a plan that runs once) and the path of a step.
Place = tuple[str, str]
Step = dict[str, Any]
SLEEP = 0.1
_STATE = "$.Reservations[0].Instances[0].State.Name"
_NOBODY = "i-0123456789abcdef0"


@dataclass(frozen=True)
class Scenario:
    """A plan to make, run and kill.

    Attributes:
        kind: What is special about it.
        texts: Document and metadata of each playbook that is not bundled; the first is the plan's own.
        resources: What it acts on.
        changes: The ledger's key of each changing call that an undisturbed run makes, by where it is made.
        bundled: The id of the bundled playbook that it runs on all its resources; empty for a document of its own.
        parameters: The document's parameters.
        ends: How an undisturbed run ends.
        before_sleep: The record that is followed by a sleep of :data:`SLEEP` seconds; empty if there is none.
    """

    kind: str
    texts: Sequence[tuple[str, str]]
    resources: Sequence[Resource]
    changes: Mapping[Place, str]
    bundled: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ends: str = "completed"
    before_sleep: str = ""

    def catalogue(self) -> Catalogue:
        """Return the bundled playbooks and the scenario's own."""
        return Catalogue([*Catalogue.bundled().playbooks, *self._own()])

    def bound(self) -> BoundPlaybook:
        """Return the playbook with its targets and parameters."""
        if not self.bundled:
            return BoundPlaybook(self._own()[0].ref, (), "", dict(self.parameters), "low", region=REGION)
        found = Catalogue.bundled().get(self.bundled)
        targets = tuple(self.resources)
        return BoundPlaybook(found.ref, targets, found.metadata.target_parameter, {}, found.metadata.level)

    def _own(self) -> list[Playbook]:
        return [Playbook.from_texts(runbook, metadata, "own") for runbook, metadata in self.texts]


def scenarios(aws: Aws, count: int, chance: random.Random) -> list[Scenario]:
    """Return plans of all kinds in turn, with resources of their own."""
    return [_KINDS[number % len(_KINDS)](aws, chance, number) for number in range(count)]


def _linear(aws: Aws, chance: random.Random, _: int) -> Scenario:
    one = aws.instances(1)[0]
    steps = [_tag("before", one.identifier), _stop("stop", one.identifier), _stopped("wait", one.identifier)]
    sleeps = chance.random() < 0.5
    if sleeps:
        steps.append({"name": "rest", "action": "aws:sleep", "inputs": {"Duration": f"PT{SLEEP}S"}})
    steps.append(_tag("after", one.identifier))
    changes = {
        ("", "before"): change_key("CreateTags", [one.identifier], ["before"]),
        ("", "stop"): change_key("StopInstances", [one.identifier]),
        ("", "after"): change_key("CreateTags", [one.identifier], ["after"]),
    }
    before = "step_result wait" if sleeps else ""
    return Scenario("changes and a wait", [_document("linear", steps)], [one], changes, before_sleep=before)


def _loop(aws: Aws, chance: random.Random, _: int) -> Scenario:
    found = aws.instances(chance.randint(2, 3))
    item = "{{ each.CurrentIteratorValue }}"
    count = {"Name": "variable:done", "Value": "{{ each.CurrentIteration }}"}
    body = [
        _tag("mark", item),
        _stop("stop", item),
        {"name": "count", "action": "aws:updateVariable", "inputs": count},
        _stopped("wait", item),
    ]
    steps = [_each("{{ Ids }}", body), _tag("after", found[0].identifier)]
    changes = {("", "after"): change_key("CreateTags", [found[0].identifier], ["after"])}
    for number, each in enumerate(found, 1):
        changes["", f"each/mark#{number}"] = change_key("CreateTags", [each.identifier], ["mark"])
        changes["", f"each/stop#{number}"] = change_key("StopInstances", [each.identifier])
    parameters = {"Ids": [each.identifier for each in found]}
    variables = {"done": {"type": "Integer", "default": 0}}
    document = _document("loop", steps, {"Ids": "StringList"}, variables=variables)
    return Scenario("a loop of changes", [document], found, changes, parameters=parameters)


def _composite(aws: Aws, chance: random.Random, _: int) -> Scenario:
    found = aws.instances(chance.randint(1, 2))
    ids = [each.identifier for each in found]
    tags = [{"Key": "label", "Value": "yes"}]
    steps = [
        {"name": "label", "action": "aws:createTags", "inputs": {"ResourceIds": ids, "Tags": tags}},
        {
            "name": "halt",
            "action": "aws:changeInstanceState",
            "inputs": {"InstanceIds": ids, "DesiredState": "stopped"},
        },
    ]
    changes = {
        ("", "label/createTags"): change_key("CreateTags", ids, ["label"]),
        ("", "halt/stopInstances"): change_key("StopInstances", ids),
    }
    return Scenario("composite actions", [_document("composite", steps)], found, changes)


def _nested(aws: Aws, chance: random.Random, _: int) -> Scenario:
    one, two = aws.instances(2)
    child = _document("child", [
        _tag("mark", "{{ Id }}"), _stop("stop", "{{ Id }}"), _stopped("wait", "{{ Id }}"),
        _call("look", "DescribeInstances", {"InstanceIds": ["{{ Id }}"]}, State=_STATE),
    ], {"Id": "String"}, outputs=["look.State"])  # fmt: skip
    wanted = chance.choice(("stopped", "nowhere"))
    choice = {"Variable": "{{ inner.Output }}", "Contains": wanted, "NextStep": "good"}
    steps = [
        _automation("inner", "own-child", Id=[one.identifier]),
        {"name": "decide", "action": "aws:branch", "inputs": {"Choices": [choice], "Default": "bad"}},
        {**_tag("good", two.identifier), "isEnd": True},
        {**_tag("bad", two.identifier), "isEnd": True},
    ]
    chosen = "good" if wanted == "stopped" else "bad"
    changes = {
        ("", "inner/mark"): change_key("CreateTags", [one.identifier], ["mark"]),
        ("", "inner/stop"): change_key("StopInstances", [one.identifier]),
        ("", chosen): change_key("CreateTags", [two.identifier], [chosen]),
    }
    return Scenario("a nested document", [_document("parent", steps), child], [one, two], changes)


def _nested_in_loop(aws: Aws, chance: random.Random, _: int) -> Scenario:
    found = aws.instances(2)
    keys = ["red", "blue", "green"][: chance.randint(2, 3)]
    marks = {"Resources": ["{{ Id }}"], "Tags": [{"Key": "{{ marks.CurrentIteratorValue }}", "Value": "yes"}]}
    inner = {
        "name": "marks",
        "action": "aws:loop",
        "inputs": {"Iterators": keys, "Steps": [_call("mark", "CreateTags", marks)]},
    }
    child = _document("child", [inner, _stop("stop", "{{ Id }}")], {"Id": "String"})
    steps = [_each("{{ Ids }}", [_automation("inner", "own-child", Id=["{{ each.CurrentIteratorValue }}"])])]
    changes = {}
    for number, each in enumerate(found, 1):
        changes["", f"each/inner#{number}/stop"] = change_key("StopInstances", [each.identifier])
        for count, key in enumerate(keys, 1):
            place = "", f"each/inner#{number}/marks/mark#{count}"
            changes[place] = change_key("CreateTags", [each.identifier], [key])
    parameters = {"Ids": [each.identifier for each in found]}
    texts = [_document("parent", steps, {"Ids": "StringList"}), child]
    return Scenario("nested documents in a loop", texts, found, changes, parameters=parameters)


def _branches(aws: Aws, chance: random.Random, _: int) -> Scenario:
    one = aws.instances(1)[0]
    way = chance.choice(("left", "right"))
    choices = [{"Variable": "{{ Way }}", "StringEquals": each, "NextStep": each} for each in ("left", "right")]
    steps = [
        _tag("before", one.identifier),
        {"name": "decide", "action": "aws:branch", "inputs": {"Choices": choices}, "isEnd": True},
        {**_tag("left", one.identifier), "nextStep": "after"},
        {**_stop("right", one.identifier), "nextStep": "after"},
        _tag("after", one.identifier),
    ]
    taken = change_key("CreateTags", [one.identifier], ["left"])
    if way == "right":
        taken = change_key("StopInstances", [one.identifier])
    changes = {
        ("", "before"): change_key("CreateTags", [one.identifier], ["before"]),
        ("", way): taken,
        ("", "after"): change_key("CreateTags", [one.identifier], ["after"]),
    }
    document = _document("branches", steps, {"Way": "String"})
    return Scenario("branches", [document], [one], changes, parameters={"Way": way})


def _failing(aws: Aws, _: random.Random, number: int) -> Scenario:
    one = aws.instances(1)[0]
    critical = number // len(_KINDS) % 2 == 0
    steps = [
        _tag("before", one.identifier),
        {**_stop("refused", _NOBODY), "onFailure": "step:repair", "isCritical": critical},
        _tag("skipped", one.identifier),
        _tag("repair", one.identifier),
        _tag("after", one.identifier),
    ]
    changes = {("", name): change_key("CreateTags", [one.identifier], [name]) for name in ("before", "repair", "after")}
    changes |= {("", "refused"): change_key("StopInstances", [_NOBODY])}
    ends = "failed" if critical else "completed"
    return Scenario("jumps after failures", [_document("failing", steps)], [one], changes, ends=ends)


def _several_instances(aws: Aws, _: random.Random, __: int) -> Scenario:
    found = aws.instances(3)
    changes = {(each.arn, "stopInstance"): change_key("StopInstances", [each.identifier]) for each in found}
    return Scenario("several instances", [], found, changes, "ec2-stop")


def _several_databases(aws: Aws, _: random.Random, number: int) -> Scenario:
    found = aws.databases([f"pg-{number}-{each}" for each in range(3)])
    changes = {(each.arn, "stopDBInstance"): change_key("StopDBInstance", [each.identifier]) for each in found}
    return Scenario("several databases", [], found, changes, "rds-stop")


#: Loops, nested documents and several targets first, so that a few plans already show the most.
_KINDS: Sequence[Callable[[Aws, random.Random, int], Scenario]] = (
    _nested_in_loop, _several_instances, _composite, _linear, _loop, _nested, _branches, _failing, _several_databases,
)  # fmt: skip


def _document(
    name: str, steps: Sequence[Step], parameters: Mapping[str, str] | None = None, **fields: Any
) -> tuple[str, str]:
    document = {"schemaVersion": "0.3", "mainSteps": list(steps), **fields}
    if parameters:
        document["parameters"] = {each: {"type": kind} for each, kind in parameters.items()}
    metadata = {"id": f"own-{name}", "version": "1.0.0", "name": name, "description": name}
    return json.dumps(document), json.dumps(metadata)


def _call(name: str, api: str, parameters: Mapping[str, Any], **outputs: str) -> Step:
    step: Step = {"name": name, "action": "aws:executeAwsApi", "inputs": {"Service": "ec2", "Api": api, **parameters}}
    if outputs:
        step["outputs"] = [{"Name": each, "Selector": path, "Type": "String"} for each, path in outputs.items()]
    return step


def _tag(name: str, instance: str) -> Step:
    """Return a change that only this step makes: the tag has the step's name."""
    return _call(name, "CreateTags", {"Resources": [instance], "Tags": [{"Key": name, "Value": "yes"}]})


def _stop(name: str, instance: str) -> Step:
    return _call(name, "StopInstances", {"InstanceIds": [instance]})


def _stopped(name: str, instance: str) -> Step:
    wanted = {"PropertySelector": _STATE, "DesiredValues": ["stopped"]}
    step = _call(name, "DescribeInstances", {"InstanceIds": [instance], **wanted})
    return {**step, "action": "aws:waitForAwsResourceProperty"}


def _each(items: str, body: Sequence[Step]) -> Step:
    return {"name": "each", "action": "aws:loop", "inputs": {"Iterators": items, "Steps": list(body)}}


def _automation(name: str, document: str, **parameters: Any) -> Step:
    inputs = {"DocumentName": document, "RuntimeParameters": parameters}
    return {"name": name, "action": "aws:executeAutomation", "inputs": inputs}
