"""AWS's published JSON schema of Automation documents; see ``schemas/README.md`` for its origin.

The schema is years older than Automation, so it refuses documents that Automation runs. It gives advice only.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.protocols import Validator

    from cloudops_nb.ssm.document import AutomationDocument, DocumentStep
    from cloudops_nb.ssm.parameters import Parameter

SCHEMA_FILE = "ssm-automation-schema.json"
#: Longer messages repeat the whole value; its line and column are told anyway.
_MESSAGE_LENGTH = 160


def schema_bytes() -> bytes:
    """Return the vendored schema as it is on disk."""
    return (resources.files("cloudops_nb.ssm") / "schemas" / SCHEMA_FILE).read_bytes()


def schema_problems(data: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the path and the reason of everything in ``data`` that AWS's schema refuses."""
    for error in _validator().iter_errors(data):
        message = error.message
        if len(message) > _MESSAGE_LENGTH:
            message = f"is refused by the schema's rule {error.validator}"
        yield tuple(error.absolute_path), message


def schema_advice(document: AutomationDocument) -> Iterator[tuple[str, str]]:
    """Yield at most one finding: the first thing in a document that the schema refuses, and how many more there are."""
    found = [(".".join(map(str, path)), why) for path, why in schema_problems(_data(document))]
    if found:
        (place, why), more = found[0], len(found) - 1
        yield "schema-advice", f"{place or 'the document'}: {why}{f', and {more} more' if more else ''}"


def _data(document: AutomationDocument) -> dict[str, Any]:
    """Return a document as the data that it would be written as."""
    return _given(
        schemaVersion=document.schema_version,
        description=document.description,
        assumeRole=document.assume_role,
        parameters={name: _parameter(parameter) for name, parameter in document.parameters.items()},
        mainSteps=[_step(step) for step in document.steps],
        outputs=list(document.outputs),
    )


def _parameter(parameter: Parameter) -> dict[str, Any]:
    default = {} if parameter.required else {"default": parameter.default}
    return default | _given(
        type=parameter.type,
        description=parameter.description,
        allowedValues=list(parameter.allowed_values),
        allowedPattern=parameter.allowed_pattern,
        minItems=parameter.min_items,
        maxItems=parameter.max_items,
        minChars=parameter.min_chars,
        maxChars=parameter.max_chars,
    )


def _step(step: DocumentStep) -> dict[str, Any]:
    outputs = [{"Name": each.name, "Selector": each.selector, "Type": each.type} for each in step.outputs]
    return {"inputs": dict(step.inputs)} | _given(
        name=step.name,
        action=step.action,
        onFailure="" if step.on_failure == "Abort" else step.on_failure,
        isEnd=step.is_end or None,
        nextStep=step.next_step,
        maxAttempts=None if step.max_attempts == 1 else step.max_attempts,
        timeoutSeconds=step.timeout_seconds,
        outputs=outputs,
        description=step.description,
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


@cache
def _validator() -> Validator:
    # Its import costs as much as everything else here together, and the bundled catalogue needs none of it.
    from jsonschema import Draft7Validator

    return Draft7Validator(json.loads(schema_bytes()))
