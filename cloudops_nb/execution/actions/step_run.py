"""What an action is given, and what it gives back."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.plan import StepStatus
from cloudops_nb.ssm.expressions import substitute
from cloudops_nb.ssm.selectors import select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Event

    from cloudops_nb.execution.executor import CallResult
    from cloudops_nb.ssm.document import DocumentStep


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of a step ended.

    ``answer`` is AWS's answer, from which outputs are selected; ``next_step`` is a branch's choice;
    ``transient`` says that trying again may succeed.
    """

    status: StepStatus
    message: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    next_step: str = ""
    transient: bool = False


@dataclass(frozen=True, slots=True)
class StepRun:
    """One attempt at one step on one target.

    ``call`` makes the step's own API call; ``poll`` reports an intermediate value; ``deadline`` is in seconds of the
    monotonic clock; ``context`` holds the values of references known so far.
    """

    step: DocumentStep
    context: Mapping[str, Any]
    call: Callable[[], CallResult]
    poll: Callable[[str], None]
    cancelled: Event
    deadline: float
    poll_seconds: float

    def pause(self, seconds: float) -> bool:
        """Wait, at most until the deadline; return at once and with ``True`` when the execution is cancelled."""
        return self.cancelled.wait(max(0.0, min(seconds, self.deadline - time.monotonic())))

    @property
    def overdue(self) -> bool:
        """Whether the step's time is up."""
        return time.monotonic() >= self.deadline

    def input(self, name: str) -> Any:
        """Return an input of the action with its references filled in, ``None`` when it is absent."""
        return substitute(self.step.inputs.get(name), self.context)

    def observe(self, answer: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the property the step looks at, as text, and whether it has a desired value.

        A selector of several places needs every one of them, and at least one, to have a desired value.
        """
        found = select(str(self.input("PropertySelector")), answer)
        values: Sequence[Any] = found if isinstance(found, list) else [found]
        desired = {as_text(value) for value in self.input("DesiredValues") or ()}
        shown = ", ".join(map(as_text, values)) or "nothing"
        return shown, bool(values) and all(as_text(value) in desired for value in values)


def as_text(value: Any) -> str:
    """Return a value as Automation compares it: text, with ``true`` and ``false`` for booleans."""
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def failed(result: CallResult) -> Outcome:
    """Return the outcome of a call that AWS refused, or whose answer was lost."""
    status = StepStatus.OUTCOME_UNKNOWN if result.lost else StepStatus.FAILED
    return Outcome(status, result.problem, transient=result.transient)
