"""The grammar of Automation documents: the fields of a document, a parameter, a variable, a step and an output.

The rules are those of the Systems Manager user guide: ``documents-syntax-data-elements-parameters`` for the document,
``automation-actions`` for the fields that all steps share, and the page of each action for its inputs. AWS's published
JSON schema is years older than both, so it serves the linter as advice only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cloudops_nb.errors import PlaybookError, did_you_mean
from cloudops_nb.ssm.actions import Action, ActionInput, ActionKind, actions
from cloudops_nb.ssm.conditions import condition_problems
from cloudops_nb.ssm.document import LOOP, SCHEMA_VERSION
from cloudops_nb.ssm.fields import Form, Found, field_problems, shown
from cloudops_nb.ssm.jumps import jump_problems
from cloudops_nb.ssm.linear_pattern import linear_pattern
from cloudops_nb.ssm.references import PARAMETER_STORE, SYSTEM_VARIABLES, VARIABLE, references
from cloudops_nb.ssm.selectors import check_selector
from cloudops_nb.ssm.values import ABSENT, BASE_TYPES, base_type, convert

_STEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_ON_FAILURE = re.compile(r"(?i:abort|continue|cancel)|step:\s*\S+")
_ON_CANCEL = re.compile(r"(?i:abort)|step:\s*\S+")
_TYPES = ", ".join(BASE_TYPES)


def _version(value: str) -> str:
    return (
        "" if value == SCHEMA_VERSION else f"is '{value}': Automation documents have schemaVersion '{SCHEMA_VERSION}'"
    )


def _type(value: str) -> str:
    return "" if base_type(value) else f"is {shown(value)}: write {_TYPES}, or a type such as AWS::EC2::Instance::Id"


def _base_type(value: str) -> str:
    return "" if value in BASE_TYPES else f"is {shown(value)}: write {_TYPES}"


def _pattern(value: str) -> str:
    try:
        linear_pattern(value)
    except PlaybookError as error:
        return f"{error.what.removeprefix('allowedPattern ')}: {error.why}"
    return ""


def _selector(value: str) -> str:
    try:
        check_selector(value)
    except PlaybookError as error:
        return f"is no JSONPath: {error.why or error.what}"
    return ""


def _matching(pattern: re.Pattern[str], right: str) -> Any:
    return lambda value: "" if pattern.fullmatch(value) else f"is {shown(value)}: write {right}"


def _positive(value: int | str) -> str:
    return "" if int(value) > 0 else f"is {value}: write a number above 0"


def _filled(value: Any) -> str:
    return "" if value else "is empty: a document has at least one step"


_TEXT, _MAP, _LIST, _ANY, _COUNT = Form("text"), Form("map"), Form("list"), Form("any"), Form("integer")

DOCUMENT: Mapping[str, Form] = {
    "schemaVersion": Form("text", required=True, check=_version, example="schemaVersion: '0.3'"),
    "description": _TEXT,
    "assumeRole": _TEXT,
    "parameters": _MAP,
    "variables": _MAP,
    "mainSteps": Form("list", required=True, check=_filled, example="mainSteps: [{name: …, action: …, inputs: …}]"),
    "outputs": _LIST,
    "files": _MAP,
    # Of Change Manager's templates, which are Automation documents too.
    "emergencyChange": _ANY,
    "autoApprovable": _ANY,
    "templateInformation": _ANY,
    "executableRunBooks": _ANY,
}
PARAMETER: Mapping[str, Form] = {
    "type": Form("text", required=True, check=_type, example="type: String"),
    "description": _TEXT,
    "default": _ANY,
    "allowedValues": _LIST,
    "allowedPattern": Form("text", check=_pattern),
    "displayType": _TEXT,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "minChars": _COUNT,
    "maxChars": _COUNT,
    "minValue": _COUNT,
    "maxValue": _COUNT,
    "interpolationType": _TEXT,
}
VARIABLE_FIELDS: Mapping[str, Form] = {
    "type": Form("text", required=True, check=_base_type, example="type: Integer"),
    "default": _ANY,
    "description": _TEXT,
}
STEP: Mapping[str, Form] = {
    "name": Form(
        "text", required=True, check=_matching(_STEP_NAME, "1 to 128 letters, digits, _ or -"), example="name: stop"
    ),
    "action": Form("text", required=True, example="action: aws:executeAwsApi"),
    "description": _TEXT,
    "inputs": _MAP,
    "outputs": _LIST,
    "maxAttempts": Form("integer", reference=True, check=_positive),
    "timeoutSeconds": Form("integer", reference=True, check=_positive),
    "onFailure": Form("text", check=_matching(_ON_FAILURE, "Abort, Continue, Cancel or step:NAME")),
    "onCancel": Form("text", check=_matching(_ON_CANCEL, "Abort or step:NAME")),
    "isEnd": Form("boolean"),
    "isCritical": Form("boolean"),
    "nextStep": _TEXT,
}
OUTPUT: Mapping[str, Form] = {
    "Name": Form("text", required=True, check=_matching(_NAME, "letters, digits, _ or -"), example="Name: State"),
    "Selector": Form("text", required=True, check=_selector, example="Selector: $.DBInstances[0].DBInstanceStatus"),
    "Type": Form("text", check=_base_type),
}
_INPUT_KINDS = {
    "String": "text",
    "StringList": "list",
    "Boolean": "boolean",
    "Integer": "integer",
    "MapList": "list",
    "StringMap": "map",
    "AnyList": "list",
}


def document_problems(data: Any) -> Found:
    """Yield the path and the reason of everything in a document that the grammar refuses."""
    yield from field_problems(data, DOCUMENT, "a document")
    if not isinstance(data, Mapping):
        return
    for section, forms, check in (
        ("parameters", PARAMETER, _default_problem),
        ("variables", VARIABLE_FIELDS, _variable_problem),
    ):
        for name, value in _entries(data.get(section)):
            path = (section, name)
            if not _NAME.fullmatch(name):
                yield path, f"{shown(name)} is no name that a reference can hold: use letters, digits, _ or -"
            found = list(_below(path, field_problems(value, forms, f"{section[:-1]} {name}")))
            yield from found or ((path, why) for why in [check(value)] if why)
    steps = data.get("mainSteps")
    yield from _steps_problems(steps, ("mainSteps",))
    for index, output in enumerate(_items(data.get("outputs"))):
        if not isinstance(output, str) or "." not in output:
            yield ("outputs", index), f"an output is STEP.OUTPUT, not {shown(output)}"
    yield from jump_problems(steps)


def _steps_problems(steps: Any, path: tuple[str | int, ...]) -> Found:
    for index, step in enumerate(_items(steps)):
        place = (*path, index)
        name = step.get("name") if isinstance(step, Mapping) else None
        what = f"step {name}" if isinstance(name, str) else "a step"
        yield from _below(place, field_problems(step, STEP, what))
        if not isinstance(step, Mapping):
            continue
        for number, output in enumerate(_items(step.get("outputs"))):
            yield from _below((*place, "outputs", number), field_problems(output, OUTPUT, f"an output of {what}"))
        yield from _below(place, _action_problems(step, what))
        inputs = step.get("inputs")
        if step.get("action") == LOOP and isinstance(inputs, Mapping):
            yield from _steps_problems(inputs.get("Steps"), (*place, "inputs", "Steps"))


def _action_problems(step: Mapping[str, Any], what: str) -> Found:
    name = step.get("action")
    if not isinstance(name, str):
        return
    action = actions().get(name)
    if action is None:
        near = did_you_mean(name, actions(), otherwise="it is none of Automation's actions")
        yield ("action",), f"{what} has the action {shown(name)}: {near}"
        return
    inputs = {} if step.get("inputs") is None else step["inputs"]
    if action.inputs is not None and isinstance(inputs, Mapping):
        yield from _below(("inputs",), _input_problems(name, action, inputs))


def _input_problems(name: str, action: Action, inputs: Mapping[str, Any]) -> Found:
    known = action.inputs or {}
    forms = {each: _form(given) for each, given in known.items()}
    if action.kind is ActionKind.API:
        # Everything else is a parameter of the API, which its model checks when a plan is made.
        forms |= {each: _ANY for each in inputs if each not in known}
    yield from field_problems(inputs, forms, name)
    given = [each for each in action.one_of if inputs.get(each) is not None]
    if len(given) != 1 and action.one_of:
        yield (), f"{name} needs {' or '.join(action.one_of)}" + (", not both" if given else "")
    if action.kind is ActionKind.API and isinstance(selector := inputs.get("PropertySelector"), str):
        why = "" if "{{" in selector else _selector(selector)
        yield from ((("PropertySelector",), f"PropertySelector {why}") for _ in [why] if why)
    if name == "aws:branch":
        yield from _choices_problems(inputs.get("Choices"))
    if name == LOOP and inputs.get("Steps") == []:
        yield ("Steps",), "Steps is empty: a loop has at least one step"
    if name == LOOP and isinstance(inputs.get("LoopCondition"), Mapping):
        yield from _below(("LoopCondition",), condition_problems(inputs["LoopCondition"]))
    if name == "aws:updateVariable" and not str(inputs.get("Name", VARIABLE)).startswith(VARIABLE):
        yield ("Name",), f"Name is {shown(inputs['Name'])}: write {VARIABLE}NAME"


def _form(given: ActionInput) -> Form:
    def bounds(value: Any) -> str:
        low, high = given.low, given.high
        if (low is not None and int(value) < low) or (high is not None and int(value) > high):
            return f"is {value}: write a number from {low}" + (f" to {high}" if high is not None else "")
        return ""

    kind = _INPUT_KINDS.get(given.type, "any")
    reference = given.type != "String" and not given.literal
    if given.values:
        return Form("text", given.required, reference=True, values=given.values)
    return Form(kind, given.required, reference, check=bounds if kind == "integer" else None)


def _choices_problems(choices: Any) -> Found:
    if isinstance(choices, list) and not choices:
        yield ("Choices",), "Choices is empty: a branch has at least one choice"
    for index, choice in enumerate(_items(choices)):
        path = ("Choices", index)
        if not isinstance(choice, Mapping):
            yield path, f"a choice is a map with NextStep, Variable and an operator, not {shown(choice)}"
            continue
        if not isinstance(choice.get("NextStep"), str) or not choice["NextStep"]:
            yield path, "a choice needs NextStep, the name of a step"
        yield from _below(path, condition_problems({key: choice[key] for key in choice if key != "NextStep"}))


def _default_problem(parameter: Mapping[str, Any]) -> str:
    """Say what is wrong with a parameter's default: it must be of its type, or refer to Parameter Store.

    Automation does not check a default against ``allowedPattern``: its own examples have empty ones.
    """
    default = parameter.get("default")
    if default is None:
        return ""
    try:
        named = references(default)
    except PlaybookError as error:
        return f"default: {error.what}"
    if wrong := sorted(name for name in named - SYSTEM_VARIABLES if not name.startswith(PARAMETER_STORE)):
        return f"default refers to {wrong[0]}: a default may refer to Parameter Store, as {{{{ssm:/name}}}}"
    wanted = base_type(parameter["type"])
    if named or default == "" or convert(default, wanted) is not ABSENT:
        return ""
    return f"default is {shown(default)}: write {_example(wanted)}"


def _variable_problem(variable: Mapping[str, Any]) -> str:
    default = variable.get("default")
    if default is None or convert(default, variable["type"]) is not ABSENT:
        return ""
    return f"default is {shown(default)}: write {_example(variable['type'])}"


def _example(wanted: str) -> str:
    return {"Boolean": "true or false", "Integer": "a whole number", "StringMap": "a map"}.get(wanted, "a list")


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _entries(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def _below(path: tuple[str | int, ...], found: Found) -> Found:
    yield from (((*path, *inner), why) for inner, why in found)
