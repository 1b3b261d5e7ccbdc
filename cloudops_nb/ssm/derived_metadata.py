"""Metadata of a document that comes without: everything in them is read from the document.

They are marked as not reviewed. What only a person knows, such as risks and the way back, is said to be unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from cloudops_nb.ssm.document import NESTED, AutomationDocument, DocumentStep, walk
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.metadata import Level, ParameterSource, PlaybookMetadata, Risk, RollbackRule
from cloudops_nb.ssm.values import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudops_nb.ssm.parameters import Parameter

#: The first part of the id of a document without metadata, so that it never equals the id of a bundled playbook.
OWN_PREFIX = "own"
#: The version of a document without metadata, whose content alone tells its versions apart.
UNVERSIONED = "0.0.0"

Effect = Literal["read", "modify", "destructive"]
_EFFECTS: tuple[Effect, ...] = ("read", "modify", "destructive")
_LEVELS: Mapping[Effect, Level] = {"read": "low", "modify": "medium", "destructive": "high"}
_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")
_IAM_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_FEWEST_PARTS, _MOST_KEYWORDS = 3, 20
_UNKNOWN_WHY = "unknown, because the document has no metadata"
_READ = "Read each step and AWS's page of its API before you approve the plan."


def own_id(name: str) -> str:
    """Return the id of a document without metadata: ``own-`` and the words of its file name, joined by hyphens.

    ``AWS-StopRdsInstance`` becomes ``own-aws-stop-rds-instance``.
    """
    found = words(name)
    if found[:1] == [OWN_PREFIX]:
        found = found[1:]
    return "-".join([OWN_PREFIX, *(found or ["document"])])


def words(name: str) -> list[str]:
    """Return the words of a name in small letters: ``StopDBInstance`` has ``stop``, ``db`` and ``instance``."""
    return [each.lower() for each in _WORD.findall(name)]


def document_effect(document: AutomationDocument) -> Effect:
    """Return the strongest effect of a document's calls; one that runs another document changes something."""
    found: list[Effect] = [
        "modify" if step.action == NESTED else effect_of(step.service, step.api).effect
        for _, step in walk(document.steps)
        if step.api or step.action == NESTED
    ]
    return max(found, key=_EFFECTS.index, default="read")


def derive(
    document: AutomationDocument, name: str, types: Mapping[str, Iterable[str]] | None = None
) -> PlaybookMetadata:
    """Return the metadata of a document that has none.

    Args:
        document: The document.
        name: The name of its file, without the ending.
        types: Our resource types by CloudFormation type, for parameters such as ``AWS::EC2::Instance::Id``.
    """
    steps = [step for _, step in walk(document.steps)]
    first_line = next((line.strip(" #*") for line in document.description.splitlines() if line.strip(" #*")), "")
    effect = document_effect(document)
    found: dict[str, Any] = {
        "id": own_id(name),
        "version": UNVERSIONED,
        "name": first_line.rstrip(".") or name,
        "description": document.description.strip() or name,
        "reviewed": False,
        "resource_types": sorted(
            {
                kind
                for parameter in document.parameters.values()
                for kind in (types or {}).get(cloudformation_type(parameter.type), ())
            }
        ),
        "keywords": _keywords(name, steps),
        "prerequisites": [_condition(step) for step in _before_change(document.steps)],
        "level": _LEVELS[effect],
        "risks": [] if effect == "read" else [Risk(risk=f"The risks are {_UNKNOWN_WHY}", mitigation=_READ)],
        "parameters": {each: _source(each, parameter) for each, parameter in document.parameters.items()},
        "iam_actions": sorted({action for step in steps if step.api for action in _actions(step)}),
        "rollback": RollbackRule(
            playbook="", note="It changes nothing." if effect == "read" else f"The way back is {_UNKNOWN_WHY}."
        ),
        "success_criteria": [_condition(step) for step in steps if step.action == "aws:waitForAwsResourceProperty"],
    }
    return PlaybookMetadata.model_validate(found)


def cloudformation_type(parameter_type: str) -> str:
    """Return the CloudFormation type in a parameter's type: ``AWS::EC2::Instance`` of ``List<AWS::EC2::Instance::Id>``.

    A type that names none gives an empty text.
    """
    inner = parameter_type.removeprefix("List<").removesuffix(">")
    parts = inner.split("::")
    return "::".join(parts[:_FEWEST_PARTS]) if parts[0] == "AWS" and len(parts) >= _FEWEST_PARTS else ""


def _source(name: str, parameter: Parameter) -> ParameterSource:
    description = parameter.description or name
    if not parameter.required:
        return ParameterSource(source="static", description=description)
    kind: Literal["number", "text"] = "number" if parameter.base_type == "Integer" else "text"
    return ParameterSource(source="prompt", value_type=kind, description=description)


def _keywords(name: str, steps: Iterable[DocumentStep]) -> list[str]:
    found = [*words(name), *(word for step in steps for word in (step.service, *words(step.api)))]
    return [word for word in dict.fromkeys(found) if word][:_MOST_KEYWORDS]


def _actions(step: DocumentStep) -> list[str]:
    action = effect_of(step.service, step.api).iam_action
    return [action] if _IAM_ACTION.fullmatch(action) else []


def _before_change(steps: Iterable[DocumentStep]) -> list[DocumentStep]:
    """Return the assertions before the first step that changes something."""
    found: list[DocumentStep] = []
    for step in steps:
        if step.action == "aws:assertAwsResourceProperty":
            found.append(step)
        elif step.action == NESTED or step.steps or (step.api and effect_of(step.service, step.api).effect != "read"):
            break
    return found


def _condition(step: DocumentStep) -> str:
    desired = step.inputs.get("DesiredValues")
    values = desired if isinstance(desired, list) else [desired]
    selector = as_text(step.inputs.get("PropertySelector"))
    return f"{step.api}: {selector} is {' or '.join(map(as_text, values))}"
