"""Closing the books of executions whose process died."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import AlreadyRecordedError, CloudOpsError
from cloudops_nb.execution.journal_kinds import EXECUTION_ENDED, STEP_RESULT
from cloudops_nb.execution.journal_view import ANSWER_UNRECORDED, PROCESS_ENDED
from cloudops_nb.execution.plan import PlanStatus, StepStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.execution.journal_view import JournalView, Run
    from cloudops_nb.execution.locks import Locks
    from cloudops_nb.execution.plan import Plan, Target
    from cloudops_nb.execution.ports import JournalPort


@dataclass(frozen=True, slots=True)
class Recovered:
    """An execution that was found dead.

    ``unknown`` names the changing calls, as ``step on ARN`` or, of a document that runs once, as ``step``, of which
    nobody knows whether they took effect; ``state_now`` is the live state by target ARN, empty unless it was asked for.
    """

    execution_id: str
    plan_id: str
    title: str
    unknown: Sequence[str] = ()
    state_now: Mapping[str, str] = field(default_factory=dict)


class Recovery:
    """Records the end of executions that never recorded their own.

    Several processes may recover at the same time: each end is recorded once.
    """

    def __init__(
        self,
        journal: JournalPort,
        locks: Locks,
        fingerprint: Callable[[Plan, Target], Mapping[str, Any]],
    ) -> None:
        self._journal = journal
        self._locks = locks
        self._fingerprint = fingerprint

    def recover(self, picture: JournalView, *, reread: bool = False) -> list[Recovered]:
        """Mark each dead execution failed and its unanswered calls unknown.

        Args:
            picture: A fresh reading of the journal.
            reread: Whether to ask AWS for the live state of the targets, and record it.
        """
        found = []
        for view in picture.plans():
            run = view.run
            if run is None or run.alive or run.last(EXECUTION_ENDED):
                continue
            with self._locks.claim(run.id) as dead:
                recovered = self._close(view.plan, run, reread=reread) if dead else None
            if recovered:
                found.append(recovered)
        return found

    def _close(self, plan: Plan, run: Run, *, reread: bool) -> Recovered | None:
        state_now = {target.arn: self._state(plan, target) for target in plan.target_states} if reread else {}
        body = {"status": PlanStatus.FAILED.value, "reason": PROCESS_ENDED, "state_now": state_now}
        try:
            self._journal.append(EXECUTION_ENDED, run.id, body, once=f"{EXECUTION_ENDED}:{run.id}", power_safe=True)
        except AlreadyRecordedError:
            return None
        for call in run.unanswered:
            result = {"step": call["step"], "target": call["target"], "attempts": call["attempt"], "outputs": {}}
            result |= {"status": StepStatus.OUTCOME_UNKNOWN.value}
            result |= {"message": ANSWER_UNRECORDED}
            self._journal.append(STEP_RESULT, run.id, result)
        return Recovered(
            execution_id=run.id,
            plan_id=plan.id,
            title=plan.title,
            unknown=tuple(" on ".join(filter(None, (call["step"], call["target"]))) for call in run.unanswered),
            state_now=state_now,
        )

    def _state(self, plan: Plan, target: Target) -> str:
        try:
            return str(self._fingerprint(plan, target).get("state", "not read: the document has no fingerprint"))
        except CloudOpsError as error:
            return f"unknown: {error}"
