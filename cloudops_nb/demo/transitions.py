"""Makes the simulated EC2 and RDS pass through AWS's transitional states, which moto skips.

A state settles by the clock when it is read, so there is no timer thread to race with; while transitions are held, no
state settles.
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

#: EC2's codes for its state names.
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an EC2 instance's state: moto's method, and the states that EC2 shows, ignores and refuses."""

    method: str
    between: str
    final: str
    participle: str
    ignored_in: frozenset[str]
    refused_in: frozenset[str]


CHANGES = (
    Change(
        method="start",
        between="pending",
        final="running",
        participle="started",
        ignored_in=frozenset({"running", "pending"}),
        refused_in=frozenset({"stopping", "shutting-down", "terminated"}),
    ),
    Change(
        method="stop",
        between="stopping",
        final="stopped",
        participle="stopped",
        ignored_in=frozenset({"stopped", "stopping"}),
        refused_in=frozenset({"pending", "shutting-down", "terminated"}),
    ),
    Change(
        method="terminate",
        between="shutting-down",
        final="terminated",
        participle="terminated",
        ignored_in=frozenset({"terminated", "shutting-down"}),
        refused_in=frozenset(),
    ),
)

#: The status that RDS shows between two settled ones, and during an operation.
RDS_BETWEEN = {("available", "stopped"): "stopping", ("stopped", "available"): "starting"}
RDS_OPERATIONS = {
    "create_db_instance": "creating",
    "create_db_instance_read_replica": "creating",
    "reboot_db_instance": "rebooting",
    "modify_db_instance": "modifying",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a transition lasts, in seconds, and whether all of them are held."""

    seconds: float
    held: Callable[[], bool]


class Transition:
    """A change of state that has begun: it lasts for the pace's time, and while transitions are held."""

    def __init__(self, pace: Pace) -> None:
        self._held = pace.held
        self._until = time.monotonic() + pace.seconds
        self._ended = False

    @property
    def lasts(self) -> bool:
        """Whether it still lasts; once it was seen to have ended, a later hold does not bring it back."""
        if not self._ended:
            self._ended = time.monotonic() >= self._until and not self._held()
        return not self._ended


class SettlingState(InstanceState):
    """An EC2 instance's state that reads as the transitional one until its time has come.

    Args:
        between: The state shown first.
        final: The state shown from then on.
        transition: While it lasts, the first is shown.
    """

    def __init__(self, between: str, final: str, transition: Transition) -> None:
        self._between = between
        self._final = final
        self._transition = transition

    @property
    def name(self) -> str:  # type: ignore[override]  # moto has a plain attribute here
        """The state's name now."""
        return self._between if self._transition.lasts else self._final

    @property
    def code(self) -> int:  # type: ignore[override]  # as above
        """The state's code now."""
        return CODES[self.name]


def install_transitions(seconds: float, held: Callable[[], bool]) -> None:
    """Slow down every later change of state in this process; what exists stays as it is. Call it once.

    Args:
        seconds: How long ``stopping``, ``pending``, ``rebooting`` and the like last; 0 leaves moto's behaviour.
        held: Whether transitions are held; asked when a state is read whose time has come.
    """
    if seconds <= 0:
        return
    pace = Pace(seconds, held)
    for change in CHANGES:
        _slow_change(change, pace)
    _slow_launch(pace)
    for kind, raw in ((DBInstance, "status"), (DBCluster, "_status")):
        _slow_status(kind, raw, pace)
    for method, between in RDS_OPERATIONS.items():
        _slow_operation(method, between, pace)


def _slow_change(change: Change, pace: Pace) -> None:
    """Replace a method of moto's instance: ignore the call or refuse it as EC2 does, else let the state settle."""
    change_at_once: Callable[[Any], InstanceState] = getattr(Instance, change.method)

    def change_slowly(self: Any) -> InstanceState:
        now = self._state.name
        plain = InstanceState(now, CODES[now])
        if now in change.ignored_in:
            return plain
        if now in change.refused_in:
            reason = f"The instance '{self.id}' is not in a state from which it can be {change.participle}."
            raise EC2ClientError("IncorrectInstanceState", reason)
        # moto's method writes into the state object, and a settling one cannot be written.
        self._state = plain
        previous = change_at_once(self)
        self._state = SettlingState(change.between, change.final, Transition(pace))
        return previous

    _replace(Instance, change.method, change_slowly)


def _slow_launch(pace: Pace) -> None:
    launch_at_once: Callable[..., None] = Instance.__init__

    def launch_slowly(self: Any, *arguments: Any, **keywords: Any) -> None:
        launch_at_once(self, *arguments, **keywords)
        self._state = SettlingState("pending", "running", Transition(pace))

    _replace(Instance, "__init__", launch_slowly)


def _slow_status(kind: type, raw: str, pace: Pace) -> None:
    """Give a kind of database a status that shows the state between two settled ones.

    Args:
        kind: moto's class.
        raw: The instance attribute that holds the settled status.
        pace: How long the status between is shown.
    """
    moto_property = vars(kind).get("status")

    def read(self: Any) -> str:
        between, transition = vars(self).get("settling", ("", None))
        if transition is not None and transition.lasts:
            return str(between)
        return str(moto_property.fget(self) if moto_property else vars(self)[raw])

    def write(self: Any, value: str) -> None:
        if between := RDS_BETWEEN.get((vars(self).get(raw, ""), value)):
            self.settling = (between, Transition(pace))
        vars(self)[raw] = value

    _replace(kind, "status", property(read, write))


def _slow_operation(method: str, between: str, pace: Pace) -> None:
    operate: Callable[..., Any] = getattr(RDSBackend, method)

    def operate_slowly(self: Any, *arguments: Any, **keywords: Any) -> Any:
        database = operate(self, *arguments, **keywords)
        database.settling = (between, Transition(pace))
        return database

    _replace(RDSBackend, method, operate_slowly)


def _replace(kind: type, name: str, value: Any) -> None:
    """Replace an attribute of one of moto's classes, for this process."""
    setattr(kind, name, value)
