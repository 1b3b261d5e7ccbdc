"""What stops a plan between approval and the first change."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cloudops_nb.errors import ApprovalRefusedError, ApprovalRequired, DriftError, JournalError, PlanError
from cloudops_nb.execution.locks import Locks
from cloudops_nb.execution.plan import PlanStatus, StepStatus, intent_hash, plan_hash
from cloudops_nb.execution.serialisation import plan_to_dict
from tests.sample_plans import CARD, TERMINAL


def approve(engine: Any, plan: Any, **options: Any) -> Any:
    return engine.approve(plan, **{"channel": CARD, "by": "ada", "reason": "why not", **options})


def test_nothing_runs_before_a_person_approved_it(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    instance = aws.instance()
    plan = engine.prepare(bind("ec2-stop", instance), account=account)
    sent = aws.watch("ec2")

    with pytest.raises(ApprovalRequired, match="approve"):
        engine.apply(plan)

    assert engine.status(plan) is PlanStatus.AWAITING_APPROVAL
    assert not sent


def test_an_edited_plan_does_not_run_though_it_was_approved(aws: Any, engine: Any, bind: Any, approved: Any) -> None:
    instance, other = aws.instance(), aws.instance("web-2")
    plan = approved(engine, bind("ec2-stop", instance))
    steps = tuple(replace(step, parameters={"InstanceIds": [other.identifier]}) for step in plan.steps)
    edited = replace(plan, steps=steps)
    resealed = replace(edited, hash=plan_hash(edited), intent_hash=intent_hash(edited))

    for plan_in_hand in (edited, resealed):
        with pytest.raises(ApprovalRefusedError, match="edited"):
            engine.apply(plan_in_hand)
    assert aws.instance_state(other) == "running"


def test_an_approval_serves_for_one_run(aws: Any, engine: Any, bind: Any, approved: Any) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    assert engine.apply(plan).wait(30) is PlanStatus.COMPLETED
    aws.client("ec2").start_instances(InstanceIds=[instance.identifier])

    with pytest.raises(ApprovalRefusedError, match="used"):
        engine.apply(plan)

    assert aws.instance_state(instance) == "running"


def test_an_expired_approval_does_not_run(aws: Any, engine: Any, bind: Any, approved: Any, clock: Any) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    clock.ahead = timedelta(minutes=16)

    with pytest.raises(ApprovalRefusedError, match="expired"):
        engine.apply(plan)

    assert engine.status(plan) is PlanStatus.EXPIRED
    assert aws.instance_state(instance) == "running"


def test_a_rejected_plan_does_not_run(aws: Any, engine: Any, bind: Any, approved: Any) -> None:
    plan = approved(engine, bind("ec2-stop", aws.instance()))
    engine.reject(plan, channel=CARD, by="grace", reason="not on a Friday")

    with pytest.raises(ApprovalRefusedError, match="not on a Friday"):
        engine.apply(plan)
    assert engine.status(plan) is PlanStatus.REJECTED


def test_a_plan_that_was_replaced_does_not_run(aws: Any, engine: Any, bind: Any, approved: Any, account: Any) -> None:
    instance = aws.instance()
    old = approved(engine, bind("ec2-stop", instance))
    new = engine.prepare(bind("ec2-stop", instance), account=account, replaces=old.id)

    with pytest.raises(ApprovalRefusedError, match="superseded"):
        engine.apply(old)
    assert new.replaces == old.id
    assert engine.status(new) is PlanStatus.AWAITING_APPROVAL


def test_code_cannot_approve_a_change_in_production(aws: Any, engine: Any, bind: Any, production: Any) -> None:
    plan = engine.prepare(bind("ec2-stop", aws.instance()), account=production)
    assert plan.production

    with pytest.raises(ApprovalRefusedError, match="card"):
        approve(engine, plan, channel="api")
    with pytest.raises(ApprovalRequired):
        engine.apply(plan)


def test_a_journal_that_was_altered_lets_nothing_be_approved_run_or_rolled_back(
    aws: Any, engine: Any, bind: Any, account: Any, journal: Any
) -> None:
    plan = engine.prepare(bind("ec2-stop", aws.instance()), account=account)
    journal.altered = True
    for act in (lambda: approve(engine, plan), lambda: engine.apply(plan), lambda: engine.rollback("execution")):
        with pytest.raises(JournalError, match="altered"):
            act()
    assert "approval" not in journal.kinds()
    engine.reject(plan, channel=CARD, by="ada", reason="the journal was altered")


def test_after_the_clock_was_set_back_a_person_accepts_it_before_anything_is_approved(
    *, aws: Any, engine: Any, bind: Any, account: Any, clock: Any, journal: Any
) -> None:
    clock.ahead = timedelta(hours=2)
    journal.append("scan", "s1", {})
    clock.ahead = timedelta()
    plan = engine.prepare(bind("ec2-stop", aws.instance()), account=account)
    with pytest.raises(ApprovalRefusedError, match="the clock"):
        approve(engine, plan)

    journal.altered = True
    with pytest.raises(JournalError):
        engine.accept_clock(channel=TERMINAL, by="ada", reason="it was two hours ahead")
    journal.altered = False
    engine.accept_clock(channel=TERMINAL, by="ada", reason="it was two hours ahead")

    approve(engine, plan)
    assert engine.apply(plan).wait(30) is PlanStatus.COMPLETED


def test_drift_stops_the_run_names_the_change_and_keeps_the_approval(
    aws: Any, engine: Any, bind: Any, approved: Any, journal: Any
) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    ec2 = aws.client("ec2")
    ec2.stop_instances(InstanceIds=[instance.identifier])

    with pytest.raises(DriftError, match=r"web-1.*state: running -> stopped"):
        engine.apply(plan)

    assert "approval_consumed" not in journal.kinds()
    ec2.start_instances(InstanceIds=[instance.identifier])
    assert engine.status(plan) is PlanStatus.APPROVED


def test_a_change_outside_the_fingerprint_is_no_drift(aws: Any, engine: Any, bind: Any, approved: Any) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    aws.client("ec2").create_tags(Resources=[instance.identifier], Tags=[{"Key": "Seen", "Value": "yes"}])
    assert engine.apply(plan).wait(30) is PlanStatus.COMPLETED


@pytest.mark.parametrize(
    ("arn", "account_id", "why"),
    [
        ("arn:aws:iam::210987654321:user/moto", "210987654321", "account 210987654321"),
        ("arn:aws:sts::123456789012:assumed-role/Other/session", "123456789012", "role/Other"),
    ],
)
def test_another_caller_does_not_run_the_plan(
    *, aws: Any, engine: Any, bind: Any, approved: Any, arn: str, account_id: str, why: str
) -> None:
    from tests.execution.conftest import Caller

    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    aws.clients.as_caller = Caller(account_id, arn)

    with pytest.raises(PlanError, match=re.escape(why)):
        engine.apply(plan)
    assert aws.instance_state(instance) == "running"


def test_of_two_who_apply_one_approval_at_once_exactly_one_runs(
    aws: Any, make_engine: Any, bind: Any, approved: Any, journal: Any
) -> None:
    engines = [make_engine(), make_engine()]
    plan = approved(engines[0], bind("ec2-stop", aws.instance()))
    barrier, executions, refused = threading.Barrier(2), [], []
    sent = aws.watch("ec2")

    def apply(engine: Any) -> None:
        barrier.wait()
        try:
            executions.append(engine.apply(plan))
        except PlanError as error:
            refused.append(error)

    threads = [threading.Thread(target=apply, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [execution.wait(30) for execution in executions] == [PlanStatus.COMPLETED]
    assert len(refused) == 1
    assert sent["StopInstances"] == 1
    assert journal.kinds().count("execution_started") == 1


def test_a_resource_that_is_being_changed_is_left_alone(
    *, aws: Any, engine: Any, bind: Any, approved: Any, locks_path: Any, journal: Any
) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    with Locks(locks_path).hold([instance.arn], "another-execution"):
        with pytest.raises(PlanError, match="being changed by another execution"):
            engine.apply(plan)
        assert "approval_consumed" not in journal.kinds()
    assert engine.apply(plan).wait(30) is PlanStatus.COMPLETED


def test_a_playbook_with_other_content_does_not_run(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    step = {"name": "rest", "action": "aws:sleep", "inputs": {"Duration": "PT0S"}}
    reviewed = replace(make_playbook([step]), bundled=True)
    swapped = replace(make_playbook([{**step, "name": "restLonger"}]), bundled=True)
    plan = approved(make_engine(reviewed), bind(reviewed, aws.instance()))

    with pytest.raises(Exception, match="another content"):
        make_engine(swapped).apply(plan)


def test_steps_that_are_not_the_playbooks_do_not_run_even_if_recorded_and_approved_so(
    *, aws: Any, engine: Any, bind: Any, account: Any, journal: Any
) -> None:
    instance, other = aws.instance(), aws.instance("web-2")
    plan = engine.prepare(bind("ec2-stop", instance), account=account)
    steps = tuple(replace(step, parameters={"InstanceIds": [other.identifier]}) for step in plan.steps)
    forged = replace(plan, id="33333333-3333-4333-8333-333333333333", steps=steps)
    forged = replace(forged, hash=plan_hash(forged), intent_hash=intent_hash(forged))
    journal.append("plan", forged.id, {**journal.records(kind="plan")[0].body, "plan": plan_to_dict(forged)})
    approve(engine, forged)

    with pytest.raises(ApprovalRefusedError, match="no longer the playbook's"):
        engine.apply(forged)
    assert aws.instance_state(other) == "running"


def test_a_dry_run_needs_no_approval_and_changes_nothing(
    *, aws: Any, engine: Any, bind: Any, account: Any, run: Any, journal: Any
) -> None:
    instance = aws.instance()
    plan = engine.prepare(bind("ec2-stop", instance), account=account)
    before = journal.kinds()
    sent = aws.watch("ec2")

    execution = engine.apply(plan, dry_run=True)
    events = list(execution)

    assert execution.status is PlanStatus.COMPLETED
    assert any("ec2:StopInstances is allowed" in event.message for event in events)
    assert sent["StopInstances (dry run)"] == 1
    assert not sent["StopInstances"]
    assert aws.instance_state(instance) == "running"
    assert journal.kinds() == before
    assert engine.status(plan) is PlanStatus.AWAITING_APPROVAL


def test_a_dry_run_uses_no_approval_up(aws: Any, engine: Any, bind: Any, approved: Any) -> None:
    plan = approved(engine, bind("rds-stop", aws.database()))
    assert engine.apply(plan, dry_run=True).wait(30) is PlanStatus.COMPLETED
    assert engine.status(plan) is PlanStatus.APPROVED
    assert engine.apply(plan).wait(30) is PlanStatus.COMPLETED


def test_a_dry_run_finds_drift(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    instance = aws.instance()
    plan = engine.prepare(bind("ec2-stop", instance), account=account)
    aws.client("ec2").stop_instances(InstanceIds=[instance.identifier])
    with pytest.raises(DriftError):
        engine.apply(plan, dry_run=True)


def test_a_dry_run_does_not_wait(*, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any) -> None:
    stop = {"Service": "ec2", "Api": "StopInstances", "InstanceIds": ["{{ InstanceId }}"]}
    playbook = make_playbook(
        [
            {"name": "rest", "action": "aws:sleep", "inputs": {"Duration": "PT1H"}},
            {"name": "stop", "action": "aws:executeAwsApi", "inputs": stop},
            {"name": "restAgain", "action": "aws:sleep", "inputs": {"Duration": "PT1H"}},
        ]
    )
    engine = make_engine(playbook)
    plan = engine.prepare(bind(playbook, aws.instance()), account=account)
    execution = engine.apply(plan, dry_run=True)
    assert execution.wait(30) is PlanStatus.COMPLETED
    assert [step.status for step in execution.steps] == [StepStatus.SKIPPED] * 3


def test_a_rate_that_does_not_fit_is_refused(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    for rate in ({"max_concurrency": 0}, {"max_errors": -1}):
        with pytest.raises(PlanError, match="rate"):
            engine.prepare(bind("ec2-stop", aws.instance()), account=account, **rate)


def test_who_calls_is_asked_of_aws_afresh_before_a_run(aws: Any, engine: Any, bind: Any, approved: Any) -> None:
    plan = approved(engine, bind("ec2-stop", aws.instance()))
    assert aws.clients.asked_afresh == 0
    assert engine.apply(plan).wait(30) is PlanStatus.COMPLETED
    assert aws.clients.asked_afresh == 1


def test_what_became_production_after_the_plan_was_shown_is_drift(
    aws: Any, engine: Any, bind: Any, approved: Any
) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    aws.client("ec2").create_tags(Resources=[instance.identifier], Tags=[{"Key": "Environment", "Value": "production"}])

    with pytest.raises(DriftError, match="environment: development -> production"):
        engine.apply(plan)
    assert aws.instance_state(instance) == "running"
