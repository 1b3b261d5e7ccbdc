"""The outputs of a step: taken from AWS's answer, and redacted before they leave memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.fingerprint import plain
from cloudops_nb.ssm.document import PARAMETER_TYPES
from cloudops_nb.ssm.selectors import select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.ssm.document import DocumentStep

REDACTED = "(sensitive, kept in memory only)"


def take_outputs(step: DocumentStep, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the step's declared outputs as ``step.Name``, JSON-ready.

    What the answer lacks, or has in another type, is left out: a change that was made stays made, and a step that needs
    the value fails by its unknown reference.
    """
    taken = {}
    for output in step.outputs:
        value = plain(select(output.selector, answer))
        if output.type == "String" and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, PARAMETER_TYPES[output.type]):
            taken[f"{step.name}.{output.name}"] = value
    return taken


def redacted(outputs: Mapping[str, Any], sensitive: Sequence[str]) -> dict[str, Any]:
    """Return the outputs with each sensitive one, named ``step.Name``, replaced by a note."""
    return {name: REDACTED if name in sensitive else value for name, value in outputs.items()}
