"""Checks the ways between the steps of a document as written: every name leads to a step that the run may go to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cloudops_nb.errors import did_you_mean
from cloudops_nb.ssm.document import LOOP
from cloudops_nb.ssm.fields import Found, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_Path = tuple[str | int, ...]

#: ``onCancel`` does not lead to these: automation-actions, "onCancel".
_NOT_AFTER_CANCEL = frozenset(
    "aws:" + name
    for name in (
        "approve", "copyImage", "createImage", "createStack", "createTags", "loop", "pause", "runInstances", "sleep",
    )
)  # fmt: skip


class _Placed(NamedTuple):
    """A step with its path in the data, and the loops around it."""

    path: _Path
    step: Mapping[str, Any]
    loops: tuple[str, ...]


def jump_problems(steps: Any) -> Found:
    """Yield the path and the reason of every step with a name of another, and of every way that leads to no place.

    A step may lead to the steps of its own sequence, and out of the loops around it, but never into a loop.

    Args:
        steps: The document's ``mainSteps``, of any form.
    """
    placed = list(_named_steps(steps, ("mainSteps",), ()))
    by_name: dict[str, _Placed] = {}
    for each in placed:
        name = each.step["name"]
        if name in by_name:
            yield (*each.path, "name"), f"step {shown(name)} exists already: give it another name"
        by_name.setdefault(name, each)
    for each in placed:
        for place, name in _targets(each.step):
            if why := _problem_of_way(each, place, name, by_name):
                yield (*each.path, *place), why


def _problem_of_way(source: _Placed, place: _Path, name: str, by_name: Mapping[str, _Placed]) -> str:
    target = by_name.get(name)
    if target is None:
        near = did_you_mean(name, by_name)
        return f"there is no step {shown(name)}{f': {near}' if near else ''}"
    if source.loops[: len(target.loops)] != target.loops:
        return f"step {shown(name)} is inside loop {shown(target.loops[-1])}: lead to the loop itself"
    if place == ("onCancel",) and target.step.get("action") in _NOT_AFTER_CANCEL:
        return f"onCancel cannot lead to {target.step['action']}: choose another step"
    return ""


def _targets(step: Mapping[str, Any]) -> Iterator[tuple[_Path, str]]:
    if isinstance(step.get("nextStep"), str) and step["nextStep"]:
        yield ("nextStep",), step["nextStep"]
    for field in ("onFailure", "onCancel"):
        if isinstance(step.get(field), str) and step[field].startswith("step:"):
            yield (field,), step[field].removeprefix("step:").strip()
    inputs = step.get("inputs")
    if step.get("action") != "aws:branch" or not isinstance(inputs, dict):
        return
    choices = inputs.get("Choices")
    for index, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict) and isinstance(choice.get("NextStep"), str) and choice["NextStep"]:
            yield ("inputs", "Choices", index, "NextStep"), choice["NextStep"]
    if isinstance(inputs.get("Default"), str) and inputs["Default"]:
        yield ("inputs", "Default"), inputs["Default"]


def _named_steps(steps: Any, path: _Path, loops: tuple[str, ...]) -> Iterator[_Placed]:
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if not isinstance(step, dict):
            continue
        name, inputs = step.get("name"), step.get("inputs")
        if isinstance(name, str):
            yield _Placed((*path, index), step, loops)
        if step.get("action") == LOOP and isinstance(inputs, dict):
            inside = (*loops, name) if isinstance(name, str) else loops
            yield from _named_steps(inputs.get("Steps"), (*path, index, "inputs", "Steps"), inside)
