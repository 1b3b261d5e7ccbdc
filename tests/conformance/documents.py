"""The document of a case: its text, or a fragment made whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from cloudops_nb.ssm.catalogue import Playbook

if TYPE_CHECKING:
    from tests.conformance.cases import Case

#: The call of fragments; its answer is the case's own.
_CALL = {"Service": "ec2", "Api": "DescribeVpcs"}


class _Plain(yaml.SafeDumper):
    """Writes no aliases, which the loader refuses."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def text_of(case: Case) -> str:
    """Return the text of the case's document."""
    return case.text or _text(_document(case))


def playbook_of(case: Case) -> Playbook:
    """Return the case's document as a playbook with the least metadata."""
    return _playbook("case", text_of(case))


def nested_playbooks(case: Case) -> list[Playbook]:
    """Return the documents that the case's own may run, each as ``own-NAME``."""
    return [_playbook(name, _text({"schemaVersion": "0.3", **fields})) for name, fields in case.documents.items()]


def answers_of(case: Case) -> dict[str, Any]:
    """Return the scripted answers, that of a fragment's call included."""
    return case.answers if case.answer is None else {"ec2:DescribeVpcs": [case.answer]}


def _playbook(name: str, text: str) -> Playbook:
    metadata = {"id": f"own-{name}", "version": "1.0.0", "name": name, "description": name}
    return Playbook.from_texts(text, yaml.safe_dump(metadata), name)


def _text(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=1000)


def _document(case: Case) -> dict[str, Any]:
    whole: dict[str, Any] = {"schemaVersion": "0.3", **case.fields}
    if case.parameter is not None:
        return {**whole, "parameters": {"P": case.parameter}, "mainSteps": [_call("use")]}
    if case.output is not None:
        return {**whole, "mainSteps": [_call("look", {"Name": "Value", **case.output})]}
    if case.condition is not None:
        branch = {"Choices": [{"NextStep": "holds", **case.condition}], "Default": "otherwise"}
        steps = [
            _call("look", {"Name": "Value", "Selector": "$.Value", "Type": case.fields.get("type", "String")}),
            {"name": "decide", "action": "aws:branch", "inputs": branch},
            {**_call("holds"), "isEnd": True},
            _call("otherwise"),
        ]
        return {"schemaVersion": "0.3", "mainSteps": steps}
    return whole if case.steps is None else {**whole, "mainSteps": case.steps}


def _call(name: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    step: dict[str, Any] = {"name": name, "action": "aws:executeAwsApi", "inputs": _CALL}
    return {**step, "outputs": list(outputs)} if outputs else step
