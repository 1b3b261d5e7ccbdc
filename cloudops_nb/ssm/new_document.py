"""Writes a document and metadata for one API: an assertion, the call, and a look at the result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.derived_metadata import words
from cloudops_nb.ssm.document import ACTION_INPUTS
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.observation import Observations, parameter_name, reference
from cloudops_nb.ssm.yaml_text import Comment, yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import OperationModel, Shape

    from cloudops_nb.ssm.observation import Observation

#: Seconds that one call may take, and that a wait for a state may take.
_CALL_SECONDS, _WAIT_SECONDS = 60, 3600
_TYPES = {
    "integer": "Integer",
    "long": "Integer",
    "boolean": "Boolean",
    "map": "StringMap",
    "structure": "StringMap",
}
_TAG = re.compile(r"<[^>]*>")
_LONGEST_SENTENCE = 300
_LEVELS = {"read": "low", "modify": "medium", "destructive": "high"}
_DELETING = ("Delete", "Terminate", "Deregister", "Release", "Remove")


@dataclass(frozen=True, slots=True)
class NewDocument:
    """The texts of a document and its metadata."""

    runbook: str
    metadata: str


def new_document(operation: OperationModel, playbook_id: str, observed: Observations) -> NewDocument:
    """Return a document that calls an API, and its metadata.

    Args:
        operation: botocore's model of the API.
        playbook_id: The id in the metadata.
        observed: How the resources that the call names are read.

    Raises:
        PlaybookError: No plan may call the API, or one of its parameters cannot be given in a document.
    """
    return _Writer(operation, playbook_id, observed).write()


class _Writer:
    def __init__(self, operation: OperationModel, playbook_id: str, observed: Observations) -> None:
        self._operation = operation
        self._id = playbook_id
        self._service, self._api = operation.service_model.service_name, operation.name
        self._effect = effect_of(self._service, self._api)
        changes = self._effect.effect != "read"
        self._subject, self._result = (observed.subject, observed.result) if changes else (None, None)
        self._members: Mapping[str, Shape] = (
            {name: operation.input_shape.members[name] for name in operation.input_shape.required_members}
            if operation.input_shape
            else {}
        )
        self._name = " ".join(words(self._api)).capitalize()
        self._summary = _sentence(operation.documentation) or f"Calls {self._api}."
        self._gone = self._api.startswith(_DELETING)

    def write(self) -> NewDocument:
        if self._effect.refused:
            why = "it makes code run" if self._effect.runs_code else "it returns secrets"
            raise PlaybookError(f"no plan may call {self._service}:{self._api}", why)
        wrong = sorted({*self._effect.refused_parameters, *ACTION_INPUTS} & self._members.keys())
        if wrong:
            raise PlaybookError(f"no document can give {self._api} its {wrong[0]}", "a step may not contain it")
        return NewDocument(yaml_text(self._document()), yaml_text(self._metadata()))

    def _document(self) -> dict[str, Any]:
        return {
            "schemaVersion": "0.3",
            "description": self._summary,
            "parameters": {
                parameter_name(name): dict(_parameter(name, shape)) for name, shape in self._members.items()
            },
            "mainSteps": list(self._steps()),
        }

    def _steps(self) -> Iterator[dict[str, Any]]:
        if self._subject and (self._subject.before or self._subject.identifier):
            yield self._before(self._subject)
        yield {
            **self._change_comments(),
            "name": self._api[0].lower() + self._api[1:],
            "description": self._summary,
            "action": "aws:executeAwsApi",
            "timeoutSeconds": _CALL_SECONDS,
            "inputs": {
                "Service": self._service,
                "Api": self._api,
                **{name: reference(name) for name in self._members},
            },
        }
        if self._result:
            yield from self._after(self._result)

    def _change_comments(self) -> dict[str, Any]:
        """Return the comments above the change: what the author has to add."""
        comments = []
        if self._effect.effect != "read" and not self._subject:
            comments.append(
                "No API is known that reads what this step changes: if there is one, assert before this step that the "
                "resource is as the change needs it."
            )
        if self._effect.effect != "read" and not self._result:
            comments.append("Add a step after this one that waits for the result or asserts it.")
        if self._effect.effect != "read" and not self._effect.reviewed:
            comments.append(
                f"The effect of {self._service}:{self._api} is not in the reviewed table, so it counts as destructive, "
                "and a plan needs --override."
            )
        return dict.fromkeys(map(Comment, comments), "")

    def _before(self, seen: Observation) -> dict[str, Any]:
        label = _label(seen)
        comments: dict[str, Any] = {}
        if not seen.before:
            known = f"the state is {seen.state}" if seen.state else "it has no known state"
            comments[
                Comment(f"The states in which AWS accepts {self._api} are not known ({known}): assert them here.")
            ] = ""
        if seen.before:
            name, selector, desired = f"assert{_pascal(seen.before[0])}", seen.state, list(seen.before)
            description = f"AWS accepts {self._api} only if the {label} is {' or '.join(seen.before)}."
        else:
            name, selector, desired = "assertExists", seen.identifier, _whole(seen)
            description = f"The {label} must exist."
        return {**comments, **self._checking(seen, "assert", (name, description), selector, desired)}

    def _after(self, seen: Observation) -> Iterator[dict[str, Any]]:
        label = _label(seen)
        if seen.state and seen.after:
            name = f"waitUntil{_pascal(seen.after[0])}"
            description = f"Waits until the {label} is {' or '.join(seen.after)}."
            yield self._checking(seen, "waitFor", (name, description), seen.state, list(seen.after))
            return
        if self._gone or not seen.identifier:
            return
        known = f": wait for {seen.state} instead" if seen.state else ""
        comment = Comment(f"The state of the {label} after {self._api} is not known{known}.")
        description = f"The {label} exists after the call."
        check = self._checking(seen, "waitFor", ("waitUntilFound", description), seen.identifier, _whole(seen))
        yield {comment: "", **check}

    def _checking(
        self, seen: Observation, kind: str, labels: tuple[str, str], selector: str, desired: Any
    ) -> dict[str, Any]:
        return {
            "name": labels[0],
            "description": labels[1],
            "action": f"aws:{kind}AwsResourceProperty",
            "timeoutSeconds": _WAIT_SECONDS if kind == "waitFor" else _CALL_SECONDS,
            "inputs": {
                "Service": seen.service,
                "Api": seen.api,
                **seen.parameters,
                "PropertySelector": selector,
                "DesiredValues": desired,
            },
        }

    def _metadata(self) -> dict[str, Any]:
        effect, seen = self._effect.effect, self._subject
        verb = words(self._api)[0]
        reads = [each for each in (self._subject, self._result) if each]
        actions = [self._effect.iam_action, *(effect_of(each.service, each.api).iam_action for each in reads)]
        found: dict[str, Any] = {
            "id": self._id,
            "version": "1.0.0",
            "name": self._name,
            "description": self._summary,
            Comment("Write true after you have read both files and described the risks and the way back."): "",
            "reviewed": False,
            "intents": [verb],
            "keywords": list(
                dict.fromkeys(
                    [self._service, *words(self._api), self._api, f"{self._service} {verb}", "own", "runbook"]
                )
            ),
            "use_cases": [f"{self._name} in an account of one's own.", f"Call {self._api} with a plan and a record."],
            "prerequisites": [
                f"The {_label(seen)} is {' or '.join(seen.before)}."
                if seen and seen.before
                else f"AWS accepts {self._api} for the given values."
            ],
            "level": _LEVELS[effect],
            "parameters": {parameter_name(name): self._source(name, shape) for name, shape in self._members.items()},
            "iam_actions": list(dict.fromkeys(actions)),
        }
        if effect != "read":
            found |= self._risk()
        if seen and seen.resource_type:
            found |= self._target(seen)
        return {**found, "changelog": [{"version": "1.0.0", "change": f"Written for {self._api}."}]}

    def _risk(self) -> dict[str, Any]:
        result = self._result
        expected = (
            f"The {_label(result)} is {' or '.join(result.after)}."
            if result and result.after
            else f"{self._api} succeeds."
        )
        return {
            Comment("Describe what may go wrong, and what softens it."): "",
            "risks": [
                {
                    "risk": f"What depends on the result of {self._api} may stop working.",
                    "mitigation": f"Read AWS's page of {self._api} and the dependents on the card.",
                }
            ],
            Comment("Name the playbook that undoes the change, if there is one."): "",
            "rollback": {"playbook": "", "note": f"No playbook is known to reverse {self._api}."},
            "success_criteria": [expected],
        }

    def _target(self, seen: Observation) -> dict[str, Any]:
        projection = {"state": seen.state} if seen.state else {"identifier": seen.identifier}
        found: dict[str, Any] = {
            "resource_types": [seen.resource_type],
            "target": {"parameter": parameter_name(seen.member), "resource_type": seen.resource_type},
            "fingerprint": {
                "service": seen.service,
                "api": seen.api,
                "parameters": dict(seen.parameters),
                "projection": {name: path.replace("[*]", "[0]") for name, path in projection.items()},
            },
        }
        if seen.constraint:
            found["constraints"] = [seen.constraint]
        if seen.before:
            found["allowed_states"] = list(seen.before)
        if seen.after and len(seen.after) == 1:
            found["expected_state"] = seen.after[0]
        return found

    def _source(self, name: str, shape: Shape) -> dict[str, Any]:
        description = _sentence(shape.documentation) or name
        if self._subject and self._subject.resource_type and name == self._subject.member:
            return {"source": "estate", "description": description}
        kind = "number" if shape.type_name in ("integer", "long") else "text"
        return {"source": "prompt", "value_type": kind, "description": description}


def _parameter(name: str, shape: Shape) -> Iterator[tuple[str, Any]]:
    kind = _TYPES.get(shape.type_name, "String")
    if shape.type_name == "list":
        item: Any = shape
        kind = "MapList" if item.member.type_name in ("structure", "map") else "StringList"
    if shape.type_name in ("float", "double", "blob"):
        yield Comment(f"AWS takes a {shape.type_name} here, and a document has no such type."), ""
    yield "type", kind
    yield "description", _sentence(shape.documentation) or name
    if values := shape.metadata.get("enum"):
        yield "allowedValues", list(values)
    low, high = ("minValue", "maxValue") if kind == "Integer" else ("minChars", "maxChars")
    if kind in ("Integer", "String"):
        for key, field in (("min", low), ("max", high)):
            limit = shape.metadata.get(key)
            if isinstance(limit, int) and not values:
                yield field, limit


def _sentence(html: str) -> str:
    """Return the first sentence of botocore's documentation as plain text."""
    from html import unescape

    text = " ".join(unescape(_TAG.sub(" ", html or "")).split()).replace("{{", "{ {")
    first = re.split(r"(?<=[a-z0-9)])\. ", text, maxsplit=1)[0]
    if len(first) > _LONGEST_SENTENCE:
        first = f"{first[:_LONGEST_SENTENCE].rsplit(' ', 1)[0]} …"
    return f"{first.rstrip('.')}." if first else ""


def _label(seen: Observation | None) -> str:
    if seen is None:
        return "resource"
    return (seen.resource_type or seen.member).replace("_", " ")


def _whole(seen: Observation) -> Any:
    """Return what the id of a resource must be: the parameter, which is a list if it names several."""
    return reference(seen.member) if "[*]" in seen.identifier else [reference(seen.member)]


def _pascal(text: str) -> str:
    return "".join(word.capitalize() for word in words(text))
