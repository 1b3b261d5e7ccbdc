"""Rewrites documents for the survey: so that they take no time, and without the steps that cannot run here."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from cloudops_nb.ssm.actions import actions
from cloudops_nb.ssm.document import LOOP
from cloudops_nb.ssm.loader import read_document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.survey.sources import Source

#: The most seconds that a step may take.
LONGEST_STEP = 2
#: A call that only reads; a step that makes it stands in for one that cannot run.
_CALL = {"Service": "ec2", "Api": "DescribeTags"}
_FIELDS = ("name", "description", "onFailure", "onCancel", "isEnd", "isCritical", "nextStep")


def quick(source: Source) -> str:
    """Return a valid document's text with sleeps of no length, and steps that soon time out."""
    return _written(source, stand_ins=())


def without(source: Source, names: Collection[str]) -> str:
    """Return the text of :func:`quick` in which calls that read stand in for some steps.

    A stand-in leads where its step led, and has the outputs of its step.
    """
    return _written(source, stand_ins=names)


def _written(source: Source, stand_ins: Collection[str]) -> str:
    data = copy.deepcopy(read_document(source.text, source.name).data)
    for steps in _sequences(data["mainSteps"]):
        steps[:] = [_stand_in(step) if step["name"] in stand_ins else _quick(step) for step in steps]
    # Through JSON, because a document must have no YAML aliases.
    return json.dumps(data, default=str)


def _sequences(steps: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    yield steps
    for step in steps:
        if step["action"] == LOOP:
            yield from _sequences(step["inputs"]["Steps"])


def _quick(step: dict[str, Any]) -> dict[str, Any]:
    if step["action"] == "aws:sleep":
        return {**step, "inputs": {"Duration": "PT0S"}}
    if step["action"] == "aws:branch" or (step["action"] == LOOP and "timeoutSeconds" not in step):
        return step
    return {**step, "timeoutSeconds": LONGEST_STEP}


def _stand_in(step: dict[str, Any]) -> dict[str, Any]:
    declared = list(step.get("outputs") or [])
    taken = {output["Name"] for output in declared}
    # The predefined ones come first, because a declared output may be a part of one.
    outputs = [
        {"Name": name, "Selector": f"$.{name}", "Type": "StringMap" if kind == "Any" else kind}
        for name, kind in actions()[step["action"]].outputs.items()
        if name not in taken
    ] + declared
    kept = {name: step[name] for name in _FIELDS if name in step}
    inputs = {**_CALL, "Filters": [{"Name": "key", "Values": [step["name"]]}]}
    return {**kept, "action": "aws:executeAwsApi", "inputs": inputs, **({"outputs": outputs} if outputs else {})}
