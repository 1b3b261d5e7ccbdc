"""Reads an SSM Automation document from YAML or JSON text into :class:`AutomationDocument`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.located_json import is_json, read_json
from cloudops_nb.declarations.located_yaml import LocatedYaml, invalid, read_yaml
from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.api_names import canonical_api, canonical_service, nearest_api, nearest_service
from cloudops_nb.ssm.composite_actions import expand
from cloudops_nb.ssm.control_flow import ControlFlow
from cloudops_nb.ssm.document import (
    API_ACTIONS,
    LOOP,
    SCHEMA_VERSION,
    AutomationDocument,
    DocumentStep,
    StepOutput,
    Variable,
)
from cloudops_nb.ssm.fields import truth
from cloudops_nb.ssm.grammar import document_problems
from cloudops_nb.ssm.parameters import Parameter
from cloudops_nb.ssm.values import ABSENT, base_type, convert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.declarations.located_yaml import Path, Problem

#: The most characters of an error about a document, so that it stays one line.
LONGEST_ERROR = 300
#: The most characters of a document's name in an error; the end of a path tells more than its begin.
_LONGEST_SOURCE = 75


def load_document(text: str, source: str) -> AutomationDocument:
    """Read and validate a document.

    Args:
        text: The YAML or JSON text.
        source: Its name in messages.

    Raises:
        PlaybookError: It is not a valid document. The error is one line of at most :data:`LONGEST_ERROR` characters
            and names the first problems, each as ``line:column`` with what would be right.
    """
    source = source if len(source) <= _LONGEST_SOURCE else f"…{source[1 - _LONGEST_SOURCE :]}"
    try:
        located = read_document(text, source)
        problems = [located.problem(path, why) for path, why in document_problems(located.data)]
        data = located.data
        if not problems:
            data = {**data, "mainSteps": list(_canonical(located, data["mainSteps"], ("mainSteps",), problems))}
        if not problems:
            document = _document(data)
            problems = list(_circles(located, document.steps, ("mainSteps",)))
    except PlaybookError as error:
        raise _short(error) from None
    if problems:
        raise invalid(source, problems, longest=LONGEST_ERROR)
    return document


def read_document(text: str, source: str) -> LocatedYaml:
    """Read the data of a document: JSON if it starts with a brace, else YAML.

    Raises:
        PlaybookError: It is neither.
    """
    if not is_json(text):
        return read_yaml(text, source)
    try:
        return read_json(text, source)
    except PlaybookError as error:
        if source.lower().endswith(".json"):
            raise
        try:
            return read_yaml(text, source)
        except PlaybookError:
            raise error from None


def _short(error: PlaybookError) -> PlaybookError:
    if len(str(error)) <= LONGEST_ERROR:
        return error
    room = LONGEST_ERROR - len(str(PlaybookError(error.what, "x", error.fix)))
    return PlaybookError(error.what, f"{error.why[:room]}…", error.fix)


def _canonical(
    located: LocatedYaml, steps: list[dict[str, Any]], path: Path, problems: list[Problem]
) -> Iterator[dict[str, Any]]:
    """Yield steps with the names of services and APIs as botocore spells them; unknown ones become problems."""
    for index, step in enumerate(steps):
        inputs = step.get("inputs") or {}
        place: Path = (*path, index, "inputs")
        if step["action"] in API_ACTIONS:
            service = canonical_service(inputs["Service"])
            api = canonical_api(service, inputs["Api"]) if service else inputs["Api"]
            if not service:
                why = f"there is no service {inputs['Service']}: {nearest_service(inputs['Service'])}".rstrip(": ")
                problems.append(located.problem((*place, "Service"), why))
            elif not api:
                why = f"{service} has no API {inputs['Api']}: {nearest_api(service, inputs['Api'])}".rstrip(": ")
                problems.append(located.problem((*place, "Api"), why))
            inputs = {**inputs, "Service": service, "Api": api}
        elif step["action"] == LOOP:
            inner = list(_canonical(located, inputs["Steps"], (*place, "Steps"), problems))
            inputs = {**inputs, "Steps": inner}
        yield {**step, "inputs": inputs}


def _circles(located: LocatedYaml, steps: tuple[DocumentStep, ...], path: Path) -> Iterator[Problem]:
    circle = ControlFlow(steps).circle()
    if circle:
        index = next(number for number, step in enumerate(steps) if step.name == circle[0])
        trace = " -> ".join(circle)
        yield located.problem((*path, index), f"the steps repeat without end, {trace}: let one of them lead out")
    for index, step in enumerate(steps):
        if step.action == LOOP:
            yield from _circles(located, step.steps, (*path, index, "inputs", "Steps"))


def _document(data: Mapping[str, Any]) -> AutomationDocument:
    return AutomationDocument(
        schema_version=SCHEMA_VERSION,
        description=data.get("description") or "",
        assume_role=data.get("assumeRole") or "",
        parameters={name: _parameter(value) for name, value in (data.get("parameters") or {}).items()},
        steps=tuple(map(_step, data["mainSteps"])),
        outputs=tuple(output.strip("{} ") for output in data.get("outputs") or ()),
        variables={name: _variable(value) for name, value in (data.get("variables") or {}).items()},
    )


def _parameter(data: Mapping[str, Any]) -> Parameter:
    default = data.get("default")
    kind = base_type(data["type"])
    if default is not None and not (isinstance(default, str) and "{{" in default):
        default = _default(default, kind)
    return Parameter(
        type=data["type"],
        description=data.get("description") or "",
        default=default,
        allowed_values=tuple(convert(value, _item_type(kind)) for value in data.get("allowedValues") or ()),
        allowed_pattern=data.get("allowedPattern") or "",
        min_items=_number(data.get("minItems")),
        max_items=_number(data.get("maxItems")),
        min_chars=_number(data.get("minChars")),
        max_chars=_number(data.get("maxChars")),
        min_value=_number(data.get("minValue")),
        max_value=_number(data.get("maxValue")),
    )


def _default(value: Any, kind: str) -> Any:
    """Return a default in its type; an empty text for another type means an empty value."""
    found = convert(value, kind)
    if value == "" and kind in ("StringList", "MapList"):
        return []
    return {} if value == "" and kind == "StringMap" else value if found is ABSENT else found


def _item_type(kind: str) -> str:
    return {"StringList": "String", "MapList": "StringMap"}.get(kind, kind)


def _variable(data: Mapping[str, Any]) -> Variable:
    default = data.get("default")
    kind = data["type"]
    return Variable(kind, None if default is None else convert(default, kind), data.get("description") or "")


def _step(data: Mapping[str, Any]) -> DocumentStep:
    on_failure = _word(data.get("onFailure") or "Abort")
    critical = data.get("isCritical")
    inputs = data["inputs"]
    step = DocumentStep(
        name=data["name"],
        action=data["action"],
        inputs=inputs,
        on_failure=on_failure,
        is_critical=on_failure != "Continue" if critical is None else truth(critical),
        is_end=truth(data.get("isEnd") or False),
        next_step=data.get("nextStep") or "",
        max_attempts=_number_or_reference(data.get("maxAttempts")) or 1,
        timeout_seconds=_number_or_reference(data.get("timeoutSeconds")),
        outputs=tuple(
            StepOutput(o["Name"], o["Selector"], o.get("Type") or "String") for o in data.get("outputs") or ()
        ),
        description=data.get("description") or "",
        on_cancel=_word(data.get("onCancel") or "Abort"),
        steps=tuple(map(_step, inputs["Steps"])) if data["action"] == LOOP else (),
    )
    return expand(step)


def _word(value: str) -> str:
    return value if value.startswith("step:") else value.capitalize()


def _number(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def _number_or_reference(value: int | str | None) -> int | str | None:
    return value if value is None or (isinstance(value, str) and "{{" in value) else int(value)
