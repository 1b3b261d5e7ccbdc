"""``aws:assertAwsResourceProperty``: a property must have a desired value now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.actions.step_run import Outcome, failed
from cloudops_nb.execution.plan import StepStatus

if TYPE_CHECKING:
    from cloudops_nb.execution.actions.step_run import StepRun


def run(step: StepRun) -> Outcome:
    """Read the property once and fail unless it has a desired value."""
    result = step.call()
    if result.problem:
        return failed(result)
    shown, desired = step.observe(result.data)
    if desired:
        return Outcome(StepStatus.COMPLETED, shown, result.data)
    return Outcome(StepStatus.FAILED, f"it is {shown}, not {step.wanted}", result.data)
