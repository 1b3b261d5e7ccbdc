"""``aws:executeAwsApi``: one API call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.actions.step_run import Outcome, failed
from cloudops_nb.execution.plan import StepStatus

if TYPE_CHECKING:
    from cloudops_nb.execution.actions.step_run import StepRun


def run(step: StepRun) -> Outcome:
    """Make the call; its answer is the step's."""
    result = step.call()
    return failed(result) if result.problem else Outcome(StepStatus.COMPLETED, answer=result.data)
