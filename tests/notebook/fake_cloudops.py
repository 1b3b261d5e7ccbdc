"""A ``CloudOps`` for tests of the notebook, without a store and without AWS.

Each double is a subclass of the real class; ``test_fake_cloudops`` checks that its methods have the same parameters.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cloudops_nb.client.answer import Answer
from cloudops_nb.client.cloudops import CloudOps
from cloudops_nb.client.scan_schedule import ScanSchedule
from cloudops_nb.errors import ApprovalRequired, PlanError, PlaybookError
from cloudops_nb.execution.channels import PersonChannel, recorded_channel
from cloudops_nb.execution.execution import Execution
from cloudops_nb.execution.plan import Approval, Plan, PlanStatus, StepStatus
from cloudops_nb.scanner.report import ScanReport
from cloudops_nb.scanner.running.scan_progress import Progress
from cloudops_nb.settings import load_settings
from cloudops_nb.ssm.catalogue import Playbook
from cloudops_nb.ssm.linter import lint
from cloudops_nb.ssm.own_documents import PlaybookFile
from cloudops_nb.storage.backup.backup_report import BackupReport, SnapshotRow
from cloudops_nb.storage.backup.service import BackupService
from cloudops_nb.storage.schedule.schedule_status import ScheduleStatus, TaskStatus
from tests.sample_plans import stop_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from cloudops_nb.execution.plan import Event

#: A document with two required parameters.
LOOK = """\
schemaVersion: '0.3'
description: Looks at an instance.
parameters:
  InstanceId: {type: 'AWS::EC2::Instance::Id', description: The instance.}
  Reasons: {type: StringList}
mainSteps:
  - name: look
    action: aws:executeAwsApi
    timeoutSeconds: 60
    inputs: {Service: ec2, Api: DescribeInstances, InstanceIds: ['{{ InstanceId }}']}
"""
_CELLS_PER_SECOND = 2.5
BOTOCORE = "1.44.8 (tested with 1.44.8)"


def progress_of(
    done: int, total: int, *, resources: int = 0, calls: int = 0, current: str = "staging/eu-west-1/rds_instance"
) -> Progress:
    """The progress of a scan that reads two and a half cells a second."""
    return Progress(done, total, 0, resources, calls, done / _CELLS_PER_SECOND, current)


class FakeExecution(Execution):
    """Runs a plan's steps as fast as they are read; ``interrupt_at`` raises there once, as Ctrl-C does."""

    def __init__(self, plan: Plan, *, fails: bool = False, interrupt_at: int | None = None) -> None:
        super().__init__("exec-1", plan, lambda: datetime.now(UTC))
        self._fails = fails
        self._interrupt_at = interrupt_at
        self._published = self._run()

    def __iter__(self) -> Iterator[Event]:
        seen = 0
        while seen < len(self._state.events) or next(self._published, False):
            if seen == self._interrupt_at:
                self._interrupt_at = None
                raise KeyboardInterrupt
            yield self._state.events[seen]
            seen += 1

    def _run(self) -> Iterator[bool]:
        """Run step by step; yields after each event."""
        self.begin()
        yield True
        for step in self.steps:
            if self.cancelled.is_set():
                self.end(PlanStatus.CANCELLED)
                yield True
                return
            where: dict[str, Any] = {"step": step.name, "target": step.target}
            self.record(replace(step, status=StepStatus.RUNNING))
            self.publish("step_started", **where)
            yield True
            if self._fails:
                self.record(replace(step, status=StepStatus.FAILED, message="InvalidDBInstanceState"))
                self.publish("step_failed", **where, message="InvalidDBInstanceState")
                yield True
                self.end(PlanStatus.FAILED)
                yield True
                return
            self.record(replace(step, status=StepStatus.COMPLETED, message="done"))
            self.publish("step_completed", **where, message="done")
            yield True
        self.end(PlanStatus.COMPLETED)
        yield True


SNAPSHOT = SnapshotRow(
    kind="aws_estate",
    name="aws_estate_2026-01-02T03-04-05.snapshot",
    created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    bytes=1_200_000,
    points=630,
    local=True,
    s3=False,
)


def _status_of(task: str, *, running: bool) -> ScheduleStatus:
    status = TaskStatus(task=task, every_hours=6.0, due=None, last=None, error="", note="")
    return ScheduleStatus(running=running, trouble="", tasks=[status])


class FakeSchedule(ScanSchedule):
    """Regular scans that are started and stopped, and never made."""

    def __init__(self) -> None:
        self.started = False

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.started = False

    def status(self) -> ScheduleStatus:
        return _status_of("full_scan", running=self.started)


class FakeBackups(BackupService):
    """Regular snapshots that are started and stopped, and never taken; one snapshot to list."""

    def __init__(self) -> None:
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def status(self) -> ScheduleStatus:
        return _status_of("aws_estate", running=self.running)

    def snapshots(self) -> BackupReport:
        return BackupReport((SNAPSHOT,))


class FakeCloudOps(CloudOps):
    """Answers from what a test puts in; ``calls`` lists every method called with its arguments."""

    def __init__(self, **settings: Any) -> None:
        self.settings = load_settings(**settings)
        self.answer = Answer("information", "Nothing to say.")
        self.frame = pd.DataFrame()
        self.execution: Callable[[Plan], FakeExecution] = FakeExecution
        self.decide_error: Exception | None = None
        self.request = b'{"words":["stop","r1"]}'
        self.backup_report = BackupReport((SNAPSHOT,))
        self.calls: list[tuple[str, Any]] = []
        self._asked: set[str | None] = set()
        self.decisions: dict[str, bool] = {}
        self.plans: dict[str, Plan] = {}
        self.closed = False
        self._deciding = threading.Lock()

    @cached_property
    def backups(self) -> FakeBackups:
        return FakeBackups()

    @cached_property
    def schedule(self) -> FakeSchedule:
        return FakeSchedule()

    def scan(
        self,
        accounts: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
        services: Sequence[str] | None = None,
        mode: str = "full",
        *,
        every_detail: bool = False,
        executor: Executor | str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> ScanReport:
        self.calls.append(("scan", (accounts, regions, services, mode)))
        self.calls.append(("scan_depth", (every_detail, executor)))
        for done in range(4):
            if progress is not None:
                progress(progress_of(done, 3, resources=10 * done, calls=2 * done))
        return ScanReport("scan-1", datetime(2026, 3, 4, tzinfo=UTC), 0.3, [])

    def planned_calls(
        self,
        accounts: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
        services: Sequence[str] | None = None,
        *,
        every_detail: bool = False,
    ) -> pd.DataFrame:
        self.calls.append(("planned_calls", (accounts, regions, services, every_detail)))
        return pd.DataFrame({"call": ["ec2:DescribeInstances"]})

    def resource_types(self, *, cloud_control: bool = False, account: str = "") -> pd.DataFrame:
        self.calls.append(("resource_types", (cloud_control, account)))
        return pd.DataFrame({"resource_type": ["rds_instance"]})

    def search(self, query: str, *, limit: int = 10, facts: bool = False, **filters: Any) -> pd.DataFrame:
        self.calls.append(("search", (query, limit, filters)))
        return self.frame

    def dependents(self, resource: str, hops: int = 1) -> pd.DataFrame:
        self.calls.append(("dependents", (resource, hops)))
        return self.frame

    def permissions(self, resources: str | pd.DataFrame) -> pd.DataFrame:
        self.calls.append(("permissions", resources))
        return self.frame

    def ask(self, prompt: str, *, conversation: str | None = None) -> Answer:
        self.calls.append(("ask", (prompt, conversation)))
        self._asked.add(conversation)
        if self.answer.plan is not None:
            self.plans[self.answer.plan.id] = self.answer.plan
        return self.answer

    def prepare(
        self,
        document: str | Path,
        parameters: Mapping[str, Any] | None = None,
        *,
        account: str | None = None,
        region: str | None = None,
        override: bool = False,
    ) -> Plan:
        self.calls.append(("prepare", (document, parameters, account, region, override)))
        plan = stop_database(id="plan-document")
        self.plans[plan.id] = plan
        return plan

    def playbooks(self) -> pd.DataFrame:
        self.calls.append(("playbooks", ()))
        frame = pd.DataFrame({"name": ["look", "rds-stop"], "source": ["own", "bundled"]})
        frame.attrs["problems"] = ["bad.yaml is not valid: 1:1 is empty."]
        return frame

    def playbook(self, document: str | Path) -> PlaybookFile:
        self.calls.append(("playbook", document))
        if document != "look":
            raise PlaybookError(f"there is no playbook {document}")
        playbook = Playbook.without_metadata(LOOK, "look", "look.yaml")
        return PlaybookFile("look", playbook, lint(playbook.document, playbook.metadata), Path("look.yaml"))

    def new_playbook(self, service: str, api: str, *, name: str = "") -> PlaybookFile:
        self.calls.append(("new_playbook", (service, api, name)))
        return self.playbook("look")

    def preview(self, prompt: str, *, conversation: str | None = None) -> bytes:
        self.calls.append(("preview", (prompt, conversation)))
        # "it" means something only in a conversation in which a resource was named before.
        follows = "it" in prompt.split()
        return self.request if not follows or conversation in self._asked else b""

    def plan(self, plan_id: str) -> Plan:
        if plan_id not in self.plans:
            raise PlanError(f"there is no plan {plan_id}", "", "Look at %cloudops_history.")
        return self.plans[plan_id]

    def plan_status(self, plan: Plan) -> PlanStatus:
        words = {None: PlanStatus.AWAITING_APPROVAL, True: PlanStatus.APPROVED, False: PlanStatus.REJECTED}
        return words[self.decisions.get(plan.id)]

    def decide(
        self,
        plan: Plan | str,
        *,
        approve: bool,
        channel: PersonChannel | str,
        by: str,
        reason: str,
        phrase: str | None = None,
    ) -> Approval | None:
        if self.decide_error is not None:
            raise self.decide_error
        plan = self.plan(plan) if isinstance(plan, str) else plan
        decided_through = recorded_channel(channel)
        with self._deciding:
            given = {"approve": approve, "channel": decided_through, "by": by, "reason": reason, "phrase": phrase}
            self.calls.append(("decide", (plan, given)))
            self.decisions[plan.id] = approve
        if not approve:
            return None
        return Approval("approval-1", plan.id, plan.hash, decided_through, by, reason, datetime.now(UTC), plan.expires)

    def apply(self, plan: Plan, *, executor: str = "sdk", dry_run: bool = False) -> FakeExecution:
        self.calls.append(("apply", (plan.id, executor, dry_run)))
        if not self.decisions.get(plan.id):
            raise ApprovalRequired(f"plan {plan.id} is not approved", "it is undecided", "Approve its card.")
        execution = self.execution(plan)
        execution.dry_run = dry_run
        return execution

    def rollback(self, execution: Execution | str) -> Plan:
        self.calls.append(("rollback", execution))
        plan = stop_database(id="plan-back", title="Start RDS instance", rolls_back="exec-1")
        self.plans[plan.id] = plan
        return plan

    def history(self, **filters: Any) -> pd.DataFrame:
        self.calls.append(("history", filters))
        return self.frame

    def ledger(self, *, since: datetime | None = None, destination: str = "", purpose: str = "") -> pd.DataFrame:
        self.calls.append(("ledger", (since, destination, purpose)))
        return self.frame

    def backup(self, *kinds: str) -> BackupReport:
        self.calls.append(("backup", kinds))
        return self.backup_report

    def health(self) -> Mapping[str, Any]:
        return {
            "store": "open",
            "collections": {"aws_estate": {"points": 1200}},
            "encrypted": True,
            "botocore": BOTOCORE,
        }

    def places(self) -> dict[str, list[str]]:
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
