"""``aws:waitForAwsResourceProperty``: poll until a property has a desired value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.actions.step_run import Outcome, failed
from cloudops_nb.execution.plan import StepStatus

if TYPE_CHECKING:
    from cloudops_nb.execution.actions.step_run import StepRun

#: The first pause is this part of the longest, and each is twice the one before.
FIRST_PAUSE = 8


def run(step: StepRun) -> Outcome:
    """Poll until the property has a desired value, the step's time is up, or the execution is cancelled.

    A poll that fails for a passing reason, such as throttling, is followed by the next one. The first polls come closer
    together, as many changes are quick; then one comes every ``poll_seconds``.
    """
    shown = "unknown"
    pause = step.poll_seconds / FIRST_PAUSE
    while True:
        result = step.call()
        if result.problem and not result.transient:
            return failed(result)
        if result.problem:
            step.poll(result.problem)
        else:
            shown, desired = step.observe(result.data)
            if desired:
                return Outcome(StepStatus.COMPLETED, shown, result.data)
            if step.failed(result.data):
                return Outcome(StepStatus.FAILED, f"it is {shown} and cannot become {step.wanted}", result.data)
            step.poll(shown)
        cancelled = step.pause(pause)
        pause = min(2 * pause, step.poll_seconds)
        if cancelled:
            return Outcome(StepStatus.CANCELLED, f"cancelled while it was {shown}", result.data)
        if step.overdue:
            return Outcome(StepStatus.TIMEOUT, f"it was still {shown}, not {step.wanted}", result.data)
