"""Running a plan on its targets, in a thread of its own, to an end that is always recorded."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.execution.cancellation import Cancellation
from cloudops_nb.execution.journal_kinds import EXECUTION_ENDED, TARGET_RESULT
from cloudops_nb.execution.plan import PlanStatus, StepStatus
from cloudops_nb.execution.step_order import Interpreter
from cloudops_nb.execution.step_runner import StepRunner

if TYPE_CHECKING:
    from cloudops_nb.execution.step_runner import Surroundings

_log = logging.getLogger(__name__)


class Runner:
    """Runs one execution; :meth:`run` never raises.

    Targets are taken in the plan's order, at most ``max_concurrency`` at a time; once more than ``max_errors`` have
    failed, no further target is begun. Those under way are finished.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._results: dict[str, StepStatus] = {}
        self._remarks: dict[str, str] = {}
        self._lock = threading.Lock()

    def run(self) -> tuple[PlanStatus, str]:
        """Run every target, record how it ended, and return that with the reason."""
        execution = self._around.execution
        execution.begin()
        try:
            self._run_targets()
            status, reason = self._verdict()
            self._record_end(status, reason)
        except BaseException as error:  # noqa: BLE001 - a thread's last chance to record how its run ended
            # Neither the error's text nor its traceback: both may hold values of the estate.
            _log.error("execution %s broke: %s", execution.id, type(error).__name__)
            text = f": {error}" if isinstance(error, CloudOpsError) else ""
            status, reason = PlanStatus.FAILED, f"{type(error).__name__}{text}"
            self._record_failure(reason)
        execution.settle_steps()
        return status, reason

    def _run_targets(self) -> None:
        plan = self._around.execution.plan
        waiting = iter(plan.units)

        def work() -> None:
            while True:
                with self._lock:
                    target = None if self._stopped() else next(waiting, None)
                if target is None:
                    return
                self._run_target(target)

        with ThreadPoolExecutor(plan.max_concurrency, thread_name_prefix="cloudops-target") as pool:
            for done in [pool.submit(work) for _ in range(plan.max_concurrency)]:
                done.result()

    def _stopped(self) -> bool:
        errors = sum(status is not StepStatus.COMPLETED for status in self._results.values())
        return self._around.execution.cancelled.is_set() or errors > self._around.execution.plan.max_errors

    def _run_target(self, unit: str) -> None:
        """Run the steps on one target, or once for all of them if the unit is empty."""
        around = self._around
        cancellation = Cancellation(around.execution.cancelled)
        values: dict[str, Any] = {}
        steps = StepRunner(around, unit, values, cancellation)
        try:
            interpreter = Interpreter(steps, values, cancellation, around.execution.plan.automation_id)
            status, remarks = interpreter.run(around.ready.programs[unit])
        except BaseException:
            with self._lock:
                self._results[unit] = StepStatus.FAILED
            raise
        with self._lock:
            self._results[unit] = status
            self._remarks[unit] = remarks
        if around.execution.dry_run:
            return
        around.journal.append(TARGET_RESULT, around.execution.id, {"target": unit, "status": status.value})
        if status is StepStatus.COMPLETED:
            self._verify(unit)

    def _verify(self, unit: str) -> None:
        """Say what came of it, as AWS shows it now."""
        plan = self._around.execution.plan
        for target in plan.target_states:
            if target.arn != unit or not target.fingerprint:
                continue
            try:
                now = self._around.ready.state_of(target)
            except CloudOpsError as error:
                self._around.execution.publish("output", target=unit, message=f"not verified: {error}")
                return
            wanted = target.expected_state or target.state
            expected = now == wanted
            note = "as expected" if expected else f"expected was {wanted}"
            self._around.execution.publish(
                "output",
                target=unit,
                message=f"{target.name or target.identifier}: {target.state} -> {now}, {note}",
                data={"state": now, "as_expected": expected},
            )

    def _verdict(self) -> tuple[PlanStatus, str]:
        plan = self._around.execution.plan
        found = set(self._results.values())
        names = {target.arn: target.name or target.identifier for target in plan.target_states}
        if found <= {StepStatus.COMPLETED} and len(self._results) == len(plan.units):
            remarks = [f"{names[unit]}: {text}" if unit else text for unit, text in self._remarks.items() if text]
            return PlanStatus.COMPLETED, "; ".join(remarks)
        failed = [unit for unit in plan.units if self._results.get(unit) != StepStatus.COMPLETED]
        reason = "; ".join(
            " ".join(
                filter(
                    None,
                    (
                        f"{names[unit]}:" if unit else "",
                        str(self._results.get(unit, "not begun")),
                        f"({self._remarks[unit]})" if self._remarks.get(unit) else "",
                    ),
                )
            )
            for unit in failed
        )
        for step_status, status in (
            (StepStatus.OUTCOME_UNKNOWN, PlanStatus.FAILED),
            (StepStatus.FAILED, PlanStatus.FAILED),
            (StepStatus.TIMEOUT, PlanStatus.TIMEOUT),
        ):
            if step_status in found:
                return status, reason
        return PlanStatus.CANCELLED, reason

    def _record_end(self, status: PlanStatus, reason: str) -> None:
        if self._around.execution.dry_run:
            return
        body = {"status": status.value, "reason": reason}
        execution_id = self._around.execution.id
        once = f"{EXECUTION_ENDED}:{execution_id}"
        self._around.journal.append(EXECUTION_ENDED, execution_id, body, once=once, power_safe=True)

    def _record_failure(self, reason: str) -> None:
        """Try to record the end of a broken run; a journal that cannot be written is what broke it, most likely."""
        try:
            self._record_end(PlanStatus.FAILED, reason)
        except CloudOpsError as error:
            ended = self._around.execution.id
            _log.error("the end of execution %s is not recorded: %s", ended, type(error).__name__)
