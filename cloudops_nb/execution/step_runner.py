"""Running one step on one target: attempts, time limit, journal, events and outputs."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import CloudOpsError, PlaybookError
from cloudops_nb.execution.actions import ACTIONS
from cloudops_nb.execution.actions.step_run import Outcome, StepRun
from cloudops_nb.execution.authorisation import DENIED
from cloudops_nb.execution.cli_command import cli_command
from cloudops_nb.execution.execution import StepState
from cloudops_nb.execution.executor import ApiCall, CallResult
from cloudops_nb.execution.journal_kinds import STEP_INTENT, STEP_RESULT
from cloudops_nb.execution.outputs import recorded, redacted, take_outputs
from cloudops_nb.execution.plan import Effect, StepStatus
from cloudops_nb.execution.program import variable_types
from cloudops_nb.execution.run_secrets import RunSecrets
from cloudops_nb.execution.step_limits import attempts_of, limit_of
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.references import absent_references, references, substitute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.execution.authorisation import Authorisation
    from cloudops_nb.execution.cancellation import Cancellation
    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.plan import Step
    from cloudops_nb.execution.ports import Clients, Clock, JournalPort
    from cloudops_nb.execution.preflight import Ready
    from cloudops_nb.execution.program import Node
    from cloudops_nb.ssm.document import DocumentStep

_EVENTS = {
    StepStatus.COMPLETED: "step_completed",
    StepStatus.SKIPPED: "step_skipped",
}
_WAITING = frozenset({"aws:sleep", "aws:waitForAwsResourceProperty"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every step of an execution works with; ``reread`` describes a target now, as a clause."""

    execution: Execution
    ready: Ready
    executor: Executor
    clients: Clients
    authorisation: Authorisation
    journal: JournalPort
    clock: Clock
    poll_seconds: float
    reread: Callable[[str], str]


class StepRunner:
    """Runs the steps of one target, or of a plan that runs once, in the order that the interpreter asks for.

    Args:
        around: What the steps work with.
        target: The target's ARN; empty for a plan that runs once.
        values: What references mean; the runner adds outputs and variables.
        cancellation: Whether the run was cancelled.
    """

    def __init__(self, around: Surroundings, target: str, values: dict[str, Any], cancellation: Cancellation) -> None:
        self._around = around
        self._target = target
        self._values = values
        self._cancellation = cancellation
        self._planned = {step.name: step for step in around.execution.plan.steps if step.target == target}
        program = around.ready.programs[target]
        self._variables = variable_types(program)
        self._begun: dict[str, StepState] = {}
        self._uncancelled = threading.Event()
        self._rehearsed = False
        #: Whether a dry run left a step out.
        self.left_out = False
        self._secrets = RunSecrets(around.ready.playbook, program, self._model)

    def begin(self, node: Node, path: str) -> None:
        """Record that a loop, a composite action or a nested document begins."""
        state = StepState(path, self._target, StepStatus.RUNNING, started=self._around.clock())
        self._begun[path] = state
        self._secrets.begun(node)
        self._around.execution.record(state, node.path)
        self._publish("step_started", path, node.step.description or node.step.action)

    def end(self, node: Node, path: str, outcome: Outcome, outputs: Mapping[str, Any]) -> None:
        """Record how it ended, with its predefined outputs."""
        self._secrets.ended(node, outcome)
        self._record(node, path, outcome, replace(self._begun[path], attempts=1), outputs=outputs)

    def run(self, node: Node, path: str, deadline: float) -> Outcome:
        """Run one step with all its attempts; what happened is journalled and published."""
        step, planned = node.step, self._planned[node.path]
        state = StepState(path, self._target, StepStatus.RUNNING, started=self._around.clock())
        self._around.execution.record(state, node.path)
        self._publish("step_started", path, self._heading(step, planned))
        attempt, outcome, requests = 0, Outcome(StepStatus.CANCELLED, "cancelled"), list[str]()
        most, problem = self._attempts(node, planned)
        if problem:
            outcome = Outcome(StepStatus.FAILED, problem)
        for attempt in range(1, most + 1):
            if self._cancellation.stops:
                outcome = _weightier(outcome, Outcome(StepStatus.CANCELLED, "cancelled before it began"))
                break
            latest = self._settle(self._attempt(node, path, planned, attempt, deadline=deadline, requests=requests))
            outcome = _weightier(outcome, latest)
            if latest.status in (StepStatus.COMPLETED, StepStatus.SKIPPED, StepStatus.CANCELLED):
                break
        outputs: dict[str, Any] = {}
        if outcome.status is StepStatus.COMPLETED:
            outputs = take_outputs(step, outcome.answer)
            self._values.update({f"{node.key}.{name}": value for name, value in outputs.items()})
            self._values.update(outcome.values)
            self._secrets.ended(node, outcome)
        self._record(node, path, outcome, replace(state, attempts=attempt), outputs=outputs, requests=requests)
        return outcome

    def _heading(self, step: DocumentStep, planned: Step) -> str:
        """Return a step's description or command with the values of this run; as it was planned if one is secret."""
        shown: dict[str, Any] = {"description": step.description} if step.description else dict(planned.parameters)
        heading = step.description or planned.cli
        if not heading or not references(shown) or self._secrets.used_by(shown):
            return heading
        try:
            filled = substitute(shown, self._values)
        except PlaybookError:  # The attempt meets the same problem, and reports it.
            return heading
        region = self._around.ready.scope.client_region
        return str(filled.get("description") or cli_command(planned.service, planned.api, filled, region))

    def _attempts(self, node: Node, planned: Step) -> tuple[int, str]:
        """Return how often a step is tried, or why not at all: only what does no more when done twice is repeated."""
        repeatable = planned.effect is Effect.READ or effect_of(planned.service, planned.api).idempotent
        try:
            return (attempts_of(node.step, self._values) if repeatable else 1), ""
        except CloudOpsError as error:
            return 0, str(error)

    def _attempt(
        self, node: Node, path: str, planned: Step, attempt: int, *, deadline: float, requests: list[str]
    ) -> Outcome:
        step, dry_run = node.step, self._around.execution.dry_run
        try:
            if dry_run and (self._rehearsed or planned.effect is not Effect.READ):
                return self._rehearse(planned)
            if dry_run and step.action in _WAITING:
                self.left_out = True
                return Outcome(StepStatus.SKIPPED, "dry run: it would only wait")
            if missing := absent_references(dict(step.inputs) if planned.api else {}, self._values):
                status = StepStatus.SKIPPED if self.left_out else StepStatus.FAILED
                return Outcome(status, f"{', '.join(missing)} has no value: an earlier answer lacked it")
            parameters = substitute(planned.parameters, self._values) if planned.api else {}
            limit = time.monotonic() + limit_of(step, self._values)
            return ACTIONS[step.action](
                StepRun(
                    step=step,
                    context=self._values,
                    call=lambda: self._call(path, planned, parameters, attempt, requests),
                    poll=lambda shown: self._publish("poll", path, shown),
                    cancelled=self._uncancelled if self._cancellation.cleaning else self._around.execution.cancelled,
                    deadline=self._until(deadline if step.action == "aws:sleep" else min(deadline, limit)),
                    poll_seconds=self._around.poll_seconds,
                    scope=node.scope,
                    variables=self._variables,
                    hidden=self._secrets.hides(step, self._values),
                )
            )
        except CloudOpsError as error:
            return Outcome(StepStatus.FAILED, self._told(step, str(error), error))
        except (TypeError, ValueError) as error:
            # Neither the error's text nor its traceback: both may hold values of the estate.
            _log.error("a step of execution %s broke: %s", self._around.execution.id, type(error).__name__)
            return Outcome(StepStatus.FAILED, self._told(step, f"{type(error).__name__}: {error}", error))

    def _told(self, step: DocumentStep, message: str, error: Exception) -> str:
        """Return the message of an error, or its type alone if the step has a secret in its inputs."""
        return type(error).__name__ if self._secrets.used_by(dict(step.inputs)) else message

    def _until(self, deadline: float) -> float:
        until = self._cancellation.clean_up_until
        return deadline if until is None else min(deadline, until)

    def _call(
        self, path: str, planned: Step, parameters: Mapping[str, Any], attempt: int, requests: list[str]
    ) -> CallResult:
        plan = self._around.execution.plan
        changes = planned.effect is not Effect.READ
        region = self._around.ready.scope.client_region
        if changes:
            body: dict[str, Any] = {"step": path, "target": self._target, "attempt": attempt}
            body |= {"service": planned.service, "api": planned.api}
            self._around.journal.append(STEP_INTENT, self._around.execution.id, body, power_safe=True)
        call = ApiCall(plan.account_id, region, planned.service, planned.api, parameters, changes=changes)
        result = self._around.executor.call(call)
        if result.request_id:
            requests.append(result.request_id)
        if result.problem and self._secrets.used_by(dict(planned.parameters)):
            return replace(result, problem=f"{result.code}: the message may repeat a sensitive value")
        return result

    def _rehearse(self, planned: Step) -> Outcome:
        """Ask whether the first change would be allowed; what follows it would look at a state that never came."""
        self.left_out = True
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
        now = self._around.reread(self._target)
        return replace(outcome, message=f"{outcome.message}; it is unknown whether the call took effect; {now}")

    def _record(
        self,
        node: Node,
        path: str,
        outcome: Outcome,
        state: StepState,
        *,
        outputs: Mapping[str, Any],
        requests: Sequence[str] = (),
    ) -> None:
        around = self._around
        found = recorded(outputs)
        around.execution.give_out(self._target, {f"{path}.{name}": value for name, value in found.items()})
        shown = redacted(found, {name for name in found if f"{node.key}.{name}" in self._secrets})
        ended = replace(state, status=outcome.status, message=outcome.message, ended=around.clock())
        around.execution.record(ended, node.path)
        if not around.execution.dry_run:
            body: dict[str, Any] = {"step": path, "target": self._target, "status": outcome.status.value}
            body |= {"message": outcome.message, "attempts": state.attempts}
            body |= {"outputs": {f"{path}.{name}": value for name, value in shown.items()}}
            body |= {"request_ids": list(requests)}
            around.journal.append(STEP_RESULT, around.execution.id, body)
        if shown:
            self._publish("output", path, "", {f"{path}.{name}": value for name, value in shown.items()})
        kind = _EVENTS.get(outcome.status, "step_failed")
        self._publish(kind, path, outcome.message, {"status": outcome.status.value})

    def _model(self, service: str) -> Any:
        plan, region = self._around.execution.plan, self._around.ready.scope.client_region
        return self._around.clients.client(plan.account_id, service, region).meta.service_model

    def _publish(self, kind: str, path: str, message: str, data: Mapping[str, Any] | None = None) -> None:
        self._around.execution.publish(kind, step=path, target=self._target, message=message, data=data or {})


def _weightier(before: Outcome, latest: Outcome) -> Outcome:
    """Return the latest outcome, save that after an unknown one only a completed repetition says what is true."""
    if before.status is not StepStatus.OUTCOME_UNKNOWN or latest.status is StepStatus.COMPLETED:
        return latest
    if latest.status is StepStatus.OUTCOME_UNKNOWN:
        return latest
    return replace(before, message=f"{before.message}; then {latest.status}: {latest.message}")
