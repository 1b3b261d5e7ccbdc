"""A running or finished execution: its events, its steps, and the way to stop it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.plan import Event, PlanStatus, StepStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.execution.ports import Clock

_ENDED = frozenset({PlanStatus.COMPLETED, PlanStatus.FAILED, PlanStatus.TIMEOUT, PlanStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class StepState:
    """How far one step on one target is."""

    name: str
    target: str
    status: StepStatus
    message: str = ""
    attempts: int = 0
    started: datetime | None = None
    ended: datetime | None = None


@dataclass(slots=True)
class _State:
    status: PlanStatus = PlanStatus.APPROVED
    events: list[Event] = field(default_factory=list)
    steps: dict[tuple[str, str], StepState] = field(default_factory=dict)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)


class Execution:
    """One run of a plan, working in a thread of its own.

    Iterating yields every event from the first on, waiting for the next one until the run ends; it may be iterated
    more than once and from several threads. A ``KeyboardInterrupt`` (or any other exception) in whoever iterates or
    waits stops only the watching: the work goes on, :attr:`status` stays true, and iterating again shows every event.
    To stop the work, call :meth:`cancel`. The interpreter does not exit before the work ended.
    """

    def __init__(self, execution_id: str, plan: Plan, clock: Clock, *, dry_run: bool = False) -> None:
        self.id = execution_id
        self.plan = plan
        self.dry_run = dry_run
        self._clock = clock
        self._state = _State()
        for place, step in enumerate(plan.steps):
            self._state.steps[step.target, step.name] = StepState(step.name, step.target, StepStatus.PENDING)
            self._state.places[step.target, step.name] = place
        self._changed = threading.Condition()
        self.cancelled = threading.Event()

    def __repr__(self) -> str:
        return f"<Execution {self.id} {self.status} of {self.plan.hash[:12]}>"

    def __iter__(self) -> Iterator[Event]:
        seen = 0
        while fresh := self._events_from(seen):
            seen += len(fresh)
            yield from fresh

    def _events_from(self, start: int) -> Sequence[Event]:
        """Wait for further events and return them; none when the run is over."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._state.events) > start or self.ended)
            return self._state.events[start:]

    @property
    def status(self) -> PlanStatus:
        """How the run stands."""
        return self._state.status

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self._state.status in _ENDED

    @property
    def steps(self) -> Sequence[StepState]:
        """Each step on each target, in the plan's order; the runs of a repeated step follow one another."""
        with self._changed:
            places = self._state.places
            return tuple(self._state.steps[key] for key in sorted(self._state.steps, key=places.__getitem__))

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        """What the steps gave out, by target ARN and ``step.Output``; sensitive values exist only here."""
        with self._changed:
            return {target: dict(values) for target, values in self._state.outputs.items()}

    def cancel(self) -> None:
        """Ask the run to stop: it does so between steps, polls and attempts; a call under way is answered first."""
        self.cancelled.set()

    def wait(self, timeout: float | None = None) -> PlanStatus:
        """Wait until the run is over, at most ``timeout`` seconds, and return how it stands."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended, timeout)
        return self.status

    def publish(
        self,
        kind: str,
        *,
        step: str = "",
        target: str = "",
        message: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an event; ``data`` must be JSON-ready and without secrets."""
        event = Event(self._clock(), kind, self.id, step, target, message, data or {})
        with self._changed:
            self._state.events.append(event)
            self._changed.notify_all()

    def record(self, state: StepState, planned: str = "") -> None:
        """Set how far a step is; ``planned`` is its path in the plan, if the run repeats it under paths of its own."""
        with self._changed:
            if planned and planned != state.name:
                self._state.steps.pop((state.target, planned), None)
                self._state.places[state.target, state.name] = self._state.places[state.target, planned]
            self._state.steps[state.target, state.name] = state

    def settle_steps(self) -> None:
        """Close the books: a step that never began was skipped, one that never ended broke."""
        ends = {StepStatus.PENDING: StepStatus.SKIPPED, StepStatus.RUNNING: StepStatus.FAILED}
        with self._changed:
            open_steps = [state for state in self._state.steps.values() if state.status in ends]
        for state in open_steps:
            self.record(replace(state, status=ends[state.status]))
            if state.status is StepStatus.PENDING:
                self.publish("step_skipped", step=state.name, target=state.target)

    def give_out(self, target: str, outputs: Mapping[str, Any]) -> None:
        """Keep outputs of a step, sensitive ones included."""
        with self._changed:
            self._state.outputs.setdefault(target, {}).update(outputs)

    def begin(self) -> None:
        """Say that the run has begun."""
        with self._changed:
            self._state.status = PlanStatus.RUNNING
        self.publish("started", message=self.plan.title)

    def end(self, status: PlanStatus, message: str = "") -> None:
        """Say that the run is over; this is the last event."""
        with self._changed:
            event = Event(self._clock(), status.value, self.id, message=message)
            self._state.events.append(event)
            self._state.status = status
            self._changed.notify_all()
