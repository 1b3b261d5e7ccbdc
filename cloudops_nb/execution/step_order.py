"""How the steps of an Automation document follow one another on one target.

The rules are those of the Systems Manager user guide, "Properties shared by all actions": ``onFailure``,
``isCritical``, ``isEnd`` and ``nextStep``. A step whose outcome is unknown ends the run whatever the document says,
because nothing that follows could know what it builds on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.plan import StepStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.execution.actions.step_run import Outcome
    from cloudops_nb.ssm.document import AutomationDocument, DocumentStep

#: A document may jump back; this many steps on one target is a loop.
MOST_STEPS = 500


def interpret(document: AutomationDocument, run: Callable[[DocumentStep], Outcome]) -> StepStatus:
    """Run a document's steps in their order and return how it ended as a whole.

    Args:
        document: The document.
        run: Runs one step with all its attempts.

    Returns:
        ``completed``, ``failed``, ``timeout``, ``cancelled`` or ``outcome_unknown``.
    """
    final = StepStatus.COMPLETED
    name = document.steps[0].name if document.steps else ""
    for _ in range(MOST_STEPS):
        if not name:
            return final
        step = document.step(name)
        outcome = run(step)
        if outcome.status in (StepStatus.CANCELLED, StepStatus.OUTCOME_UNKNOWN):
            return outcome.status
        if outcome.status in (StepStatus.COMPLETED, StepStatus.SKIPPED):
            name = "" if step.is_end else outcome.next_step or _following(document, step)
            continue
        if step.on_failure == "Cancel":
            return StepStatus.CANCELLED
        if step.is_critical:
            final = outcome.status
        name = "" if step.is_end else _after_failure(document, step)
        if step.on_failure == "Abort":
            return outcome.status
    return StepStatus.FAILED


def _after_failure(document: AutomationDocument, step: DocumentStep) -> str:
    return step.failure_step or _following(document, step)


def _following(document: AutomationDocument, step: DocumentStep) -> str:
    if step.next_step:
        return step.next_step
    names = [each.name for each in document.steps]
    return next(iter(names[names.index(step.name) + 1 :]), "")
