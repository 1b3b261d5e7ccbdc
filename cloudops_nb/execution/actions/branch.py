"""``aws:branch``: go on with the step of the first choice that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.actions.step_run import Outcome
from cloudops_nb.execution.plan import StepStatus
from cloudops_nb.ssm.branching import branch

if TYPE_CHECKING:
    from cloudops_nb.execution.actions.step_run import StepRun


def run(step: StepRun) -> Outcome:
    """Choose the next step; without a choice that holds and without a default, the next one in the document follows."""
    chosen = branch({name: step.input(name) for name in step.step.inputs})
    return Outcome(StepStatus.COMPLETED, f"goes on with {chosen or 'the next step'}", next_step=chosen)
