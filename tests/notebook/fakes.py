"""A ``CloudOps`` for tests of the notebook: the same surface, no store, no AWS."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from cloudops_nb.client.answer import Answer
from cloudops_nb.errors import ApprovalRequired, PlanError
from cloudops_nb.execution.plan import Approval, Channel, Event, Plan, PlanStatus, StepStatus
from cloudops_nb.settings import load_settings
from cloudops_nb.storage.backup.backup_report import BackupReport, SnapshotRow
from tests.notebook.plans import stop_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


@dataclass(frozen=True)
class FakeProgress:
    done: int
    total: int
    resources: int = 0
    calls: int = 0
    rate: float = 2.5
    current: str = "staging/eu-west-1/rds_instance"
    eta: float | None = 4.0


@dataclass(frozen=True)
class FakeStep:
    name: str
    target: str
    status: StepStatus = StepStatus.PENDING
    message: str = ""


class FakeExecution:
    """Runs a plan's steps as fast as they are read; ``interrupt_at`` raises there once, as Ctrl-C does."""

    def __init__(self, plan: Plan, *, fails: bool = False, interrupt_at: int | None = None) -> None:
        self.id = "exec-1"
        self.plan = plan
        self.dry_run = False
        self.status = PlanStatus.RUNNING
        self.cancelled = False
        self.steps: list[FakeStep] = [FakeStep(step.name, step.target) for step in plan.steps]
        self._fails = fails
        self._interrupt_at = interrupt_at
        self._events: list[Event] = []
        self._source = self._run()

    def __iter__(self) -> Iterator[Event]:
        position = 0
        while True:
            if position == len(self._events):
                event = next(self._source, None)
                if event is None:
                    return
                self._events.append(event)
            if position == self._interrupt_at:
                self._interrupt_at = None
                raise KeyboardInterrupt
            yield self._events[position]
            position += 1

    def cancel(self) -> None:
        self.cancelled = True

    def _run(self) -> Iterator[Event]:
        yield self._event("started")
        for number, step in enumerate(self.steps):
            if self.cancelled:
                self.status = PlanStatus.CANCELLED
                yield self._event("cancelled")
                return
            self.steps[number] = replace(step, status=StepStatus.RUNNING)
            yield self._event("step_started", step.name, step.target)
            if self._fails:
                self.steps[number] = replace(step, status=StepStatus.FAILED, message="InvalidDBInstanceState")
                self.status = PlanStatus.FAILED
                yield self._event("step_failed", step.name, step.target, "InvalidDBInstanceState")
                return
            self.steps[number] = replace(step, status=StepStatus.COMPLETED, message="done")
            yield self._event("step_completed", step.name, step.target, "done")
        self.status = PlanStatus.COMPLETED
        yield self._event("completed")

    def _event(self, kind: str, step: str = "", target: str = "", message: str = "") -> Event:
        return Event(datetime.now(UTC), kind, self.id, step, target, message)


SNAPSHOT = SnapshotRow(
    kind="aws_estate",
    name="aws_estate_2026-01-02T03-04-05.snapshot",
    created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    bytes=1_200_000,
    points=630,
    local=True,
    s3=False,
)


@dataclass
class FakeSchedule:
    """Regular scans that are only ever said to be made."""

    running: bool = False
    task: str = "full_scan"

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def status(self) -> Mapping[str, Any]:
        task = {"task": self.task, "every_hours": 6.0, "due": None, "last": None, "error": ""}
        return {"running": self.running, "trouble": "", "tasks": [task]}


@dataclass
class FakeBackups(FakeSchedule):
    """Regular snapshots that are likewise, and a list of them."""

    task: str = "aws_estate"

    def snapshots(self) -> BackupReport:
        return BackupReport((SNAPSHOT,))


@dataclass
class FakeOperations:
    """Answers from what a test puts in; ``calls`` lists every method called with its arguments."""

    answer: Answer = field(default_factory=lambda: Answer("information", "Nothing to say."))
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    execution: Callable[[Plan], FakeExecution] = FakeExecution
    decide_error: Exception | None = None
    request: bytes = b'{"words":["stop","r1"]}'
    settings: Any = field(default_factory=load_settings)
    backups: FakeBackups = field(default_factory=FakeBackups)
    schedule: FakeSchedule = field(default_factory=FakeSchedule)
    backup_report: BackupReport = field(default_factory=lambda: BackupReport((SNAPSHOT,)))
    calls: list[tuple[str, Any]] = field(default_factory=list)
    decisions: dict[str, bool] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, **settings: Any) -> FakeOperations:
        return cls(settings=load_settings(**settings))

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
    ) -> str:
        self.calls.append(("scan", (accounts, regions, services, mode)))
        self.calls.append(("scan_depth", (every_detail, executor)))
        for done in range(4):
            if progress is not None:
                progress(FakeProgress(done, 3, resources=10 * done, calls=2 * done))
        return "scan report"

    def planned_calls(self, **where: Any) -> pd.DataFrame:
        self.calls.append(("planned_calls", where))
        return pd.DataFrame({"call": ["ec2:DescribeInstances"]})

    def resource_types(self, *, cloud_control: bool = False, account: str = "") -> pd.DataFrame:
        self.calls.append(("resource_types", (cloud_control, account)))
        return pd.DataFrame({"resource_type": ["rds_instance"]})

    def search(self, query: str, *, limit: int = 10, **filters: Any) -> pd.DataFrame:
        self.calls.append(("search", (query, limit, filters)))
        return self.frame

    def ask(self, prompt: str, *, conversation: str | None = None) -> Answer:
        self.calls.append(("ask", (prompt, conversation)))
        if self.answer.plan is not None:
            self.plans[self.answer.plan.id] = self.answer.plan
        return self.answer

    def preview(self, prompt: str) -> bytes:
        self.calls.append(("preview", prompt))
        return self.request

    def plan(self, plan_id: str) -> Plan:
        if plan_id not in self.plans:
            raise PlanError(f"there is no plan {plan_id}", "", "Look at %cloudops_history.")
        return self.plans[plan_id]

    def plan_status(self, plan: Plan) -> PlanStatus:
        words = {None: PlanStatus.AWAITING_APPROVAL, True: PlanStatus.APPROVED, False: PlanStatus.REJECTED}
        return words[self.decisions.get(plan.id)]

    def decide(
        self, plan: Plan, *, approve: bool, channel: Channel, by: str, reason: str, phrase: str | None = None
    ) -> Approval | None:
        if self.decide_error is not None:
            raise self.decide_error
        with self._lock:
            given = {"approve": approve, "channel": channel, "by": by, "reason": reason, "phrase": phrase}
            self.calls.append(("decide", (plan, given)))
            self.decisions[plan.id] = approve
        if not approve:
            return None
        return Approval("approval-1", plan.id, plan.hash, channel, by, reason, datetime.now(UTC), plan.expires)

    def apply(self, plan: Plan, *, executor: str = "sdk", dry_run: bool = False) -> FakeExecution:
        self.calls.append(("apply", (plan.id, executor, dry_run)))
        if not self.decisions.get(plan.id):
            raise ApprovalRequired(f"plan {plan.id} is not approved", "nobody decided", "Approve its card.")
        execution = self.execution(plan)
        execution.dry_run = dry_run
        return execution

    def rollback(self, execution: Any) -> Plan:
        self.calls.append(("rollback", execution))
        plan = stop_database(id="plan-back", title="Start RDS instance", rolls_back="exec-1")
        self.plans[plan.id] = plan
        return plan

    def history(self, **filters: Any) -> pd.DataFrame:
        self.calls.append(("history", filters))
        return self.frame

    def ledger(self) -> pd.DataFrame:
        self.calls.append(("ledger", ()))
        return self.frame

    def backup(self, *kinds: str) -> BackupReport:
        self.calls.append(("backup", kinds))
        return self.backup_report

    def health(self) -> Mapping[str, Any]:
        return {"store": "open", "collections": {"aws_estate": {"points": 1200}}, "encrypted": True}

    def places(self) -> Mapping[str, Sequence[str]]:
        self.calls.append(("places", ()))
        return {
            "accounts": ["prod", "staging"],
            "regions": ["eu-west-1"],
            "services": ["ec2", "rds"],
            "resource_types": ["ec2_instance", "rds_instance"],
        }

    def close(self) -> None:
        self.closed = True

    def called(self, method: str) -> list[Any]:
        return [arguments for name, arguments in self.calls if name == method]
