"""Says in words what a step without an API call does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.ssm.conditions import choices, condition_text
from cloudops_nb.ssm.control_flow import BRANCH
from cloudops_nb.ssm.document import LOOP, NESTED
from cloudops_nb.ssm.values import as_text

if TYPE_CHECKING:
    from cloudops_nb.ssm.document import DocumentStep

_SLEEP, _UPDATE = "aws:sleep", "aws:updateVariable"


def step_words(step: DocumentStep) -> str:
    """Return how a branch or a loop decides, how long a sleep is, what a variable becomes, or which document runs.

    Any other step gives an empty text.
    """
    inputs = step.inputs
    if step.action == LOOP and inputs.get("Iterators") is not None:
        return f"runs for each of {as_text(inputs['Iterators'])}"
    if step.action == LOOP:
        return f"runs again while {condition_text(inputs['LoopCondition'])}"
    if step.action == BRANCH:
        ways = [f"{choice.next_step} if {condition_text(choice.condition)}" for choice in choices(inputs)]
        return "; ".join([*ways, f"else {inputs['Default']}"] if inputs.get("Default") else ways)
    if step.action == _SLEEP:
        until = inputs.get("Timestamp")
        return f"waits until {as_text(until)}" if until else f"waits {as_text(inputs.get('Duration'))}"
    if step.action == _UPDATE:
        return f"sets {as_text(inputs.get('Name'))} to {as_text(inputs.get('Value'))}"
    return f"runs {as_text(inputs.get('DocumentName'))}" if step.action == NESTED else ""
