"""What the notebook needs of ``CloudOps``, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from cloudops_nb.client.answer import Answer
    from cloudops_nb.execution.plan import Approval, Channel, Event, Plan, PlanStatus, StepStatus


class Progress(Protocol):
    """How far a long call is: cells done of all, resources and calls so far, cells a second, seconds left if known."""

    @property
    def done(self) -> int: ...  # noqa: D102 - the class docstring says it
    @property
    def total(self) -> int: ...  # noqa: D102 - as above
    @property
    def resources(self) -> int: ...  # noqa: D102 - as above
    @property
    def calls(self) -> int: ...  # noqa: D102 - as above
    @property
    def rate(self) -> float: ...  # noqa: D102 - as above
    @property
    def current(self) -> str: ...  # noqa: D102 - as above
    @property
    def eta(self) -> float | None: ...  # noqa: D102 - as above


class StepState(Protocol):
    """How far one step on one target is."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as above
    @property
    def target(self) -> str: ...  # noqa: D102 - as above
    @property
    def status(self) -> StepStatus: ...  # noqa: D102 - as above
    @property
    def message(self) -> str: ...  # noqa: D102 - as above


class Execution(Protocol):
    """A running or ended execution; iterating yields its events, from the first on, until it ends."""

    @property
    def id(self) -> str:
        """What the journal calls it."""

    @property
    def plan(self) -> Plan:
        """The plan that runs."""

    @property
    def dry_run(self) -> bool:
        """Whether it only asks what would happen."""

    @property
    def status(self) -> PlanStatus:
        """How far it is."""

    @property
    def steps(self) -> Sequence[StepState]:
        """Each step on each target, and how far it is."""

    def __iter__(self) -> Iterator[Event]: ...

    def cancel(self) -> None:
        """Start nothing more."""


class Backups(Protocol):
    """The regular snapshots of a store, and the list of all."""

    def snapshots(self) -> Any:
        """Return the snapshots that there are."""

    def start(self) -> None:
        """Make regular ones from now on."""

    def stop(self) -> None:
        """Make no more."""

    def status(self) -> Mapping[str, Any]:
        """Return when the regular ones are due and how they went."""


class Schedule(Protocol):
    """The regular scans."""

    def start(self) -> None:
        """Make due ones from now on."""

    def stop(self) -> None:
        """Begin no more."""

    def status(self) -> Mapping[str, Any]:
        """Return when they are due and how they went."""


class Operations(Protocol):
    """The methods of ``CloudOps`` that magics, cards and completion call."""

    @property
    def settings(self) -> Any:
        """The settings in force."""

    def scan(
        self,
        accounts: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
        services: Sequence[str] | None = None,
        mode: str = "full",
        *,
        every_detail: bool = False,
        executor: str | None = None,
        progress: Callable[[Any], None] | None = None,
    ) -> Any:
        """Scan, reporting :class:`Progress`, and return a report."""

    def planned_calls(
        self,
        accounts: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
        services: Sequence[str] | None = None,
        *,
        every_detail: bool = False,
    ) -> Any:
        """Return the calls that a scan would make as a DataFrame."""

    def resource_types(self, *, cloud_control: bool = False, account: str = "") -> Any:
        """Return the types that a scan knows as a DataFrame."""

    @property
    def schedule(self) -> Schedule:
        """The regular scans."""

    def search(self, query: str, *, limit: int = 10, **filters: Any) -> Any:
        """Return the resources found as a DataFrame."""

    def ask(self, prompt: str, *, conversation: str | None = None) -> Answer:
        """Answer a request in words."""

    def preview(self, prompt: str) -> bytes:
        """Return what asking would send."""

    def plan(self, plan_id: str) -> Plan:
        """Return a plan by its id."""

    def plan_status(self, plan: Plan) -> PlanStatus:
        """Return how far a plan is."""

    def decide(
        self, plan: Plan, *, approve: bool, channel: Channel, by: str, reason: str, phrase: str | None = None
    ) -> Approval | None:
        """Record a person's decision on a plan as it was shown."""

    def apply(self, plan: Plan, *, executor: str = "sdk", dry_run: bool = False) -> Any:
        """Run an approved plan and return its :class:`Execution`."""

    def rollback(self, execution: Any) -> Plan:
        """Return the plan that undoes an execution."""

    def history(self, **filters: Any) -> Any:
        """Return past plans and executions as a DataFrame."""

    def ledger(self) -> Any:
        """Return what left this host as a DataFrame."""

    @property
    def backups(self) -> Backups:
        """Snapshots of the store."""

    def backup(self, *kinds: str) -> Any:
        """Take snapshots and return a report."""

    def health(self) -> Any:
        """Return how the store is."""

    def places(self) -> Mapping[str, Sequence[str]]:
        """Return the accounts, regions, services and resource types in the local store."""

    def close(self) -> None:
        """Flush and close the store."""


OpenOperations = Callable[..., Operations]
