"""Makes the simulated EC2 and RDS pass through AWS's transitional states, which moto skips.

A state settles by the clock when somebody looks, so there is no timer thread to race with.
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


class SettlingState(InstanceState):
    """An EC2 instance's state that reads as the transitional one until its time has come.

    Args:
        between: The state shown first.
        final: The state shown from then on.
        seconds: How long the first is shown.
    """

    def __init__(self, between: str, final: str, seconds: float) -> None:
        self._between = between
        self._final = final
        self._settled_at = time.monotonic() + seconds

    @property
    def name(self) -> str:  # type: ignore[override]  # moto has a plain attribute here
        """The state's name now."""
        return self._between if time.monotonic() < self._settled_at else self._final

    @property
    def code(self) -> int:  # type: ignore[override]  # as above
        """The state's code now."""
        return CODES[self.name]


def install_transitions(seconds: float) -> None:
    """Slow down every later change of state in this process; what exists stays as it is. Call it once.

    Args:
        seconds: How long ``stopping``, ``pending``, ``rebooting`` and the like last; 0 leaves moto's behaviour.
    """
    if seconds <= 0:
        return
    for change in CHANGES:
        _slow_change(change, seconds)
    _slow_launch(seconds)
    for kind, raw in ((DBInstance, "status"), (DBCluster, "_status")):
        _slow_status(kind, raw, seconds)
    for method, between in RDS_OPERATIONS.items():
        _slow_operation(method, between, seconds)


def _slow_change(change: Change, seconds: float) -> None:
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
        self._state = SettlingState(change.between, change.final, seconds)
        return previous

    _replace(Instance, change.method, change_slowly)


def _slow_launch(seconds: float) -> None:
    launch_at_once: Callable[..., None] = Instance.__init__

    def launch_slowly(self: Any, *arguments: Any, **keywords: Any) -> None:
        launch_at_once(self, *arguments, **keywords)
        self._state = SettlingState("pending", "running", seconds)

    _replace(Instance, "__init__", launch_slowly)


def _slow_status(kind: type, raw: str, seconds: float) -> None:
    """Give a kind of database a status that shows what lies between two settled ones.

    Args:
        kind: moto's class.
        raw: The instance attribute that holds the settled status.
        seconds: How long the status between is shown.
    """
    moto_property = vars(kind).get("status")

    def read(self: Any) -> str:
        between, until = vars(self).get("settling", ("", 0.0))
        if time.monotonic() < until:
            return str(between)
        return str(moto_property.fget(self) if moto_property else vars(self)[raw])

    def write(self: Any, value: str) -> None:
        if between := RDS_BETWEEN.get((vars(self).get(raw, ""), value)):
            self.settling = (between, time.monotonic() + seconds)
        vars(self)[raw] = value

    _replace(kind, "status", property(read, write))


def _slow_operation(method: str, between: str, seconds: float) -> None:
    operate: Callable[..., Any] = getattr(RDSBackend, method)

    def operate_slowly(self: Any, *arguments: Any, **keywords: Any) -> Any:
        database = operate(self, *arguments, **keywords)
        database.settling = (between, time.monotonic() + seconds)
        return database

    _replace(RDSBackend, method, operate_slowly)


def _replace(kind: type, name: str, value: Any) -> None:
    """Replace an attribute of one of moto's classes, for this process."""
    setattr(kind, name, value)
