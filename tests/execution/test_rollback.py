"""The way back is a plan of its own, over what was completed."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.errors import ApprovalRequired, JournalError, PlanError
from cloudops_nb.execution.plan import PlanStatus

LOOK = {
    "Service": "ec2",
    "Api": "DescribeInstances",
    "InstanceIds": ["{{ InstanceId }}"],
    "PropertySelector": "$.Reservations[0].Instances[0].State.Name",
}
STOP = {
    "name": "stop",
    "action": "aws:executeAwsApi",
    "inputs": {"Service": "ec2", "Api": "StopInstances", "InstanceIds": ["{{ InstanceId }}"]},
}


def test_a_stopped_database_is_started_again_after_a_new_approval(
    aws: Any, engine: Any, bind: Any, approved: Any, account: Any
) -> None:
    database = aws.database()
    plan = approved(engine, bind("rds-stop", database))
    execution = engine.apply(plan)
    execution.wait(30)

    bound, undone = engine.rollback(execution)
    way_back = engine.prepare(bound, account=account, rolls_back=undone)
    assert way_back.playbook.id == "rds-start"
    assert way_back.rolls_back == execution.id
    with pytest.raises(ApprovalRequired):
        engine.apply(way_back)
    way_back = approved(engine, bound, rolls_back=undone)
    assert engine.apply(way_back).wait(30) is PlanStatus.COMPLETED

    assert aws.database_state(database) == "available"
    assert engine.status(plan) is PlanStatus.ROLLED_BACK
    assert engine.status(way_back) is PlanStatus.COMPLETED


def test_only_completed_targets_are_rolled_back(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    still_running = {**LOOK, "DesiredValues": ["running"]}
    playbook = make_playbook(
        [{"name": "check", "action": "aws:assertAwsResourceProperty", "inputs": still_running}, STOP]
    )
    first, second = aws.instance(), aws.instance("web-2")
    engine = make_engine(playbook)
    plan = approved(engine, bind(playbook, first, second))
    ec2 = aws.client("ec2")

    def stop_the_second(**_: Any) -> None:
        ec2.meta.events.unregister("after-call.ec2.StopInstances", stop_the_second)
        ec2.stop_instances(InstanceIds=[second.identifier])

    aws.hook("ec2", "after-call.ec2.StopInstances", stop_the_second)
    execution = engine.apply(plan)
    assert execution.wait(30) is PlanStatus.FAILED

    bound, _ = engine.rollback(execution.id)
    assert [target.identifier for target in bound.targets] == [first.identifier]


def test_a_rollback_that_fails_shows_on_the_plan_it_was_to_undo(
    aws: Any, engine: Any, bind: Any, approved: Any
) -> None:
    plan = approved(engine, bind("rds-stop", aws.database()))
    execution = engine.apply(plan)
    execution.wait(30)
    bound, undone = engine.rollback(execution)
    way_back = approved(engine, bound, rolls_back=undone)
    aws.lose_answers("rds", "StartDBInstance")

    assert engine.apply(way_back).wait(30) is PlanStatus.FAILED
    assert engine.status(plan) is PlanStatus.ROLLBACK_FAILED


def test_what_cannot_be_undone_is_said_plainly(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    playbook = make_playbook([STOP], rollback={"playbook": "", "note": "Memory is lost."})
    engine = make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, aws.instance())))
    execution.wait(30)
    with pytest.raises(PlanError, match="irreversible: Memory is lost"):
        engine.rollback(execution)


def test_there_is_nothing_to_roll_back_before_something_was_completed(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    wait = {**LOOK, "DesiredValues": ["terminated"]}
    playbook = make_playbook([{"name": "wait", "action": "aws:waitForAwsResourceProperty", "inputs": wait}])
    engine = make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, aws.instance())))
    with pytest.raises(PlanError, match="still runs"):
        engine.rollback(execution)
    execution.cancel()
    execution.wait(30)
    with pytest.raises(PlanError, match="nothing to roll back"):
        engine.rollback(execution)
    with pytest.raises(PlanError, match="there is no execution unknown"):
        engine.rollback("unknown")


@pytest.mark.parametrize("lost", [False, True])
def test_what_was_changed_or_may_have_been_is_rolled_back_though_the_run_did_not_complete(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any, lost: bool
) -> None:
    wait = {**LOOK, "DesiredValues": ["terminated"]}
    never = {"name": "wait", "action": "aws:waitForAwsResourceProperty", "inputs": wait, "timeoutSeconds": 1}
    playbook = make_playbook([STOP, never])
    instance, engine = aws.instance(), make_engine(playbook)
    plan = approved(engine, bind(playbook, instance))
    if lost:
        aws.lose_answers("ec2", "StopInstances")
    execution = engine.apply(plan)
    assert execution.wait(30) is (PlanStatus.FAILED if lost else PlanStatus.TIMEOUT)

    bound, _ = engine.rollback(execution)
    assert [target.identifier for target in bound.targets] == [instance.identifier]


def test_a_call_whose_answer_was_not_recorded_may_have_changed_its_target(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any, journal: Any, monkeypatch: Any
) -> None:
    playbook = make_playbook([STOP])
    instance, engine = aws.instance(), make_engine(playbook)
    plan = approved(engine, bind(playbook, instance))
    write = journal.append

    def full(kind: str, *arguments: Any, **options: Any) -> Any:
        if kind == "step_result":
            raise JournalError("the disk is full")
        return write(kind, *arguments, **options)

    monkeypatch.setattr(journal, "append", full)
    execution = engine.apply(plan)
    execution.wait(30)

    assert [row["message"] for row in engine.steps(execution.id)] == ["the answer was not recorded"]
    assert [target.identifier for target in engine.rollback(execution)[0].targets] == [instance.identifier]
