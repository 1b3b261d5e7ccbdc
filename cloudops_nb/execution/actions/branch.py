"""``aws:branch``: go on with the step of the first choice that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.actions.step_run import Outcome
from cloudops_nb.execution.plan import StepStatus
from cloudops_nb.ssm.conditions import evaluated_choice

if TYPE_CHECKING:
    from cloudops_nb.execution.actions.step_run import StepRun


def run(step: StepRun) -> Outcome:
    """Choose the next step; without a choice that holds and without a default, the document decides."""
    chosen = evaluated_choice(step.step.inputs, step.context)
    return Outcome(StepStatus.COMPLETED, f"goes on with {chosen}" if chosen else "no choice holds", next_step=chosen)
