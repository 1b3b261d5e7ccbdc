"""A process killed in the middle of an execution leaves a correct picture, and recovery closes the books."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cloudops_nb
from cloudops_nb.execution.engine import ExecutionEngine
from cloudops_nb.execution.journal_kinds import unfinished_executions
from cloudops_nb.execution.plan import PlanStatus
from cloudops_nb.settings import Settings
from cloudops_nb.ssm.catalogue import Catalogue
from cloudops_nb.storage.journal.journal import Journal
from cloudops_nb.storage.opening.vault_opening import open_vault
from tests.sample_plans import CARD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHILD = """
import sys
from pathlib import Path
from cloudops_nb.execution.engine import ExecutionEngine
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.settings import Settings
from cloudops_nb.ssm.catalogue import Catalogue
from cloudops_nb.storage.journal.journal import Journal
from cloudops_nb.storage.opening.vault_opening import open_vault

store, key, locks, plan_id, moment = sys.argv[1:]
vault = open_vault(Settings(data_path=store, key_file=key))
sessions = AccountSessions(())
engine = ExecutionEngine(sessions, Journal(vault.data_path, vault), Catalogue.bundled(), locks_path=Path(locks))
plan = engine.plan(plan_id)

def stay(**_):
    print("there", flush=True)
    sys.stdin.read()

rds = sessions.client(plan.account_id, "rds", plan.region)
rds.meta.events.register({"before": "before-send", "after": "after-call"}[moment] + ".rds.StopDBInstance", stay)
engine.apply(plan).wait()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_path=tmp_path / "store", key_file=tmp_path / "encryption.key")


@pytest.fixture
def sealed_journal(settings: Settings) -> Iterator[Journal]:
    vault = open_vault(settings)
    journal = Journal(vault.data_path, vault)
    yield journal
    journal.close()


@pytest.fixture
def engine(aws: Any, sealed_journal: Journal, locks_path: Path) -> ExecutionEngine:
    return ExecutionEngine(aws.clients, sealed_journal, Catalogue.bundled(), locks_path=locks_path, poll_seconds=0.01)


@pytest.fixture
def child(settings: Settings, locks_path: Path) -> Iterator[Callable[[str, str], subprocess.Popen[str]]]:
    """Run a plan in another process that stays just before or after its changing call."""
    started: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": str(Path(cloudops_nb.__file__).parents[1])}

    def start(plan_id: str, moment: str) -> subprocess.Popen[str]:
        arguments = (settings.data_path, settings.key_file, locks_path, plan_id, moment)
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *map(str, arguments)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "there\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize(("moment", "state"), [("before", "available"), ("after", "stopped")])
def test_a_killed_execution_has_failed_and_its_call_is_unknown(
    *,
    aws: Any,
    engine: ExecutionEngine,
    bind: Any,
    approved: Any,
    child: Any,
    sealed_journal: Journal,
    moment: str,
    state: str,
) -> None:
    database = aws.database()
    plan = approved(engine, bind("rds-stop", database))
    process = child(plan.id, moment)
    assert engine.status(plan) is PlanStatus.RUNNING
    assert engine.recover() == []

    kill(process)

    assert engine.status(plan) is PlanStatus.FAILED
    (row,) = engine.history()
    assert (row["status"], row["detail"], row["approver"]) == ("failed", "its process ended", "ada")
    steps = {step["step"]: step["status"] for step in engine.steps(row["execution_id"])}
    assert steps == {"assertAvailable": "completed", "stopDBInstance": "outcome_unknown"}

    assert unfinished_executions(sealed_journal) == {row["execution_id"]}

    (recovered,) = engine.recover(reread=True)

    assert unfinished_executions(sealed_journal) == set()
    assert recovered.plan_id == plan.id
    assert recovered.unknown == (f"stopDBInstance on {database.arn}",)
    assert recovered.state_now == {database.arn: state}
    assert engine.recover(reread=True) == []
    assert engine.status(plan) is PlanStatus.FAILED
    assert {step["step"]: step["status"] for step in engine.steps(row["execution_id"])} == steps
    sealed_journal.verify()


def test_after_a_kill_the_resource_can_be_changed_again(
    aws: Any, engine: ExecutionEngine, bind: Any, approved: Any, child: Any
) -> None:
    database = aws.database()
    plan = approved(engine, bind("rds-stop", database))
    kill(child(plan.id, "before"))

    again = approved(engine, bind("rds-stop", database))
    assert engine.apply(again).wait(30) is PlanStatus.COMPLETED
    assert engine.status(plan) is PlanStatus.FAILED


def test_while_another_process_runs_a_plan_nobody_else_does(
    *, aws: Any, engine: ExecutionEngine, bind: Any, approved: Any, child: Any, account: Any
) -> None:
    from cloudops_nb.errors import ApprovalRefusedError, PlanError

    database = aws.database()
    plan = approved(engine, bind("rds-stop", database))
    child(plan.id, "before")

    with pytest.raises(ApprovalRefusedError, match="used"):
        engine.apply(plan)
    other = engine.prepare(bind("rds-stop", database), account=account)
    engine.approve(other, channel=CARD, by="ada", reason="impatience")
    with pytest.raises(PlanError, match="being changed"):
        engine.apply(other)


def test_an_approval_that_was_used_up_by_a_run_that_never_began_shows_as_failed(
    aws: Any, make_engine: Any, bind: Any, approved: Any, journal: Any
) -> None:
    engine = make_engine()
    plan = approved(engine, bind("ec2-stop", aws.instance()))
    approval = journal.records(kind="approval")[0].body
    body = {"approval_id": approval["id"], "plan_hash": plan.hash, "execution_id": "dead"}
    journal.append("approval_consumed", plan.id, body, once=approval["id"])

    assert engine.status(plan) is PlanStatus.FAILED
    (recovered,) = engine.recover()
    assert (recovered.execution_id, recovered.unknown) == ("dead", ())
    assert journal.kinds("dead") == ["execution_ended"]


def test_each_end_is_recorded_once_however_many_recover(
    *, aws: Any, make_engine: Any, bind: Any, approved: Any, journal: Any
) -> None:
    engine = make_engine()
    plan = approved(engine, bind("ec2-stop", aws.instance()))
    journal.append("approval_consumed", plan.id, {"execution_id": "dead"}, once="approval")
    journal.append("elsewhere", "another subject", {}, once="execution_ended:dead")
    assert engine.recover() == []
    assert journal.kinds("dead") == []


def test_a_state_that_cannot_be_read_is_recorded_as_such(
    *, aws: Any, make_engine: Any, bind: Any, approved: Any, journal: Any
) -> None:
    engine = make_engine()
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    journal.append("approval_consumed", plan.id, {"execution_id": "dead"}, once="approval")
    aws.hook("ec2", "provide-client-params.ec2.DescribeInstances", lambda **_: {"InstanceIds": ["i-0123456789abcdef0"]})
    (recovered,) = engine.recover(reread=True)
    assert recovered.state_now[instance.arn].startswith("unknown: the live state cannot be read")
