"""Documents without a target, an executor that answers as a test tells it, and short forms of steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from cloudops_nb.execution.executor import ApiCall, CallResult
from cloudops_nb.model import BoundPlaybook
from cloudops_nb.ssm.catalogue import Playbook

if TYPE_CHECKING:
    from cloudops_nb.execution.execution import Execution

REGION = "eu-central-1"
Answer = Mapping[str, Any] | CallResult | Callable[[ApiCall], Any] | list[Any]


class Scripted:
    """Answers calls by API; a list is one answer after the other, the last one again and again."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.calls: list[ApiCall] = []
        self.execution: Execution | None = None
        self.begun = threading.Event()

    def call(self, call: ApiCall) -> CallResult:
        if "DryRun" in call.parameters:
            return CallResult(problem="it would have succeeded", code="DryRunOperation")
        self.calls.append(call)
        answer = self.answers.get(call.api, {})
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(call)
        return answer if isinstance(answer, CallResult) else CallResult(data=answer, request_id="request-1")

    def cancel(self, _: ApiCall) -> Mapping[str, Any]:
        """Answer a call after the run was cancelled."""
        assert self.begun.wait(30)
        assert self.execution
        self.execution.cancel()
        return {}

    def made(self, *apis: str) -> list[str]:
        """The calls that were made, all or those of some APIs, with the first value of their parameters."""
        return [
            " ".join([call.api, *map(_first, call.parameters.values())])
            for call in self.calls
            if not apis or call.api in apis
        ]


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) and value else value)


REFUSED = CallResult(problem="IncorrectState: no", code="IncorrectState")
LOST = CallResult(problem="ReadTimeoutError: no answer", code="ReadTimeoutError", lost=True)


def own_document(
    name: str, steps: list[dict[str, Any]], metadata: Mapping[str, Any] | None = None, **fields: Any
) -> Playbook:
    """Make a playbook without a target from a document's steps and other fields."""
    document = {"schemaVersion": "0.3", "mainSteps": steps, **fields}
    facts = {"id": f"own-{name}", "version": "1.0.0", "name": name, "description": name, **(metadata or {})}
    text = yaml.safe_dump(document, sort_keys=False)
    return Playbook.from_texts(text, yaml.safe_dump(facts), name)


def bound(playbook: Playbook, **parameters: Any) -> BoundPlaybook:
    return BoundPlaybook(playbook.ref, (), "", parameters, "low", region=REGION)


def step(name: str, action: str, inputs: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": name, "action": f"aws:{action}", "inputs": dict(inputs or {}), **fields}


def call(name: str, service: str, api: str, outputs: dict[str, str] | None = None, **parameters: Any) -> dict[str, Any]:
    """A step that makes a call; outputs are texts, unless their selector is followed by a type."""
    made = step(name, "executeAwsApi", {"Service": service, "Api": api, **parameters})
    listed = [
        {"Name": each, "Selector": path.split(" ")[0], "Type": [*path.split(" "), "String"][1]}
        for each, path in (outputs or {}).items()
    ]
    return {**made, "outputs": listed} if listed else made


def stop(name: str, identifier: str, **fields: Any) -> dict[str, Any]:
    return {**call(name, "ec2", "StopInstances", InstanceIds=[identifier]), **fields}


def look(name: str = "look", outputs: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    return {**call(name, "ec2", "DescribeInstances", outputs), **fields}


def each(name: str, iterators: Any, *steps: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    return step(name, "loop", {"Iterators": iterators, "Steps": list(steps), **inputs})


def nested(name: str, document: str, timeout: int | None = None, **parameters: Any) -> dict[str, Any]:
    inputs = {"DocumentName": f"own-{document}", "RuntimeParameters": parameters}
    return step(name, "executeAutomation", inputs) | ({"timeoutSeconds": timeout} if timeout else {})


def paths(execution: Execution) -> list[tuple[str, str]]:
    return [(state.name, state.status.value) for state in execution.steps]


def messages(execution: Execution) -> dict[str, str]:
    return {state.name: state.message for state in execution.steps if state.message}
