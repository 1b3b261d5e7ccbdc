"""Running one step on one target: attempts, time limit, journal, events and outputs."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.execution.actions import ACTIONS
from cloudops_nb.execution.actions.step_run import Outcome, StepRun
from cloudops_nb.execution.authorisation import DENIED
from cloudops_nb.execution.execution import StepState
from cloudops_nb.execution.executor import ApiCall, CallResult
from cloudops_nb.execution.journal_kinds import STEP_INTENT, STEP_RESULT
from cloudops_nb.execution.outputs import redacted, take_outputs
from cloudops_nb.execution.plan import Effect, StepStatus
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.expressions import substitute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.execution.authorisation import Authorisation
    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.plan import Step, Target
    from cloudops_nb.execution.ports import Clock, JournalPort
    from cloudops_nb.execution.preflight import Ready
    from cloudops_nb.ssm.document import DocumentStep

DEFAULT_TIMEOUT = 300.0

_EVENTS = {
    StepStatus.COMPLETED: "step_completed",
    StepStatus.SKIPPED: "step_skipped",
}
_WAITING = frozenset({"aws:sleep", "aws:waitForAwsResourceProperty"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every step of an execution works with."""

    execution: Execution
    ready: Ready
    executor: Executor
    authorisation: Authorisation
    journal: JournalPort
    clock: Clock
    poll_seconds: float
    reread: Callable[[Target], Mapping[str, Any]]


class StepRunner:
    """Runs the steps of one target in the order the interpreter asks for."""

    def __init__(self, around: Surroundings, target: Target) -> None:
        self._around = around
        self._target = target
        self._planned = {step.name: step for step in around.execution.plan.steps if step.target == target.arn}
        self._outputs: dict[str, Any] = {"automation:EXECUTION_ID": around.execution.id}
        self._known = around.ready.contexts[target.arn]
        self._rehearsed = False

    def run(self, step: DocumentStep) -> Outcome:
        """Run one step with all its attempts; what happened is journalled and published."""
        planned = self._planned[step.name]
        state = StepState(step.name, self._target.arn, StepStatus.RUNNING, started=self._around.clock())
        self._around.execution.record(state)
        self._publish("step_started", step, step.description or planned.cli)
        attempt, outcome = 0, Outcome(StepStatus.CANCELLED, "cancelled")
        for attempt in range(1, self._attempts(step, planned) + 1):
            if self._around.execution.cancelled.is_set():
                outcome = _weightier(outcome, Outcome(StepStatus.CANCELLED, "cancelled before it began"))
                break
            latest = self._settle(self._attempt(step, planned, attempt))
            outcome = _weightier(outcome, latest)
            if latest.status in (StepStatus.COMPLETED, StepStatus.SKIPPED, StepStatus.CANCELLED):
                break
        self._conclude(step, outcome, replace(state, attempts=attempt))
        return outcome

    def _attempts(self, step: DocumentStep, planned: Step) -> int:
        """Repeat only what does no more when done twice."""
        repeatable = planned.effect is Effect.READ or effect_of(planned.service, planned.api).idempotent
        return max(1, step.max_attempts) if repeatable else 1

    def _attempt(self, step: DocumentStep, planned: Step, attempt: int) -> Outcome:
        try:
            if self._around.execution.dry_run and (self._rehearsed or planned.effect is not Effect.READ):
                return self._rehearse(planned)
            if self._around.execution.dry_run and step.action in _WAITING:
                return Outcome(StepStatus.SKIPPED, "dry run: it would only wait")
            context = {**self._known, **self._outputs}
            parameters = substitute(planned.parameters, self._outputs)
            limit = float(substitute(step.timeout_seconds, context) or DEFAULT_TIMEOUT)
            return ACTIONS[step.action](
                StepRun(
                    step=step,
                    context=context,
                    call=lambda: self._call(planned, parameters, attempt),
                    poll=lambda shown: self._publish("poll", step, shown),
                    cancelled=self._around.execution.cancelled,
                    deadline=time.monotonic() + limit,
                    poll_seconds=self._around.poll_seconds,
                )
            )
        except CloudOpsError as error:
            return Outcome(StepStatus.FAILED, str(error))
        except (TypeError, ValueError) as error:
            _log.exception("a step of execution %s broke", self._around.execution.id)
            return Outcome(StepStatus.FAILED, f"{type(error).__name__}: {error}")

    def _call(self, planned: Step, parameters: Mapping[str, Any], attempt: int) -> CallResult:
        plan = self._around.execution.plan
        changes = planned.effect is not Effect.READ
        if changes:
            body: dict[str, Any] = {"step": planned.name, "target": self._target.arn, "attempt": attempt}
            body |= {"service": planned.service, "api": planned.api}
            self._around.journal.append(STEP_INTENT, self._around.execution.id, body, power_safe=True)
        call = ApiCall(
            plan.account_id,
            self._around.ready.scope.client_region,
            planned.service,
            planned.api,
            parameters,
            changes=changes,
        )
        return self._around.executor.call(call)

    def _rehearse(self, planned: Step) -> Outcome:
        """Ask whether the first change would be allowed; what follows it would look at a state that never came."""
        if self._rehearsed or not planned.api:
            return Outcome(StepStatus.SKIPPED, "dry run: it follows a change that was not made")
        self._rehearsed = True
        account_id = self._around.execution.plan.account_id
        verdict, reason = self._around.authorisation.dry_run(
            planned, account_id, self._around.ready.scope.client_region
        )
        if not reason:
            verdict, reason = planned.iam, planned.iam_reason
        status = StepStatus.FAILED if verdict == DENIED else StepStatus.SKIPPED
        return Outcome(status, f"dry run: {planned.service}:{planned.api} is {verdict} ({reason})")

    def _settle(self, outcome: Outcome) -> Outcome:
        """After a lost answer, find out what is true now; it stays unknown whether our call made it so."""
        if outcome.status is not StepStatus.OUTCOME_UNKNOWN:
            return outcome
        try:
            now = f"the resource is {self._around.reread(self._target)['state']} now"
        except CloudOpsError as error:
            now = f"its state cannot be read: {error}"
        return replace(outcome, message=f"{outcome.message}; nobody knows whether the call took effect; {now}")

    def _conclude(self, step: DocumentStep, outcome: Outcome, state: StepState) -> None:
        around = self._around
        shown: dict[str, Any] = {}
        if outcome.status is StepStatus.COMPLETED:
            found = take_outputs(step, outcome.answer)
            self._outputs.update(found)
            around.execution.give_out(self._target.arn, found)
            shown = redacted(found, around.ready.playbook.metadata.sensitive_outputs)
        around.execution.record(replace(state, status=outcome.status, message=outcome.message, ended=around.clock()))
        if not around.execution.dry_run:
            body: dict[str, Any] = {"step": step.name, "target": self._target.arn, "status": outcome.status.value}
            body |= {"message": outcome.message, "attempts": state.attempts, "outputs": shown}
            around.journal.append(STEP_RESULT, around.execution.id, body)
        if shown:
            self._publish("output", step, "", shown)
        kind = _EVENTS.get(outcome.status, "step_failed")
        self._publish(kind, step, outcome.message, {"status": outcome.status.value})

    def _publish(self, kind: str, step: DocumentStep, message: str, data: Mapping[str, Any] | None = None) -> None:
        self._around.execution.publish(kind, step=step.name, target=self._target.arn, message=message, data=data or {})


def _weightier(before: Outcome, latest: Outcome) -> Outcome:
    """Return the latest outcome, save that after an unknown one only a completed repetition says what is true."""
    if before.status is not StepStatus.OUTCOME_UNKNOWN or latest.status is StepStatus.COMPLETED:
        return latest
    if latest.status is StepStatus.OUTCOME_UNKNOWN:
        return latest
    return replace(before, message=f"{before.message}; then {latest.status}: {latest.message}")
