"""What an action is given, and what it gives back."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.plan import StepStatus
from cloudops_nb.ssm.references import substitute
from cloudops_nb.ssm.selectors import select
from cloudops_nb.ssm.values import ABSENT, are_desired, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from cloudops_nb.execution.executor import CallResult
    from cloudops_nb.ssm.document import DocumentStep


#: Shown instead of a property that may be a secret.
HIDDEN = "(sensitive)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of a step ended.

    ``answer`` is AWS's answer, from which outputs are selected; ``next_step`` is a branch's choice; ``values`` are
    those that the step gives to variables; ``transient`` says that trying again may succeed.
    """

    status: StepStatus
    message: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    next_step: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    transient: bool = False


@dataclass(frozen=True, slots=True)
class StepRun:
    """One attempt at one step on one target.

    ``call`` makes the step's own API call; ``poll`` reports an intermediate value; ``deadline`` is in seconds of the
    monotonic clock; ``context`` holds the values of the run. ``scope`` is put before the names of the step's own
    document, and ``variables`` has the types of all variables. ``hidden`` says that the property the step looks at, or
    an input, may be a secret.
    """

    step: DocumentStep
    context: Mapping[str, Any]
    call: Callable[[], CallResult]
    poll: Callable[[str], None]
    cancelled: Event
    deadline: float
    poll_seconds: float
    scope: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    hidden: bool = False

    def pause(self, seconds: float) -> bool:
        """Wait, at most until the deadline; return at once and with ``True`` if the execution is cancelled."""
        return self.cancelled.wait(max(0.0, min(seconds, self.deadline - time.monotonic())))

    @property
    def overdue(self) -> bool:
        """Whether the step's time is up."""
        return time.monotonic() >= self.deadline

    def input(self, name: str) -> Any:
        """Return an input of the action with its references filled in, ``None`` if it is not given."""
        return substitute(self.step.inputs.get(name), self.context)

    def observe(self, answer: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the property that the step looks at, as text, and whether it has a desired value.

        A selector of several places needs every one of them, and at least one, to have a desired value.
        """
        found = self._found(answer)
        text = HIDDEN if self.hidden else shown(found)
        return text, are_desired(found, self.input("DesiredValues"))

    def failed(self, answer: Mapping[str, Any]) -> bool:
        """Return whether the property, or one of its places, has a value from which it cannot become desired."""
        values = self.input("FailureValues")
        found = self._found(answer)
        places = found if isinstance(found, list) else [found]
        return bool(values) and any(are_desired(each, values) for each in places)

    def _found(self, answer: Mapping[str, Any]) -> Any:
        return select(str(self.input("PropertySelector")), answer)

    @property
    def wanted(self) -> str:
        """The desired values, as text."""
        if self.hidden:
            return "the desired value"
        desired = self.input("DesiredValues")
        return " or ".join(map(as_text, desired if isinstance(desired, list) else [desired]))


def shown(value: Any) -> str:
    """Return a property for a message."""
    if value is ABSENT or value is None or value == []:
        return "nothing"
    return ", ".join(as_text(each) or "none" for each in value) if isinstance(value, list) else as_text(value)


def failed(result: CallResult) -> Outcome:
    """Return the outcome of a call that AWS refused, or whose answer was lost."""
    status = StepStatus.OUTCOME_UNKNOWN if result.lost else StepStatus.FAILED
    return Outcome(status, result.problem, transient=result.transient)
