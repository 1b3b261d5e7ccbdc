"""How the steps of a program follow one another.

The ways between steps are those of :mod:`cloudops_nb.ssm.control_flow`. This module adds what a run does on them:
loops, nested documents and composite actions, which failures count for the end, what happens after a cancel, and the
ends that a document cannot change. A step whose outcome is unknown ends the run whatever the document says, because
nothing that follows could know what it builds on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cloudops_nb.errors import PlaybookError
from cloudops_nb.execution.actions.step_run import Outcome
from cloudops_nb.execution.parameter_values import refers
from cloudops_nb.execution.plan import StepStatus
from cloudops_nb.execution.program import automation_id_of, output_names
from cloudops_nb.execution.step_limits import MOST_STEPS, attempts_of, items_of, iterations_of, limit_of
from cloudops_nb.ssm.conditions import holds
from cloudops_nb.ssm.control_flow import END
from cloudops_nb.ssm.document import LOOP
from cloudops_nb.ssm.references import absent_references, substitute
from cloudops_nb.ssm.values import ABSENT, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudops_nb.execution.cancellation import Cancellation
    from cloudops_nb.execution.program import Block, Nested, Node

#: Automation's words for how a nested document ended.
_STATUS_WORDS = {
    StepStatus.COMPLETED: "Success",
    StepStatus.TIMEOUT: "TimedOut",
    StepStatus.CANCELLED: "Cancelled",
}
_DONE = (StepStatus.COMPLETED, StepStatus.SKIPPED)


class Steps(Protocol):
    """Runs single steps, and records the steps that hold others."""

    @property
    def left_out(self) -> bool:
        """Whether a dry run left a step out, so that values of later steps are not known."""

    def run(self, node: Node, path: str, deadline: float) -> Outcome:
        """Run one step with all its attempts, at most until the deadline on the monotonic clock."""

    def begin(self, node: Node, path: str) -> None:
        """Record that a loop, a composite action or a nested document begins."""

    def end(self, node: Node, path: str, outcome: Outcome, outputs: Mapping[str, Any]) -> None:
        """Record how it ended, with its predefined outputs."""


@dataclass(slots=True)
class _Frame:
    """How a document, or a composite action, is doing.

    Attributes:
        status: The status so far.
        remarks: Remarks for a person.
        cleaning: Whether a cancel led to the steps of its own ``onCancel``.
    """

    status: StepStatus = StepStatus.COMPLETED
    remarks: list[str] = field(default_factory=list)
    cleaning: bool = False

    def fail(self, status: StepStatus) -> None:
        """Count a failure; a failed step weighs more than one whose time was up."""
        if self.status is not StepStatus.FAILED:
            self.status = status


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a step with steps inside runs: its path, until when, in which frame, and what it gives out."""

    path: str
    deadline: float
    frame: _Frame
    outputs: dict[str, Any] = field(default_factory=dict)


class _Stop(Exception):  # noqa: N818 - a way out of nested calls, not an error
    """Ends a frame at once."""


class _Overdue(Exception):  # noqa: N818 - as above
    """The time of a step with steps inside is up."""


class _Leave(Exception):  # noqa: N818 - as above
    """Leaves a loop for a step outside of it."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


class Interpreter:
    """Runs the program of one target, or of a plan that runs once; :attr:`values` holds what its references mean."""

    def __init__(self, steps: Steps, values: dict[str, Any], cancellation: Cancellation, automation_id: str) -> None:
        self._steps = steps
        self.values = values
        self._cancellation = cancellation
        self._automation_id = automation_id

    def run(self, program: Block) -> tuple[StepStatus, str]:
        """Run every step and return how the run ended, with the reason or remarks.

        The status is ``completed``, ``failed``, ``timeout``, ``cancelled`` or ``outcome_unknown``.
        """
        self.values.update(program.initial)
        frame = self._run_frame(program, "", float("inf"))
        return frame.status, "; ".join(frame.remarks)

    def _run_frame(self, block: Block, prefix: str, deadline: float) -> _Frame:
        frame = _Frame()
        try:
            self._run_block(block, prefix, 0, deadline, frame)
        except _Stop:
            pass
        except _Overdue:
            frame.fail(StepStatus.TIMEOUT)
            frame.remarks.append("its time was up")
        if frame.cleaning and frame.status is not StepStatus.OUTCOME_UNKNOWN:
            frame.status = StepStatus.CANCELLED
        return frame

    def _run_block(self, block: Block, prefix: str, iteration: int, deadline: float, frame: _Frame) -> None:
        name, trace = block.flow.first, list[str]()
        while name != END:
            if name not in block.flow:
                raise _Leave(name)
            if name in trace:
                self._require_end_of_circle(trace, name, frame)
            trace.append(name)
            node = block.nodes[name]
            path = f"{prefix}{node.step.name}" + (f"#{iteration}" if iteration else "")
            if self._cancellation.stops:
                frame.status = StepStatus.CANCELLED
                raise _Stop
            if time.monotonic() >= deadline:
                raise _Overdue
            name = self._next(block, node, self._run_node(node, path, deadline, frame), path, frame)

    def _require_end_of_circle(self, trace: list[str], name: str, frame: _Frame) -> None:
        """Raise :class:`_Stop` if steps repeat for too long; a dry run cannot know how often they repeat."""
        if self._steps.left_out:
            raise _Stop
        if len(trace) >= MOST_STEPS:
            frame.fail(StepStatus.FAILED)
            frame.remarks.append(f"stopped after {MOST_STEPS} steps: {_circle([*trace, name])} repeat")
            raise _Stop

    def _next(self, block: Block, node: Node, outcome: Outcome, path: str, frame: _Frame) -> str:
        """Return the step after one that ended; raises :class:`_Stop` if the frame ends."""
        step, flow = node.step, block.flow
        if outcome.status is StepStatus.OUTCOME_UNKNOWN:
            frame.status = outcome.status
            raise _Stop
        if outcome.status is StepStatus.CANCELLED or (self._cancellation.stops and not self._cancellation.cleaning):
            target = flow.after_cancel(step)
            if frame.cleaning or not target:
                frame.status = StepStatus.CANCELLED
                raise _Stop
            frame.cleaning = True
            self._cancellation.clean_up()
            return target
        if outcome.status in _DONE:
            return flow.after_success(step, outcome.next_step)
        if step.on_failure == "Cancel":
            frame.status = StepStatus.CANCELLED
            frame.remarks.append(f"{path} {outcome.status}, so the run is cancelled")
            raise _Stop
        if not step.is_critical:
            frame.remarks.append(f"{path} {outcome.status}, which is not critical")
        else:
            frame.fail(outcome.status)
            if node.body and outcome.message:
                frame.remarks.append(f"{path}: {outcome.message}")
        if step.on_failure == "Abort":
            raise _Stop
        return flow.after_failure(step)

    def _run_node(self, node: Node, path: str, deadline: float, frame: _Frame) -> Outcome:
        self._forget([node])
        if node.body is None:
            return self._steps.run(node, path, deadline)
        self._forget(node.body.walk())
        self._steps.begin(node, path)
        place = _Place(path, deadline, frame)
        try:
            if node.step.action == LOOP:
                outcome = self._loop(node, node.body, place)
            elif node.nested:
                outcome = self._nested(node, node.nested, node.body, place)
            else:
                outcome = self._composite(node, node.body, place)
        except PlaybookError as error:
            status = StepStatus.SKIPPED if self._steps.left_out else StepStatus.FAILED
            outcome = Outcome(status, str(error))
        except _Stop:
            self._steps.end(node, path, Outcome(frame.status, "a step inside ended the run"), place.outputs)
            raise
        self.values.update({f"{node.key}.{name}": value for name, value in place.outputs.items()})
        self._steps.end(node, path, outcome, place.outputs)
        return outcome

    def _forget(self, nodes: Iterable[Node]) -> None:
        """Take back the outputs of an earlier run of steps, so that nothing acts on the values of another item."""
        for node in nodes:
            self.values.update({f"{node.key}.{name}": ABSENT for name in output_names(node.step)})

    def _loop(self, node: Node, body: Block, place: _Place) -> Outcome:
        """Run a body for each item, or until a condition no longer holds.

        The body's failures are the document's own: "the aws:loop action inherits those properties and reacts
        accordingly" (automation-action-loop). Its steps "function like a nested runbook", so each iteration starts
        without the outputs of the one before.
        """
        most, items = iterations_of(node.step, self.values), items_of(node.step, self.values)
        deadline, frame, outputs = place.deadline, place.frame, place.outputs
        if node.step.timeout_seconds is not None:
            deadline = min(deadline, self._deadline(node))
        count, cleaning = 0, frame.cleaning
        while count < (most if items is None else min(most, len(items))):
            count += 1
            outputs["CurrentIteration"] = count
            if items is not None:
                outputs["CurrentIteratorValue"] = items[count - 1]
            self._forget(body.walk())
            self.values.update({f"{node.key}.{name}": value for name, value in outputs.items()})
            try:
                self._run_block(body, f"{place.path}/", count, deadline, frame)
            except _Leave as leave:
                return Outcome(StepStatus.COMPLETED, f"left for {leave.target}", next_step=leave.target)
            except _Overdue:
                return Outcome(StepStatus.TIMEOUT, f"its time was up in iteration {count}")
            if frame.cleaning and not cleaning:
                raise _Stop
            if self._steps.left_out:
                return Outcome(StepStatus.COMPLETED, "dry run: the first iteration alone")
            if items is None and not holds(node.step.inputs["LoopCondition"], self.values):
                break
        return Outcome(StepStatus.COMPLETED, f"ran {count} times")

    def _composite(self, node: Node, body: Block, place: _Place) -> Outcome:
        """Run the calls of a composite action; what they gave out counts although a later one failed.

        An input without a value fails the action, as it fails a call: the calls would be those of another input.
        """
        if missing := absent_references(dict(node.step.inputs), self.values):
            raise PlaybookError(f"{', '.join(missing)} has no value", "an earlier answer lacked it")
        frame = self._run_frame(body, f"{place.path}/", min(place.deadline, self._deadline(node)))
        place.outputs.update({name: substitute(value, self.values) for name, value in node.step.predefined.items()})
        return Outcome(frame.status, "; ".join(frame.remarks))

    def _nested(self, node: Node, nested: Nested, body: Block, place: _Place) -> Outcome:
        """Run a nested document; its parameters that depend on the run are checked now."""
        for name, value in nested.parameters.items():
            if refers(value):
                self.values[f"{node.key}/{name}"] = self._parameter(nested, name, value)
        self.values.update(body.initial)
        limit = self._deadline(node) if node.step.timeout_seconds is not None else place.deadline
        frame = self._run_frame(body, f"{place.path}/", min(place.deadline, limit))
        given_out = nested.playbook.document.outputs
        place.outputs["Output"] = [as_text(self.values.get(f"{node.key}/{name}")) for name in given_out]
        place.outputs["ExecutionId"] = automation_id_of(self._automation_id, f"{node.key}/")
        place.outputs["Status"] = _STATUS_WORDS.get(frame.status, "Failed")
        status = frame.status
        if status is StepStatus.CANCELLED and not self._cancellation.requested:
            # The document cancelled itself, and nobody the run: to the document around it, that is a failure.
            status = StepStatus.FAILED
        return Outcome(status, "; ".join(frame.remarks))

    def _parameter(self, nested: Nested, name: str, value: Any) -> Any:
        parameter, document = nested.playbook.document.parameters[name], nested.playbook.ref.id
        if missing := absent_references(value, self.values):
            why = f"{', '.join(missing)} has no value: an earlier answer lacked it"
            raise PlaybookError(f"parameter {name} of {document} has no value", why)
        found = parameter.convert(substitute(value, self.values))
        if problem := parameter.problem(found):
            raise PlaybookError(f"parameter {name} of {document} does not fit", f"it {problem}")
        return found

    def _deadline(self, node: Node) -> float:
        """Return when the time of a step with steps inside is up, all its attempts together."""
        return time.monotonic() + limit_of(node.step, self.values) * attempts_of(node.step, self.values)


def _circle(trace: list[str]) -> str:
    """Return the steps that the end of a trace repeats, as ``a -> b -> a``."""
    last = trace[-1]
    start = max((index for index, name in enumerate(trace[:-1]) if name == last), default=len(trace) - 1)
    return " -> ".join(trace[start:])
