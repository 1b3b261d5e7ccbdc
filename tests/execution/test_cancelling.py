"""A cancel stops the run at any point, and leads to the steps of onCancel for at most two minutes."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.execution import cancellation
from cloudops_nb.execution.plan import PlanStatus
from tests.execution.sample_documents import (
    REFUSED,
    Scripted,
    each,
    look,
    messages,
    nested,
    own_document,
    paths,
    step,
    stop,
)

CLEAN: dict[str, Any] = {"onCancel": "step:clean"}
ITEM = "{{ each.CurrentIteratorValue }}"


def cancelling() -> Scripted:
    """An executor whose DescribeInstances is answered after a cancel."""
    executor = Scripted()
    executor.answers["DescribeInstances"] = executor.cancel
    return executor


def test_without_oncancel_no_further_step_begins(aws: Any, start: Any) -> None:
    executor = cancelling()
    execution = start(executor, own_document("stop", [look(), stop("stop", "i-1")]))
    assert execution.status is PlanStatus.CANCELLED
    assert executor.made() == ["DescribeInstances"]


def test_oncancel_leads_to_the_steps_that_clean_up_and_the_run_is_cancelled(aws: Any, start: Any) -> None:
    executor = cancelling()
    steps = [look(**CLEAN), stop("stop", "i-1"), stop("clean", "i-2"), stop("rest", "i-3")]
    execution = start(executor, own_document("stop", steps))
    assert execution.status is PlanStatus.CANCELLED
    assert executor.made() == ["DescribeInstances", "StopInstances i-2", "StopInstances i-3"]


def test_a_cancelled_wait_leads_to_its_oncancel(aws: Any, start: Any) -> None:
    executor = cancelling()
    inputs = {"Service": "ec2", "Api": "DescribeInstances", "PropertySelector": "$.S", "DesiredValues": ["x"]}
    wait = step("wait", "waitForAwsResourceProperty", inputs, **CLEAN)
    # After a change, so that the plan does not read the property.
    steps = [stop("stop", "i-1"), wait, look("never"), stop("clean", "i-2")]
    execution = start(executor, own_document("stop", steps))
    assert execution.status is PlanStatus.CANCELLED
    assert executor.made() == ["StopInstances i-1", "DescribeInstances", "StopInstances i-2"]
    assert dict(paths(execution))["wait"] == "cancelled"


def test_a_failure_while_cleaning_up_leaves_the_run_cancelled(aws: Any, start: Any) -> None:
    executor = cancelling()
    executor.answers["StopInstances"] = REFUSED
    execution = start(executor, own_document("stop", [look(**CLEAN), stop("clean", "i-2"), stop("rest", "i-3")]))
    assert execution.status is PlanStatus.CANCELLED
    assert executor.made("StopInstances") == ["StopInstances i-2"]


def test_the_clean_up_inside_a_loop_begins_no_further_iteration(aws: Any, start: Any) -> None:
    executor = cancelling()
    body = [stop("stop", ITEM), look(isEnd=True, **CLEAN), stop("clean", f"clean-{ITEM}")]
    execution = start(executor, own_document("each", [each("each", ["a", "b", "c"], *body), stop("after", "after")]))
    assert execution.status is PlanStatus.CANCELLED
    assert executor.made("StopInstances") == ["StopInstances a", "StopInstances clean-a"]


def test_the_clean_up_may_leave_a_loop_and_run_loops_of_its_own(aws: Any, start: Any) -> None:
    executor = cancelling()
    inner = each("undo", ["x", "y"], stop("back", "{{ undo.CurrentIteratorValue }}"))
    steps = [each("each", ["a", "b"], look(**CLEAN)), look("never"), stop("clean", "clean"), inner]
    execution = start(executor, own_document("each", steps))
    assert execution.status is PlanStatus.CANCELLED
    assert executor.made("StopInstances") == ["StopInstances clean", "StopInstances x", "StopInstances y"]


def test_a_cancel_inside_a_composite_action_leads_to_its_oncancel(aws: Any, start: Any) -> None:
    executor = cancelling()
    inputs = {"InstanceIds": ["i-1"], "DesiredState": "stopped"}
    steps = [step("halt", "changeInstanceState", inputs, **CLEAN), look("never"), stop("clean", "i-2")]
    execution = start(executor, own_document("halt", steps))
    assert execution.status is PlanStatus.CANCELLED
    assert executor.made() == ["StopInstances i-1", "DescribeInstances i-1", "StopInstances i-2"]


def test_a_cancel_inside_a_nested_document_cleans_up_there_and_then_around_it(aws: Any, start: Any) -> None:
    executor = cancelling()
    child = own_document("child", [look(**CLEAN), stop("never", "never"), stop("clean", "child")])
    parent = own_document("parent", [nested("inner", "child") | CLEAN, stop("never", "never"), stop("clean", "parent")])
    execution = start(executor, parent, child)
    assert execution.status is PlanStatus.CANCELLED
    assert executor.made("StopInstances") == ["StopInstances child", "StopInstances parent"]
    assert execution.outputs[""]["inner.Status"] == "Cancelled"


def test_a_nested_document_may_clean_up(aws: Any, start: Any) -> None:
    executor = cancelling()
    child = own_document("child", [stop("one", "i-1"), stop("two", "i-2")])
    execution = start(
        executor, own_document("parent", [look(**CLEAN), nested("clean", "child"), stop("last", "i-3")]), child
    )
    assert execution.status is PlanStatus.CANCELLED
    assert len(executor.made("StopInstances")) == 3


@pytest.mark.parametrize("action", ["sleep", "wait"])
def test_the_clean_up_ends_after_its_time(
    *, aws: Any, start: Any, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(cancellation, "CLEAN_UP_SECONDS", 0.2)
    executor = cancelling()
    inputs = {"Service": "ec2", "Api": "DescribeVolumes", "PropertySelector": "$.S", "DesiredValues": ["x"]}
    waiting = step("rest", "waitForAwsResourceProperty", inputs, onFailure="Continue", **CLEAN)
    if action == "sleep":
        waiting = step("rest", "sleep", {"Duration": "PT1H"}, onFailure="Continue")
    execution = start(
        executor, own_document("stop", [look(**CLEAN), stop("clean", "i-1"), waiting, stop("never", "i-2")])
    )
    assert execution.status is PlanStatus.CANCELLED
    assert executor.made("StopInstances") == ["StopInstances i-1"]


def test_a_repeatable_change_is_not_repeated_after_a_cancel(aws: Any, start: Any) -> None:
    executor = Scripted()

    def refuse(call: Any) -> Any:
        executor.cancel(call)
        return REFUSED

    executor.answers["StopInstances"] = refuse
    execution = start(executor, own_document("stop", [stop("stop", "i-1", maxAttempts=3)]))
    assert execution.status is PlanStatus.CANCELLED
    assert len(executor.calls) == 1
    assert messages(execution)["stop"] == "cancelled before it began"
