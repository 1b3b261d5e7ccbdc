"""Reads an SSM Automation document from YAML text into :class:`AutomationDocument`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.located_yaml import LocatedYaml, Path, Problem, invalid, read_yaml
from cloudops_nb.ssm.document import (
    API_ACTIONS,
    CHECKING_ACTIONS,
    AutomationDocument,
    DocumentStep,
    Parameter,
    StepOutput,
)
from cloudops_nb.ssm.schema import schema_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STEP_NAME = re.compile(r"[A-Za-z0-9_]{3,128}")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_OUTPUT_FIELDS = ("Name", "Selector", "Type")


def load_document(text: str, source: str, *, check_schema: bool = True) -> AutomationDocument:
    """Read and validate a document.

    Args:
        text: The YAML text; JSON is YAML too.
        source: Its name in messages.
        check_schema: Whether to validate against AWS's schema. Only the bundled catalogue, whose every file is
            validated by the tests and pinned by its hash, goes without.

    Raises:
        PlaybookError: It is not a valid document; all problems are named, each as ``line:column``.
    """
    located = read_yaml(text, source)
    problems = []
    if check_schema:
        problems += [located.problem(path, _worded(path, why)) for path, why in schema_problems(located.data)]
    if not problems:
        problems += _problems_beyond_schema(located)
    if problems:
        raise invalid(source, problems)
    return _document(located.data)


def _worded(path: Path, why: str) -> str:
    place = ".".join(map(str, path))
    return f"{place}: {why}" if place else why


def _problems_beyond_schema(located: LocatedYaml) -> Iterator[Problem]:
    """Yield what the user guide demands and AWS's schema does not say."""
    seen: set[str] = set()
    yield from _problems_of_parameters(located)
    for index, step in enumerate(located.data["mainSteps"]):
        path: Path = ("mainSteps", index)
        name = step["name"]
        if not _STEP_NAME.fullmatch(name):
            yield located.problem((*path, "name"), f"step name {name} must be 3-128 letters, digits or underscores")
        if name in seen:
            yield located.problem((*path, "name"), f"step {name} exists already")
        seen.add(name)
        yield from _problems_of_inputs(located, path, step)
        yield from _problems_of_outputs(located, path, step)


def _problems_of_parameters(located: LocatedYaml) -> Iterator[Problem]:
    for name, parameter in located.data.get("parameters", {}).items():
        if not _NAME.fullmatch(name):
            yield located.problem(("parameters", name), f"parameter {name} is no name that a reference can hold")
        try:
            re.compile(parameter.get("allowedPattern", ""))
        except re.error as error:
            path = ("parameters", name, "allowedPattern")
            yield located.problem(path, f"the allowedPattern of {name} is not readable here: {error.msg}")


def _problems_of_inputs(located: LocatedYaml, path: Path, step: Mapping[str, Any]) -> Iterator[Problem]:
    inputs, action = step["inputs"], step["action"]
    needed: list[tuple[str, type]] = [("Service", str), ("Api", str)] if action in API_ACTIONS else []
    if action in CHECKING_ACTIONS:
        needed += [("PropertySelector", str), ("DesiredValues", list)]
    for name, kind in needed:
        if not isinstance(inputs.get(name), kind) or not inputs[name]:
            shape = "text" if kind is str else "a list"
            yield located.problem((*path, "inputs", name), f"{step['name']}: {action} needs {name}, {shape}")
    if action == "aws:branch":
        choices = inputs.get("Choices")
        if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
            yield located.problem((*path, "inputs", "Choices"), f"{step['name']}: {action} needs Choices, a list")


def _problems_of_outputs(located: LocatedYaml, path: Path, step: Mapping[str, Any]) -> Iterator[Problem]:
    for index, output in enumerate(step.get("outputs", [])):
        place = (*path, "outputs", index)
        missing = [name for name in _OUTPUT_FIELDS if not output.get(name)]
        if missing:
            yield located.problem(place, f"{step['name']}: an output needs {', '.join(missing)}")
        elif not _NAME.fullmatch(output["Name"]):
            yield located.problem(
                place, f"{step['name']}: output {output['Name']} is no name that a reference can hold"
            )


def _document(data: Mapping[str, Any]) -> AutomationDocument:
    return AutomationDocument(
        schema_version=data["schemaVersion"],
        description=data.get("description", ""),
        assume_role=data.get("assumeRole", ""),
        parameters={name: _parameter(value) for name, value in data.get("parameters", {}).items()},
        steps=tuple(map(_step, data["mainSteps"])),
        outputs=tuple(data.get("outputs", ())),
    )


def _parameter(data: Mapping[str, Any]) -> Parameter:
    return Parameter(
        type=data["type"],
        description=data.get("description", ""),
        default=data.get("default"),
        allowed_values=tuple(data.get("allowedValues", ())),
        allowed_pattern=data.get("allowedPattern", ""),
        min_items=data.get("minItems"),
        max_items=data.get("maxItems"),
        min_chars=data.get("minChars"),
        max_chars=data.get("maxChars"),
    )


def _step(data: Mapping[str, Any]) -> DocumentStep:
    return DocumentStep(
        name=data["name"],
        action=data["action"],
        inputs=data["inputs"],
        on_failure=data.get("onFailure", "Abort"),
        is_critical=_truth(data.get("isCritical", True)),
        is_end=_truth(data.get("isEnd", False)),
        next_step=data.get("nextStep", ""),
        max_attempts=data.get("maxAttempts", 1),
        timeout_seconds=_seconds(data.get("timeoutSeconds")),
        outputs=tuple(StepOutput(o["Name"], o["Selector"], o["Type"]) for o in data.get("outputs", ())),
        description=data.get("description", ""),
    )


def _truth(value: bool | str) -> bool:
    """Read ``isEnd`` and ``isCritical``, which AWS's schema also takes as text."""
    return value if isinstance(value, bool) else value.lower() == "true"


def _seconds(value: int | str | None) -> int | str | None:
    return int(value) if isinstance(value, str) and value.isdecimal() else value
