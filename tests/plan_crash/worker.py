"""The process that is killed: it opens the store, says what it sees, and runs a plan.

It says :class:`Moment` objects while it recovers and runs, one :class:`Seen` in between, and :class:`Ended` if it gets
to its end. It goes on after ``Seen`` when the driver says so.
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.errors import ApprovalRefusedError, CloudOpsError
from cloudops_nb.execution.channels import PersonChannel
from cloudops_nb.execution.engine import ExecutionEngine
from cloudops_nb.execution.locks import Locks
from cloudops_nb.execution.plan import Channel, PlanStatus
from cloudops_nb.model import Account
from cloudops_nb.settings import Settings
from cloudops_nb.storage.opening.vault_opening import open_vault
from tests.plan_crash.aws import ACCOUNT_ID
from tests.plan_crash.points import Points, WatchedExecutor, WatchedJournal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from cloudops_nb.execution.plan import Plan
    from tests.plan_crash.points import Point
    from tests.plan_crash.scenarios import Scenario

_POLL_SECONDS = 0.04


@dataclass(frozen=True)
class Task:
    """What a worker is to do: run the scenario on the store in ``folder``, after a look at an earlier plan.

    ``in_recovery`` and ``in_run`` say where it dies.
    """

    folder: Path
    scenario: Scenario
    earlier_plan: str = ""
    in_recovery: Point | None = None
    in_run: Point | None = None


@dataclass(frozen=True)
class Seen:
    """What the history says of the earlier plan after recovery.

    Attributes:
        status: The plan's status in the history.
        detail: The reason in the history.
        execution_id: The id of its run, empty if it has none.
        steps: Unit, path, status and message of each step.
        recovered: For each run that the recovery closed, its id and what is unknown.
        refusal: How a second use of the approval is refused; empty if it is not used up.
        problems: What is wrong with the store itself.
    """

    status: str
    detail: str
    execution_id: str
    steps: Sequence[tuple[str, str, str, str]]
    recovered: Sequence[tuple[str, Sequence[str]]]
    refusal: str
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class Begun:
    """The plan that is run from here on."""

    plan_id: str


@dataclass(frozen=True)
class Ended:
    """How the run ended, or what broke the worker."""

    status: str
    broke: str = ""
    steps: Mapping[str, str] = field(default_factory=dict)


def main(task: Task, driver: Connection) -> None:
    """Look, then run."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        Worker(task, driver).work()
    except Exception:  # noqa: BLE001 - whatever it is, it is what the harness looks for
        driver.send(Ended("", traceback.format_exc()))
        sys.exit(1)


class Worker:
    """One process on the store."""

    def __init__(self, task: Task, driver: Connection) -> None:
        self._task = task
        self._driver = driver
        self._points = Points(driver.send)
        settings = Settings(data_path=task.folder / "store", key_file=task.folder / "key" / "encryption.key")
        vault = open_vault(settings)
        self._journal = WatchedJournal(vault.data_path, vault, self._points)
        self._locks_path = task.folder / "locks"
        sessions = AccountSessions(())
        self._engine = ExecutionEngine(
            sessions, self._journal, task.scenario.catalogue(), locks_path=self._locks_path,
            executor=WatchedExecutor(sessions, self._points), poll_seconds=_POLL_SECONDS,
        )  # fmt: skip

    def work(self) -> None:
        """Recover and look if there is an earlier plan, and run one when the driver says so."""
        plan = None
        if self._task.earlier_plan:
            seen = self._look(self._task.earlier_plan)
            self._driver.send(seen)
            self._driver.recv()
            if seen.status == PlanStatus.APPROVED:
                plan = self._engine.plan(self._task.earlier_plan)
        plan = plan or self._approved()
        self._driver.send(Begun(plan.id))
        self._points.arm(self._task.in_run)
        execution = self._engine.apply(plan)
        status = execution.wait()
        self._points.disarm()
        self._driver.send(Ended(status.value, steps={each.name: each.message for each in execution.steps}))

    def _approved(self) -> Plan:
        scenario = self._task.scenario
        concurrency = 2 if scenario.bundled else 1
        account = Account("dev", ACCOUNT_ID, environment="development")
        plan = self._engine.prepare(scenario.bound(), account=account, max_concurrency=concurrency)
        self._engine.approve(
            plan, channel=PersonChannel(Channel.TERMINAL), by="ada", reason="maintenance", phrase=plan.phrase
        )
        return plan

    def _look(self, plan_id: str) -> Seen:
        self._points.arm(self._task.in_recovery)
        recovered = [(each.execution_id, tuple(each.unknown)) for each in self._engine.recover()]
        self._points.disarm()
        (row,) = (each for each in self._engine.history() if each["plan_id"] == plan_id)
        plan = self._engine.plan(plan_id)
        return Seen(
            status=row["status"],
            detail=row["detail"],
            execution_id=row["execution_id"],
            steps=self._steps(row["execution_id"]) if row["execution_id"] else (),
            recovered=recovered,
            refusal="" if row["status"] == PlanStatus.APPROVED else self._second_use(plan),
            problems=tuple(self._problems(plan, row["execution_id"])),
        )

    def _steps(self, execution_id: str) -> Sequence[tuple[str, str, str, str]]:
        rows: list[dict[str, Any]] = self._engine.steps(execution_id)
        return [(each["target"], each["step"], each["status"], each["message"]) for each in rows]

    def _second_use(self, plan: Plan) -> str:
        try:
            self._engine.apply(plan).wait()
        except ApprovalRefusedError as error:
            return str(error)
        return ""

    def _problems(self, plan: Plan, execution_id: str) -> Sequence[str]:
        problems = []
        try:
            self._journal.verify()
        except CloudOpsError as error:
            problems.append(f"the journal does not verify: {error}")
        try:
            Locks(self._locks_path).hold(plan.targets, execution_id or "none").close()
        except CloudOpsError as error:
            problems.append(f"a lock is not free: {error}")
        if again := self._engine.recover():
            problems.append(f"a second recovery found {len(again)} dead runs")
        return problems
