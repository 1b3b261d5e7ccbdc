"""The outputs of a step: taken from AWS's answer, and redacted before they leave memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.execution.fingerprint import plain
from cloudops_nb.ssm.selectors import select
from cloudops_nb.ssm.values import ABSENT, convert

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cloudops_nb.ssm.document import DocumentStep

REDACTED = "(sensitive, kept in memory only)"


def take_outputs(step: DocumentStep, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the step's declared outputs by name, JSON-ready and in their declared types.

    An output that the answer lacks, that cannot be selected, or that has no form in its type, is absent: the change was
    made all the same. A list of one item stands for the item: automation-action-outputs-inputs, "Output".
    """
    taken = {}
    for output in step.outputs:
        value = _found(output.selector, answer)
        if isinstance(value, list) and len(value) == 1 and output.type in ("String", "Integer", "Boolean"):
            value = value[0]
        if value == [] and output.type == "String":
            value = None
        taken[output.name] = convert(value, output.type)
    return taken


def _found(selector: str, answer: Mapping[str, Any]) -> Any:
    try:
        return plain(select(selector, answer))
    except PlaybookError:
        return None


def recorded(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs that are there, for a record."""
    return {name: value for name, value in outputs.items() if value is not ABSENT}


def redacted(outputs: Mapping[str, Any], sensitive: Collection[str]) -> dict[str, Any]:
    """Return the outputs with each sensitive one replaced by a note."""
    return {name: REDACTED if name in sensitive else value for name, value in outputs.items()}
