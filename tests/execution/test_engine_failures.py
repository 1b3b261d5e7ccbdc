"""Runs that do not go well: lost answers, refusals, waiting, stopping, broken journals."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import ExecutionError, JournalError, PlanError
from cloudops_nb.execution.executor import ApiCall, CallResult, InProcess
from cloudops_nb.execution.plan import PlanStatus, StepStatus
from tests.canned_response import canned_response
from tests.execution.sample_documents import Scripted, bound, call, look, own_document, stop

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

LOOK = {"Service": "ec2", "Api": "DescribeInstances", "InstanceIds": ["{{ InstanceId }}"]}
LOOKING = "provide-client-params.ec2.DescribeInstances"
STATE = "$.Reservations[0].Instances[0].State.Name"
STOP = {
    "name": "stop",
    "action": "aws:executeAwsApi",
    "inputs": {"Service": "ec2", "Api": "StopInstances", "InstanceIds": ["{{ InstanceId }}"]},
}


def wait_for(state: str, **fields: Any) -> dict[str, Any]:
    inputs = {**LOOK, "PropertySelector": STATE, "DesiredValues": [state]}
    return {"name": "waitForIt", "action": "aws:waitForAwsResourceProperty", "inputs": inputs, **fields}


def events_until(execution: Any, kind: str) -> Any:
    return next(event for event in execution if event.kind == kind)


def test_a_lost_answer_is_unknown_and_not_sent_again(
    aws: Any, engine: Any, bind: Any, approved: Any, journal: Any
) -> None:
    database = aws.database()
    plan = approved(engine, bind("rds-stop", database))
    sent = aws.watch("rds")
    aws.lose_answers("rds", "StopDBInstance")

    execution = engine.apply(plan)
    failed = events_until(execution, "step_failed")

    assert execution.wait(30) is PlanStatus.FAILED
    assert sent["StopDBInstance"] == 1
    assert failed.data["status"] == StepStatus.OUTCOME_UNKNOWN
    assert "the resource is stopped now" in failed.message
    assert {step.status for step in execution.steps} == {
        StepStatus.COMPLETED,
        StepStatus.OUTCOME_UNKNOWN,
        StepStatus.SKIPPED,
    }
    kinds = journal.kinds(execution.id)
    assert kinds.index("step_intent") < len(kinds) - 1 - kinds[::-1].index("step_result")
    assert "step_intent" in journal.power_safe
    assert engine.status(plan) is PlanStatus.FAILED


def test_reading_is_tried_again_after_a_lost_answer(aws: Any, engine: Any, bind: Any, approved: Any) -> None:
    from botocore.exceptions import ConnectionClosedError

    plan = approved(engine, bind("rds-stop", aws.database()))
    broken: list[bool] = []

    def break_once(request: Any, **_: Any) -> None:
        if not broken:
            broken.append(request.url)
            raise ConnectionClosedError(endpoint_url=request.url)

    aws.hook("rds", "before-send.rds.DescribeDBInstances", break_once)
    assert engine.apply(plan).wait(60) is PlanStatus.COMPLETED
    assert broken


def test_an_idempotent_change_with_attempts_left_is_repeated_after_the_state_was_read(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    playbook = make_playbook([{**STOP, "maxAttempts": 2}, wait_for("stopped")])
    instance, engine = aws.instance(), make_engine(playbook)
    plan = approved(engine, bind(playbook, instance))
    sent = aws.watch("ec2")
    aws.lose_answers("ec2", "StopInstances")

    assert engine.apply(plan).wait(30) is PlanStatus.FAILED
    assert sent["StopInstances"] == 2
    assert sent["DescribeInstances"] >= 3


def test_what_aws_refuses_fails_with_its_reason(aws: Any, engine: Any, bind: Any, approved: Any) -> None:
    database = aws.database()
    plan = approved(engine, bind("rds-stop", database))

    def stop_meanwhile(**_: Any) -> None:
        aws.client("rds").meta.events.unregister("before-send.rds.StopDBInstance", stop_meanwhile)
        aws.client("rds").stop_db_instance(DBInstanceIdentifier=database.identifier)

    aws.hook("rds", "before-send.rds.StopDBInstance", stop_meanwhile)
    execution = engine.apply(plan)

    failed = events_until(execution, "step_failed")
    assert "InvalidDBInstanceState" in failed.message
    assert failed.data["status"] == StepStatus.FAILED
    assert execution.wait(30) is PlanStatus.FAILED


def test_cancelling_stops_a_wait_between_two_polls(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    playbook = make_playbook([STOP, wait_for("terminated")])
    instance, engine = aws.instance(), make_engine(playbook)
    plan = approved(engine, bind(playbook, instance))

    execution = engine.apply(plan)
    assert events_until(execution, "poll").message == "stopped"
    assert engine.status(plan) is PlanStatus.RUNNING
    execution.cancel()

    assert execution.wait(30) is PlanStatus.CANCELLED
    assert [step.status for step in execution.steps] == [StepStatus.COMPLETED, StepStatus.CANCELLED]
    assert [event.kind for event in execution][-1] == "cancelled"
    assert engine.status(plan) is PlanStatus.CANCELLED


def test_cancelling_stops_a_sleep(aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any) -> None:
    playbook = make_playbook([{"name": "rest", "action": "aws:sleep", "inputs": {"Duration": "PT1H"}}, STOP])
    instance, engine = aws.instance(), make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, instance)))
    events_until(execution, "step_started")
    execution.cancel()
    assert execution.wait(30) is PlanStatus.CANCELLED
    assert aws.instance_state(instance) == "running"


def test_a_wait_ends_with_its_time_limit(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    playbook = make_playbook([wait_for("terminated", timeoutSeconds=1)])
    engine = make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, aws.instance())))
    assert execution.wait(30) is PlanStatus.TIMEOUT
    (step,) = execution.steps
    assert (step.status, step.message) == (StepStatus.TIMEOUT, "it was still running, not terminated")


def test_a_wait_ends_when_the_state_comes(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    playbook = make_playbook([wait_for("stopped")])
    instance, engine = aws.instance(), make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, instance)))
    events_until(execution, "poll")
    aws.client("ec2").stop_instances(InstanceIds=[instance.identifier])
    assert execution.wait(30) is PlanStatus.COMPLETED


def test_an_interrupted_reader_does_not_stop_the_work(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    playbook = make_playbook([wait_for("stopped")])
    instance, engine = aws.instance(), make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, instance)))

    def read() -> None:
        for event in execution:
            if event.kind == "poll":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read()
    assert execution.status is PlanStatus.RUNNING
    aws.client("ec2").stop_instances(InstanceIds=[instance.identifier])
    assert next(iter(execution)).kind == "started"
    assert execution.wait(30) is PlanStatus.COMPLETED


def test_no_further_target_is_begun_after_one_failed(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    look = {**LOOK, "PropertySelector": STATE, "DesiredValues": ["terminated"]}
    playbook = make_playbook([{"name": "check", "action": "aws:assertAwsResourceProperty", "inputs": look}, STOP])
    first, second = aws.instance(), aws.instance("web-2")
    engine = make_engine(playbook)
    execution = engine.apply(approved(engine, bind(playbook, first, second)))

    assert execution.wait(30) is PlanStatus.FAILED
    assert [step.status for step in execution.steps] == [StepStatus.FAILED, *[StepStatus.SKIPPED] * 3]
    assert "web-2: not begun" in list(execution)[-1].message


def test_a_second_change_of_a_resource_is_refused_while_the_first_runs(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    playbook = make_playbook([wait_for("terminated")])
    instance, engine, other = aws.instance(), make_engine(playbook), make_engine(playbook)
    first = engine.apply(approved(engine, bind(playbook, instance)))
    second = approved(other, bind(playbook, instance))
    with pytest.raises(PlanError, match="being changed"):
        other.apply(second)
    first.cancel()
    first.wait(30)
    execution = other.apply(second)
    execution.cancel()
    assert execution.wait(30) is PlanStatus.CANCELLED


def test_no_more_than_ten_run_at_once(aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any) -> None:
    playbook = make_playbook([wait_for("terminated")])
    engine = make_engine(playbook, poll_seconds=0.2)
    plans = [approved(engine, bind(playbook, aws.instance(f"web-{number}"))) for number in range(11)]
    executions = [engine.apply(plan) for plan in plans[:10]]
    with pytest.raises(PlanError, match="10 executions are running"):
        engine.apply(plans[10])
    for execution in executions:
        execution.cancel()
    assert {execution.wait(30) for execution in executions} == {PlanStatus.CANCELLED}


@pytest.mark.parametrize("kind", ["step_intent", "step_result", "execution_ended"])
def test_a_journal_that_cannot_be_written_ends_the_run_as_failed(
    *, aws: Any, engine: Any, bind: Any, approved: Any, journal: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    write = journal.append

    def full(record_kind: str, *arguments: Any, **options: Any) -> Any:
        if record_kind == kind:
            raise JournalError("the disk is full")
        return write(record_kind, *arguments, **options)

    monkeypatch.setattr(journal, "append", full)
    execution = engine.apply(plan)

    assert execution.wait(30) is PlanStatus.FAILED
    assert aws.instance_state(instance) == ("stopped" if kind == "execution_ended" else "running")
    assert engine.status(plan) is PlanStatus.FAILED
    assert not [thread for thread in threading.enumerate() if execution.id[:8] in thread.name]


def test_a_lost_answer_is_unknown_also_when_the_state_cannot_be_read(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    playbook = make_playbook([STOP])
    engine = make_engine(playbook)
    plan = approved(engine, bind(playbook, aws.instance()))
    aws.lose_answers("ec2", "StopInstances")

    def see_nothing(**_: Any) -> dict[str, Any]:
        return {"InstanceIds": ["i-0123456789abcdef0"]}

    aws.hook("ec2", "before-call.ec2.StopInstances", lambda **_: aws.hook("ec2", LOOKING, see_nothing))
    execution = engine.apply(plan)
    assert execution.wait(30) is PlanStatus.FAILED
    (step,) = execution.steps
    assert step.status is StepStatus.OUTCOME_UNKNOWN
    assert "its state cannot be read" in step.message


def test_a_time_limit_that_is_no_number_is_refused_before_the_run(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any
) -> None:
    playbook = make_playbook(
        [wait_for("running", timeoutSeconds="{{ Limit }}")], {"Limit": {"type": "String", "default": "soon"}}
    )
    with pytest.raises(PlanError, match="timeoutSeconds is soon, which is no whole number"):
        make_engine(playbook).prepare(bind(playbook, aws.instance()), account=account)


def test_a_run_that_cannot_begin_frees_the_resource_and_shows_as_failed(
    *, aws: Any, engine: Any, bind: Any, approved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))

    start = threading.Thread.start

    def no_thread(thread: threading.Thread) -> None:
        if thread.name.startswith("cloudops-execution"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(ExecutionError, match="was not begun"):
            engine.apply(plan)
    assert engine.status(plan) is PlanStatus.FAILED
    assert not engine.running
    assert engine.apply(approved(engine, bind("ec2-stop", instance))).wait(30) is PlanStatus.COMPLETED


def test_a_call_that_breaks_outside_every_rule_ends_the_step_and_the_run_as_failed(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any
) -> None:
    class Broken(InProcess):
        def call(self, call: ApiCall) -> CallResult:
            if call.changes and "DryRun" not in call.parameters:
                raise LookupError("a defect")
            return super().call(call)

    playbook = make_playbook([STOP, wait_for("stopped")])
    engine = make_engine(playbook, executor=Broken(aws.clients))
    plan = approved(engine, bind(playbook, aws.instance()))
    execution = engine.apply(plan)

    assert execution.wait(30) is PlanStatus.FAILED
    assert [step.status for step in execution.steps] == [StepStatus.FAILED, StepStatus.SKIPPED]
    assert [event.step for event in execution if event.kind == "step_skipped"] == ["waitForIt"]
    assert engine.status(plan) is PlanStatus.FAILED


def test_a_thread_that_begins_after_the_run_was_given_up_changes_nothing(
    *, aws: Any, engine: Any, bind: Any, approved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    start = threading.Thread.start
    late: list[threading.Thread] = []

    def interrupt(thread: threading.Thread) -> None:
        if thread.name.startswith("cloudops-execution"):
            late.append(thread)
            raise KeyboardInterrupt
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            engine.apply(plan)
    (thread,) = late
    thread.start()
    thread.join(30)

    assert aws.instance_state(instance) == "running"
    assert engine.status(plan) is PlanStatus.FAILED


def test_a_run_that_cannot_begin_nor_be_recorded_frees_the_resource_and_is_closed_later(
    *, aws: Any, engine: Any, bind: Any, approved: Any, journal: Any, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    write = journal.append

    def full(kind: str, *arguments: Any, **options: Any) -> Any:
        if kind in {"execution_started", "execution_ended"}:
            raise JournalError("the disk is full", "/home/ada")
        return write(kind, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "append", full)
        with pytest.raises(JournalError, match="the disk is full"):
            engine.apply(plan)
    assert "is not recorded: JournalError" in caplog.text
    assert "/home/ada" not in caplog.text

    assert engine.status(plan) is PlanStatus.FAILED
    (recovered,) = engine.recover()
    assert recovered.plan_id == plan.id
    assert engine.apply(approved(engine, bind("ec2-stop", instance))).wait(30) is PlanStatus.COMPLETED


def test_an_interrupt_while_the_run_starts_leaves_it_failed_and_everything_free(
    *, aws: Any, engine: Any, bind: Any, approved: Any, journal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    start = threading.Thread.start

    def interrupt(thread: threading.Thread) -> None:
        if thread.name.startswith("cloudops-execution"):
            raise KeyboardInterrupt
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            engine.apply(plan)

    assert engine.status(plan) is PlanStatus.FAILED
    assert "execution_ended" in journal.kinds()
    assert not engine.running
    assert engine.recover() == []
    assert engine.apply(approved(engine, bind("ec2-stop", instance))).wait(30) is PlanStatus.COMPLETED


def test_an_interrupt_after_the_thread_began_does_not_stop_the_run(
    *, aws: Any, engine: Any, bind: Any, approved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = aws.instance()
    plan = approved(engine, bind("ec2-stop", instance))
    start = threading.Thread.start
    begun: list[Any] = []

    def start_and_interrupt(thread: threading.Thread) -> None:
        start(thread)
        if thread.name.startswith("cloudops-execution"):
            begun.extend(engine.running)
            thread.join(30)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            engine.apply(plan)

    assert engine.status(plan) is PlanStatus.COMPLETED
    assert aws.instance_state(instance) == "stopped"


@pytest.mark.parametrize("ending", ["refused", "cancelled"])
def test_nothing_but_success_replaces_an_unknown_outcome(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any, ending: str
) -> None:
    from botocore.exceptions import ConnectionClosedError
    from botocore.httpsession import URLLib3Session

    playbook = make_playbook([{**STOP, "maxAttempts": 2}])
    instance, engine = aws.instance(), make_engine(playbook)
    plan = approved(engine, bind(playbook, instance))
    seen: list[str] = []

    def lose_the_first(request: Any, **_: Any) -> Any:
        seen.append(request.url)
        if len(seen) > 1:
            return refusal(request.url, 503, "RequestLimitExceeded")
        URLLib3Session().send(request)
        if ending == "cancelled":
            engine.running[0].cancel()
        raise ConnectionClosedError(endpoint_url=request.url)

    aws.hook("ec2", "before-send.ec2.StopInstances", lose_the_first)
    execution = engine.apply(plan)

    assert execution.wait(30) is PlanStatus.FAILED
    (step,) = execution.steps
    assert step.status is StepStatus.OUTCOME_UNKNOWN
    assert "the resource is stopped now" in step.message
    assert [row["status"] for row in engine.steps(execution.id)] == ["outcome_unknown"]
    assert len(seen) == (2 if ending == "refused" else 1)


def refusal(url: str, status: int, code: str) -> AWSResponse:
    body = f"<Response><Errors><Error><Code>{code}</Code></Error></Errors></Response>"
    return canned_response(url, status, body.encode())


def test_a_dry_run_that_aws_denies_ends_failed(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    plan = engine.prepare(bind("ec2-stop", aws.instance()), account=account)

    def deny(request: Any, **_: Any) -> Any:
        return refusal(request.url, 403, "UnauthorizedOperation")

    aws.hook("ec2", "before-send.ec2.StopInstances", deny)
    execution = engine.apply(plan, dry_run=True)

    assert execution.wait(30) is PlanStatus.FAILED
    assert "is denied" in events_until(execution, "step_failed").message
    assert engine.status(plan) is PlanStatus.AWAITING_APPROVAL


class Odd(BaseException):
    """An error that is no Exception, as those of asyncio and of test frameworks."""


@pytest.mark.parametrize("error", [SystemExit("bye"), asyncio.CancelledError(), Odd(), KeyError("hunter2")])
@pytest.mark.parametrize("place", ["call", "after_run"])
def test_an_error_of_any_type_ends_the_run(
    *, aws: Any, make_engine: Any, approved: Any, journal: Any, error: BaseException, place: str
) -> None:
    def broken(_: Any) -> Any:
        raise error

    playbook = own_document("stop", [stop("stop", "i-1")])
    executor = Scripted(StopInstances=broken if place == "call" else {})
    engine = make_engine(playbook, executor=executor, after_run=broken if place == "after_run" else None)
    plan = approved(engine, bound(playbook))
    status = PlanStatus.FAILED if place == "call" else PlanStatus.COMPLETED

    execution = engine.apply(plan)
    assert execution.wait(10) is status
    assert not engine.running
    assert engine.status(plan) is status
    ended = journal.records(kind="execution_ended")[-1].body
    assert ended == {"status": status.value, "reason": type(error).__name__ if place == "call" else ""}


def test_a_lock_that_cannot_be_freed_does_not_keep_the_run_open(
    *, aws: Any, make_engine: Any, approved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError

    playbook = own_document("stop", [stop("stop", "i-1")])
    engine = make_engine(playbook, executor=Scripted())
    plan = approved(engine, bound(playbook))
    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    execution = engine.apply(plan)
    assert execution.wait(10) is PlanStatus.COMPLETED


def test_an_interrupt_while_a_run_is_admitted_leaves_no_run(
    *, aws: Any, make_engine: Any, approved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            super().__setitem__(key, value)
            raise KeyboardInterrupt

    playbook = own_document("stop", [stop("stop", "i-1")])
    engine = make_engine(playbook, executor=Scripted())
    plan = approved(engine, bound(playbook))
    monkeypatch.setattr(engine, "_running", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        engine.apply(plan)
    assert not engine.running


@pytest.mark.parametrize("selector", ["$.Points[0].Value", "$..a"])
def test_an_answer_that_no_record_can_hold_does_not_undo_a_change_that_was_made(
    *, aws: Any, start: Any, journal: Any, selector: str
) -> None:
    deep: Any = {"a": 1}
    for _ in range(300):
        deep = {"b": deep}
    change = call("stop", "ec2", "StopInstances", {"Value": f"{selector} StringList"}, InstanceIds=["i-1"])
    executor = Scripted(StopInstances={"Points": [{"Value": [{"x": float("nan")}]}], "Deep": deep})
    execution = start(executor, own_document("stop", [change]))
    assert execution.status is PlanStatus.COMPLETED
    assert [record.body["status"] for record in journal.records(kind="step_result")] == ["completed"]


def test_a_number_that_json_lacks_is_recorded_as_text(aws: Any, start: Any, journal: Any) -> None:
    change = call("stop", "ec2", "StopInstances", {"Points": "$.Points MapList"}, InstanceIds=["i-1"])
    execution = start(Scripted(StopInstances={"Points": [{"Value": float("nan")}]}), own_document("stop", [change]))
    assert execution.status is PlanStatus.COMPLETED
    assert journal.records(kind="step_result")[0].body["outputs"] == {"stop.Points": [{"Value": "NaN"}]}


def test_a_plan_that_somebody_changes_during_its_run_runs_as_it_was_approved(
    aws: Any, make_engine: Any, approved: Any
) -> None:
    looking, changed = threading.Event(), threading.Event()

    def wait(_: Any) -> dict[str, Any]:
        looking.set()
        assert changed.wait(30)
        return {}

    playbook, executor = own_document("stop", [look(), stop("stop", "i-1")]), Scripted(DescribeInstances=wait)
    engine = make_engine(playbook, executor=executor)
    plan = approved(engine, bound(playbook))
    execution = engine.apply(plan)
    assert looking.wait(30)
    plan.steps[1].parameters["InstanceIds"][0] = "i-2"
    changed.set()
    assert execution.wait(30) is PlanStatus.COMPLETED
    assert executor.made("StopInstances") == ["StopInstances i-1"]
