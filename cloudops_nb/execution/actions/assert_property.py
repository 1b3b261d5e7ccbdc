"""``aws:assertAwsResourceProperty``: a property must have a desired value now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.actions.step_run import Outcome, as_text, failed
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
    wanted = " or ".join(map(as_text, step.input("DesiredValues") or ()))
    return Outcome(StepStatus.FAILED, f"it is {shown}, not {wanted}", result.data)
