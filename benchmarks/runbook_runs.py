"""Runs and plans of Automation documents over the simulated AWS, and the same calls by a bare boto3 client."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
from botocore.httpsession import URLLib3Session

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.execution.channels import PersonChannel
from cloudops_nb.execution.engine import ExecutionEngine
from cloudops_nb.execution.journal_kinds import STEP_INTENT, STEP_RESULT
from cloudops_nb.execution.plan import Channel, PlanStatus
from cloudops_nb.model import Account, BoundPlaybook
from cloudops_nb.settings import Settings
from cloudops_nb.ssm.catalogue import Catalogue, Playbook
from cloudops_nb.ssm.linter import lint
from cloudops_nb.storage.journal.journal import Journal
from cloudops_nb.storage.opening.vault_opening import open_vault
from tests.plan_crash.aws import ACCOUNT_ID, REGION, simulated_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.model import JournalRecord
    from cloudops_nb.storage.vault import Vault

    Step = dict[str, Any]
    Call = Callable[[], object]

_ACCOUNT = Account("dev", ACCOUNT_ID, environment="development")
#: Steps of the document of one's own that is planned, apart from its loop and its nested document.
_OWN_STEPS = 20


@dataclass
class Spent:
    """Seconds spent since :meth:`reset`: waiting for AWS, and making the records of steps safe from a power cut."""

    aws: float = 0.0
    durable: float = 0.0

    def reset(self) -> None:
        self.aws = self.durable = 0.0

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, whose time counts as ``aws`` or ``durable``."""

        def run(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*arguments)
            finally:
                setattr(self, name, getattr(self, name) + time.perf_counter() - start)

        return run


@dataclass
class Steps:
    """Milliseconds for each step, one number for each run: by the engine, of it for safe records, and by boto3."""

    engine: list[float] = field(default_factory=list)
    durable: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)


@dataclass
class Plans:
    """Milliseconds for each plan, and of these waiting for AWS's answers; the first plan makes clients."""

    total: list[float] = field(default_factory=list)
    aws: list[float] = field(default_factory=list)


def measured(folder: str, steps: int, runs: int) -> dict[str, Any]:
    """Return plans and steps, each kind in turns with what it is compared with."""
    spent = Spent()
    with (
        simulated_aws() as aws,
        patch.object(sqlite3, "connect", partial(sqlite3.connect, factory=_Connection)),
        patch.object(URLLib3Session, "send", spent.timed("aws", URLLib3Session.send)),
    ):
        (instance,) = aws.instances(1)
        name = instance.identifier
        playbooks = _documents(name, steps)
        bench = _Bench(Path(folder), playbooks, spent)
        stop = Catalogue.bundled().get("ec2-stop")
        target = BoundPlaybook(stop.ref, (instance,), stop.metadata.target_parameter, {}, "low")
        plans = {"bundled": Plans(), "own": Plans()}
        for _ in range(runs + 1):
            bench.plan(plans["bundled"], lambda: target)
            bench.plan(plans["own"], lambda: _read(playbooks[-1]))
        start = time.perf_counter()
        client = boto3.client("ec2", region_name=REGION)
        client.describe_instances(InstanceIds=[name])
        first_call = (time.perf_counter() - start) * 1e3
        tags = [{"Key": "bench", "Value": "yes"}]
        bare: dict[str, Call] = {
            "reads": lambda: client.describe_instances(InstanceIds=[name]),
            "changes": lambda: client.create_tags(Resources=[name], Tags=tags),
        }
        found = {kind: Steps() for kind in bare}
        for kind, call in bare.items():
            bench.run(Steps(), kind, call, steps)  # the first run makes clients and fills caches
            for _ in range(runs):
                bench.run(found[kind], kind, call, steps)
    return {"first_call": first_call, **{name: asdict(each) for name, each in (plans | found).items()}}


class _Bench:
    """An engine on a store of its own."""

    def __init__(self, folder: Path, playbooks: Sequence[Playbook], spent: Spent) -> None:
        vault = open_vault(Settings(data_path=folder / "store", key_file=folder / "encryption.key"))
        sessions = AccountSessions(())
        self._playbooks = playbooks
        self._spent = spent
        self._engine = ExecutionEngine(
            sessions,
            _TimedJournal(vault.data_path, vault, spent),
            Catalogue([*Catalogue.bundled().playbooks, *playbooks]),
            locks_path=folder / "locks",
        )

    def plan(self, plans: Plans, bound: Callable[[], BoundPlaybook]) -> None:
        """Make a plan, and time it together with what makes its playbook."""
        self._spent.reset()
        start = time.perf_counter()
        self._prepared(bound())
        total, inside = (time.perf_counter() - start) * 1e3, self._spent.aws * 1e3
        plans.total.append(total)
        plans.aws.append(inside)

    def run(self, steps: Steps, kind: str, call: Call, count: int) -> None:
        """Make the calls by boto3, then by the engine; the time of the steps is between their own events."""
        start = time.perf_counter()
        for _ in range(count):
            call()
        steps.bare.append((time.perf_counter() - start) * 1e3 / count)
        playbook = next(each for each in self._playbooks if each.ref.id == f"own-{kind}")
        plan = self._prepared(BoundPlaybook(playbook.ref, (), "", {}, "low", region=REGION))
        self._engine.approve(
            plan, channel=PersonChannel(Channel.TERMINAL), by="ada", reason="benchmark", phrase=plan.phrase
        )
        self._spent.reset()
        execution = self._engine.apply(plan)
        assert execution.wait() is PlanStatus.COMPLETED, execution.steps
        times = [event.at.timestamp() for event in execution if event.kind in {"step_started", "step_completed"}]
        steps.engine.append((times[-1] - times[0]) * 1e3 / count)
        steps.durable.append(self._spent.durable * 1e3 / count)

    def _prepared(self, bound: BoundPlaybook) -> Plan:
        return self._engine.prepare(bound, account=_ACCOUNT)


class _TimedJournal(Journal):
    """Adds up the time in which the records of steps are made safe from a power cut: SQLite's commit, and fsync."""

    def __init__(self, data_path: Path, vault: Vault, spent: Spent) -> None:
        super().__init__(data_path, vault)
        self._spent = spent

    def append(
        self, kind: str, subject: str, body: Mapping[str, Any], *, once: str = "", power_safe: bool = False
    ) -> JournalRecord:
        if kind not in {STEP_INTENT, STEP_RESULT}:
            return super().append(kind, subject, body, once=once, power_safe=power_safe)
        with patch.object(os, "fsync", self._spent.timed("durable", os.fsync)):
            _Connection.spent = self._spent
            try:
                return super().append(kind, subject, body, once=once, power_safe=power_safe)
            finally:
                _Connection.spent = None


class _Connection(sqlite3.Connection):
    """A connection whose commits may be timed."""

    spent: Spent | None = None

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        if self.spent is None or statement != "COMMIT":
            return super().execute(statement, values)
        cursor: sqlite3.Cursor = self.spent.timed("durable", super().execute)(statement, values)
        return cursor


def _documents(instance: str, steps: int) -> list[Playbook]:
    """Return a document of reads, one of changes, and the two of one's own."""
    reads = [_look(f"look{number}", instance) for number in range(steps)]
    changes = [_tag(f"tag{number}", instance) for number in range(steps)]
    child = [_look("look", "{{ Id }}"), _tag("mark", "{{ Id }}"), _look("again", "{{ Id }}")]
    return [
        _playbook("reads", reads),
        _playbook("changes", changes),
        _playbook("child", child, parameters={"Id": {"type": "String"}}),
        _playbook("own", _own_steps(instance)),
    ]


def _own_steps(instance: str) -> list[Step]:
    """Return single steps, of which every fourth changes something, a loop and a nested document."""
    number = range(_OWN_STEPS)
    single = [_look(f"step{each}", instance) if each % 4 else _tag(f"step{each}", instance) for each in number]
    body = [_look("look", "{{ each.CurrentIteratorValue }}"), _tag("mark", "{{ each.CurrentIteratorValue }}")]
    loop = {"name": "each", "action": "aws:loop", "inputs": {"Iterators": [instance] * 3, "Steps": body}}
    nested = {"DocumentName": "own-child", "RuntimeParameters": {"Id": instance}}
    return [*single, loop, {"name": "inner", "action": "aws:executeAutomation", "inputs": nested}]


def _read(own: Playbook) -> BoundPlaybook:
    """Read a document anew and lint it, as for a file that was edited, and bind it."""
    fresh = Playbook.from_texts(own.runbook_text, own.metadata_text, "own")
    lint(fresh.document, fresh.metadata, playbooks=("own-child", "own-own"))
    return BoundPlaybook(fresh.ref, (), "", {}, "low", region=REGION)


def _playbook(name: str, steps: Sequence[Step], **fields: Any) -> Playbook:
    document = {"schemaVersion": "0.3", "mainSteps": list(steps), **fields}
    metadata = {"id": f"own-{name}", "version": "1.0.0", "name": name, "description": name}
    return Playbook.from_texts(json.dumps(document), json.dumps(metadata), name)


def _look(name: str, instance: str) -> Step:
    selector = "$.Reservations[0].Instances[0].State.Name"
    step = _call(name, "DescribeInstances", InstanceIds=[instance])
    return {**step, "outputs": [{"Name": "State", "Selector": selector, "Type": "String"}]}


def _tag(name: str, instance: str) -> Step:
    return _call(name, "CreateTags", Resources=[instance], Tags=[{"Key": "bench", "Value": "yes"}])


def _call(name: str, api: str, **parameters: Any) -> Step:
    inputs = {"Service": "ec2", "Api": api, **parameters}
    return {"name": name, "action": "aws:executeAwsApi", "inputs": inputs}
