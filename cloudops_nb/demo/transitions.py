"""Makes simulated EC2 and RDS resources pass through AWS's transitional states, such as ``stopping``, which moto skips.

A *transition* is the time in such a state. No timer thread ends it, so no thread can race with requests: a transition
ends when the state is read for the first time after the transition's seconds have passed. While transitions are *held*,
no transition ends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, InstanceState
from moto.rds.models import DBCluster, DBInstance, RDSBackend

if TYPE_CHECKING:
    from collections.abc import Callable

#: EC2's number for each state of an instance.
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


@dataclass(frozen=True, slots=True)
class Change:
    """An operation that changes an EC2 instance's state.

    Attributes:
        method: The method of moto's ``Instance`` that performs the operation.
        transitional: The state during the transition.
        final: The state after the transition.
        participle: The word for the operation in EC2's error message.
        ignored_in: The states in which EC2 accepts the call and changes nothing.
        refused_in: The states in which EC2 returns an error.
    """

    method: str
    transitional: str
    final: str
    participle: str
    ignored_in: frozenset[str]
    refused_in: frozenset[str]


CHANGES = (
    Change(
        method="start",
        transitional="pending",
        final="running",
        participle="started",
        ignored_in=frozenset({"running", "pending"}),
        refused_in=frozenset({"stopping", "shutting-down", "terminated"}),
    ),
    Change(
        method="stop",
        transitional="stopping",
        final="stopped",
        participle="stopped",
        ignored_in=frozenset({"stopped", "stopping"}),
        refused_in=frozenset({"pending", "shutting-down", "terminated"}),
    ),
    Change(
        method="terminate",
        transitional="shutting-down",
        final="terminated",
        participle="terminated",
        ignored_in=frozenset({"terminated", "shutting-down"}),
        refused_in=frozenset(),
    ),
)

#: RDS's transitional status between two statuses.
RDS_TRANSITIONAL = {("available", "stopped"): "stopping", ("stopped", "available"): "starting"}
#: RDS's transitional status after a call of each of these methods of moto's ``RDSBackend``.
RDS_OPERATIONS = {
    "create_db_instance": "creating",
    "create_db_instance_read_replica": "creating",
    "reboot_db_instance": "rebooting",
    "modify_db_instance": "modifying",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """The duration of each transition in seconds, and a function that returns true while transitions are held."""

    seconds: float
    held: Callable[[], bool]


class Transition:
    """A transition that has begun. It lasts for ``pace.seconds``, and longer while transitions are held."""

    def __init__(self, pace: Pace) -> None:
        self._held = pace.held
        self._until = time.monotonic() + pace.seconds
        self._ended = False

    @property
    def lasts(self) -> bool:
        """Whether the transition still lasts. An ended transition stays ended, even if transitions are held later."""
        if not self._ended:
            self._ended = time.monotonic() >= self._until and not self._held()
        return not self._ended


class SettlingState(InstanceState):
    """The state of an EC2 instance in or after a transition.

    Args:
        transitional: The name of the state while the transition lasts.
        final: The name of the state after the transition.
        transition: Tells whether the transition still lasts.
    """

    def __init__(self, transitional: str, final: str, transition: Transition) -> None:
        self._transitional = transitional
        self._final = final
        self._transition = transition

    @property
    def name(self) -> str:  # type: ignore[override]  # moto has a plain attribute here
        """The name of the current state."""
        return self._transitional if self._transition.lasts else self._final

    @property
    def code(self) -> int:  # type: ignore[override]  # as above
        """EC2's code of the current state."""
        return CODES[self.name]


def install_transitions(seconds: float, held: Callable[[], bool]) -> None:
    """Make every later change of an EC2 or RDS state in this process take time.

    Existing resources keep their present states. Call this function only once per process.

    Args:
        seconds: How long a transition lasts; with 0, moto still skips transitional states.
        held: Returns true while transitions are held. It is called when a state is read after these seconds.
    """
    if seconds <= 0:
        return
    pace = Pace(seconds, held)
    for change in CHANGES:
        _slow_change(change, pace)
    _slow_launch(pace)
    for kind, raw in ((DBInstance, "status"), (DBCluster, "_status")):
        _slow_status(kind, raw, pace)
    for method, transitional in RDS_OPERATIONS.items():
        _slow_operation(method, transitional, pace)


def _slow_change(change: Change, pace: Pace) -> None:
    """Make a method of moto's ``Instance`` begin a transition, or ignore or refuse the call as EC2 does."""
    change_at_once: Callable[[Any], InstanceState] = getattr(Instance, change.method)

    def change_slowly(self: Any) -> InstanceState:
        current = self._state.name
        plain = InstanceState(current, CODES[current])
        if current in change.ignored_in:
            return plain
        if current in change.refused_in:
            reason = f"The instance '{self.id}' is not in a state from which it can be {change.participle}."
            raise EC2ClientError("IncorrectInstanceState", reason)
        # moto's method assigns the state's name and code, which are read-only in a SettlingState.
        self._state = plain
        previous = change_at_once(self)
        self._state = SettlingState(change.transitional, change.final, Transition(pace))
        return previous

    _replace(Instance, change.method, change_slowly)


def _slow_launch(pace: Pace) -> None:
    launch_at_once: Callable[..., None] = Instance.__init__

    def launch_slowly(self: Any, *arguments: Any, **keywords: Any) -> None:
        launch_at_once(self, *arguments, **keywords)
        self._state = SettlingState("pending", "running", Transition(pace))

    _replace(Instance, "__init__", launch_slowly)


def _slow_status(kind: type, raw: str, pace: Pace) -> None:
    """Replace ``status`` of moto's class by a property that returns the transitional status during a transition.

    Args:
        kind: moto's class, ``DBInstance`` or ``DBCluster``.
        raw: The attribute in which each object of this class keeps moto's own status.
        pace: How long a transitional status is shown.
    """
    moto_property = vars(kind).get("status")

    def read(self: Any) -> str:
        transitional, transition = vars(self).get("settling", ("", None))
        if transition is not None and transition.lasts:
            return str(transitional)
        return str(moto_property.fget(self) if moto_property else vars(self)[raw])

    def write(self: Any, value: str) -> None:
        if transitional := RDS_TRANSITIONAL.get((vars(self).get(raw, ""), value)):
            self.settling = (transitional, Transition(pace))
        vars(self)[raw] = value

    _replace(kind, "status", property(read, write))


def _slow_operation(method: str, transitional: str, pace: Pace) -> None:
    operate: Callable[..., Any] = getattr(RDSBackend, method)

    def operate_slowly(self: Any, *arguments: Any, **keywords: Any) -> Any:
        database = operate(self, *arguments, **keywords)
        database.settling = (transitional, Transition(pace))
        return database

    _replace(RDSBackend, method, operate_slowly)


def _replace(kind: type, name: str, value: Any) -> None:
    """Replace an attribute of one of moto's classes in this process."""
    setattr(kind, name, value)
