"""``aws:updateVariable``: give a variable another value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.actions.step_run import Outcome
from cloudops_nb.execution.plan import StepStatus
from cloudops_nb.ssm.values import ABSENT, BASE_TYPES

if TYPE_CHECKING:
    from cloudops_nb.execution.actions.step_run import StepRun


def run(step: StepRun) -> Outcome:
    """Set the variable.

    "The value must match the data type of the variable. Data type conversions aren't supported."
    (automation-action-update-variable)
    """
    name, value = str(step.input("Name")), step.input("Value")
    kind = step.variables.get(f"{step.scope}{name}")
    if kind is None:
        return Outcome(StepStatus.FAILED, f"there is no {step.step.inputs['Name']}")
    if value is ABSENT:
        return Outcome(StepStatus.FAILED, "the answer lacked the value")
    if not isinstance(value, BASE_TYPES[kind]) or (isinstance(value, bool) and kind != "Boolean"):
        return Outcome(StepStatus.FAILED, f"the value is not of type {kind}")
    return Outcome(StepStatus.COMPLETED, values={f"{step.scope}{name}": value})
