"""Loops run their steps as the user guide's page on aws:loop says."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.errors import PlanError
from cloudops_nb.execution.plan import PlanStatus
from tests.execution.sample_documents import (
    LOST,
    REFUSED,
    Scripted,
    bound,
    each,
    look,
    messages,
    own_document,
    paths,
    step,
    stop,
)

ITEM = "{{ each.CurrentIteratorValue }}"
IDS = {"Ids": {"type": "StringList"}}
FOUND = {"Ids": "$.Found StringList"}


def refused(*identifiers: str) -> Any:
    return lambda call: REFUSED if call.parameters["InstanceIds"][0] in identifiers else {}


def test_each_item_is_given_to_the_steps_in_its_order(aws: Any, start: Any) -> None:
    executor = Scripted()
    playbook = own_document("stop", [each("each", "{{ Ids }}", stop("stop", ITEM))], parameters=IDS)
    execution = start(executor, playbook, Ids=["i-1", "i-2", "i-3"])
    assert execution.status is PlanStatus.COMPLETED
    assert executor.made() == ["StopInstances i-1", "StopInstances i-2", "StopInstances i-3"]
    assert execution.outputs[""] == {"each.CurrentIteratorValue": "i-3", "each.CurrentIteration": 3}
    assert messages(execution)["each"] == "ran 3 times"


def test_the_event_of_a_step_in_a_loop_names_the_item(aws: Any, start: Any) -> None:
    playbook = own_document("stop", [each("each", "{{ Ids }}", stop("stop", ITEM))], parameters=IDS)
    execution = start(Scripted(), playbook, Ids=["i-1", "i-2"])
    begun = [event.message for event in execution if event.kind == "step_started" and event.step.startswith("each/")]
    assert [message.split("--instance-ids ")[1].split()[0] for message in begun] == ["i-1", "i-2"]


def test_a_description_with_an_unknown_reference_is_shown_as_it_is(aws: Any, start: Any) -> None:
    described = {**look(), "description": "Looks for {{ nothing.Id }}."}
    execution = start(Scripted(), own_document("look", [described]))
    assert [event.message for event in execution if event.kind == "step_started"] == ["Looks for {{ nothing.Id }}."]


@pytest.mark.parametrize(
    ("kind", "items", "last"),
    [
        ("Integer", ["1", "2"], 2),
        ("Boolean", ["true", "False"], False),
        ("String", [1, True], "true"),
        ("StringMap", [{"a": "b"}, '{"c": "d"}'], {"c": "d"}),
    ],
)
def test_items_have_the_type_that_the_loop_says(aws: Any, start: Any, kind: str, items: Any, last: Any) -> None:
    executor = Scripted()
    playbook = own_document("each", [each("each", items, look(), IteratorDataType=kind)])
    assert start(executor, playbook).outputs[""]["each.CurrentIteratorValue"] == last


@pytest.mark.parametrize(
    ("found", "calls", "status"),
    [
        ([], 0, PlanStatus.COMPLETED),
        (["i-1"], 1, PlanStatus.COMPLETED),
        ([f"i-{number}" for number in range(100)], 100, PlanStatus.COMPLETED),
        ([f"i-{number}" for number in range(101)], 0, PlanStatus.FAILED),
        (None, 0, PlanStatus.FAILED),
    ],
)
def test_a_loop_runs_for_at_most_100_items_that_the_run_finds(
    aws: Any, start: Any, found: Any, calls: int, status: PlanStatus
) -> None:
    executor = Scripted(DescribeInstances={"Found": found})
    playbook = own_document("stop", [look(outputs=FOUND), each("each", "{{ look.Ids }}", stop("stop", ITEM))])
    execution = start(executor, playbook)
    assert (execution.status, len(executor.made("StopInstances"))) == (status, calls)


@pytest.mark.parametrize(
    ("items", "inputs", "problem"),
    [
        ([f"i-{number}" for number in range(101)], {}, "Iterators has 101 items, the most is 100"),
        (["1", "x"], {"IteratorDataType": "Integer"}, "an item of Iterators is not of type Integer"),
        (["1"], {"MaxIterations": "{{ Most }}"}, "MaxIterations is no whole number above 0"),
    ],
)
def test_a_loop_that_cannot_run_is_refused_before_it_does(
    *, aws: Any, make_engine: Any, account: Any, items: Any, inputs: Any, problem: str
) -> None:
    parameters = IDS | {"Most": {"type": "Integer", "default": 0}}
    playbook = own_document("each", [each("each", "{{ Ids }}", look(), **inputs)], parameters=parameters)
    with pytest.raises(PlanError, match=problem):
        make_engine(playbook).prepare(bound(playbook, Ids=items), account=account)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"Most": "many"}, "MaxIterations is no whole number above 0"),
        ({}, "MaxIterations is no whole number above 0"),
        ({"Most": "2", "Ids": {"a": 1}}, "Iterators is no list"),
        ({"Most": "2", "Ids": ["x"]}, "an item of Iterators is not of type Integer"),
    ],
)
def test_a_loop_that_learns_unusable_values_fails_with_the_reason(
    aws: Any, start: Any, found: Any, message: str
) -> None:
    kind = "StringMap" if isinstance(found.get("Ids"), dict) else "StringList"
    outputs = {"Most": "$.Most", "Ids": f"$.Ids {kind}"}
    inputs = {"MaxIterations": "{{ look.Most }}", "IteratorDataType": "Integer"}
    body = each("each", "{{ look.Ids }}", stop("stop", "i-1"), **inputs)
    executor = Scripted(DescribeInstances=found)
    execution = start(executor, own_document("each", [look(outputs=outputs), body]))
    assert execution.status is PlanStatus.FAILED
    assert message in messages(execution)["each"]
    assert executor.made("StopInstances") == []


def do_while(*steps: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    condition = {"Variable": "{{ look.State }}", "StringEquals": "stopping"}
    return step("wait", "loop", {"LoopCondition": condition, "Steps": list(steps), **inputs})


def test_a_loop_with_a_condition_runs_once_and_again_while_it_holds(aws: Any, start: Any) -> None:
    executor = Scripted(DescribeInstances=[{"S": "stopping"}, {"S": "stopping"}, {"S": "stopped"}])
    execution = start(executor, own_document("wait", [do_while(look(outputs={"State": "$.S"}))]))
    assert execution.status is PlanStatus.COMPLETED
    assert len(executor.calls) == 3
    assert execution.outputs[""]["wait.CurrentIteration"] == 3


@pytest.mark.parametrize("most", [2, "{{ Most }}", "{{ count.Most }}"])
def test_the_most_iterations_end_a_loop_without_failure(aws: Any, start: Any, most: Any) -> None:
    executor = Scripted(DescribeInstances={"S": "stopping"}, DescribeVolumes={"Most": 2})
    count = look("count", {"Most": "$.Most Integer"})
    count["inputs"]["Api"] = "DescribeVolumes"
    loop = do_while(look(outputs={"State": "$.S"}), MaxIterations=most)
    parameters = {"Most": {"type": "Integer", "default": 2}}
    execution = start(executor, own_document("wait", [count, loop], parameters=parameters))
    assert execution.status is PlanStatus.COMPLETED
    assert len(executor.made("DescribeInstances")) == 2


def test_the_most_iterations_end_a_loop_over_items_too(aws: Any, start: Any) -> None:
    executor = Scripted()
    loop = each("each", ["i-1", "i-2", "i-3"], stop("stop", ITEM), MaxIterations=2)
    assert start(executor, own_document("each", [loop])).status is PlanStatus.COMPLETED
    assert executor.made() == ["StopInstances i-1", "StopInstances i-2"]


def test_a_condition_that_cannot_be_evaluated_fails_the_loop(aws: Any, start: Any) -> None:
    loop = do_while(look(outputs={"State": "$.S"}))
    loop["inputs"]["LoopCondition"] = {"Variable": "{{ look.State }}", "NumericGreater": 1}
    execution = start(Scripted(DescribeInstances={"S": "many"}), own_document("wait", [loop]))
    assert execution.status is PlanStatus.FAILED
    assert "not a number" in messages(execution)["wait"]


def test_the_steps_of_a_loop_inside_a_loop_have_the_paths_of_both(aws: Any, start: Any) -> None:
    inner = each("inner", ["b", "c"], stop("stop", "{{ each.CurrentIteratorValue }}-{{ inner.CurrentIteratorValue }}"))
    executor = Scripted()
    execution = start(executor, own_document("each", [each("each", ["x", "y"], inner)]))
    assert [call.split()[1] for call in executor.made()] == ["x-b", "x-c", "y-b", "y-c"]
    assert [path for path, _ in paths(execution)] == [
        "each",
        "each/inner#1",
        "each/inner#2",
        "each/inner#1/stop#1",
        "each/inner#1/stop#2",
        "each/inner#2/stop#1",
        "each/inner#2/stop#2",
    ]


def test_a_step_may_lead_out_of_all_loops_around_it(aws: Any, start: Any) -> None:
    inner = each("inner", ["1", "2"], stop("stop", ITEM, nextStep="after"))
    executor = Scripted()
    execution = start(executor, own_document("each", [each("each", ["x", "y"], inner), look("skipped"), look("after")]))
    assert execution.status is PlanStatus.COMPLETED
    assert executor.made() == ["StopInstances x", "DescribeInstances"]
    assert messages(execution)["each"] == "left for after"
    assert ("skipped", "skipped") in paths(execution)


def test_a_way_back_out_of_a_loop_is_a_circle_whose_bound_is_approved(
    *, aws: Any, make_engine: Any, account: Any
) -> None:
    loop = each("each", ["x"], stop("stop", ITEM, onFailure="step:before"))
    playbook = own_document("each", [look("before"), loop, look("after")])
    plan = make_engine(playbook, executor=Scripted()).prepare(bound(playbook), account=account)
    assert [step.at_most for step in plan.steps] == [500, 500, 500, 1]


@pytest.mark.parametrize(
    ("fields", "calls", "status"),
    [
        ({}, "a b", PlanStatus.FAILED),
        ({"onFailure": "Continue"}, "a b last-b c after", PlanStatus.COMPLETED),
        ({"onFailure": "Continue", "isCritical": True}, "a b last-b c after", PlanStatus.FAILED),
        ({"onFailure": "step:last"}, "a b last-b c after", PlanStatus.FAILED),
        ({"onFailure": "step:last", "isCritical": False}, "a b last-b c after", PlanStatus.COMPLETED),
        ({"onFailure": "step:after"}, "a b after", PlanStatus.FAILED),
        ({"onFailure": "Cancel"}, "a b", PlanStatus.CANCELLED),
    ],
)
def test_a_failure_inside_a_loop_counts_for_the_document(
    *, aws: Any, start: Any, fields: dict[str, Any], calls: str, status: PlanStatus
) -> None:
    executor = Scripted(StopInstances=refused("b"))
    choices = [{"Variable": ITEM, "StringEquals": "b", "NextStep": "last"}]
    body = [
        stop("stop", ITEM, **fields),
        step("choose", "branch", {"Choices": choices}, isEnd=True),
        stop("last", f"last-{ITEM}"),
    ]
    execution = start(executor, own_document("each", [each("each", ["a", "b", "c"], *body), stop("after", "after")]))
    assert [call.split()[1] for call in executor.made()] == calls.split()
    assert execution.status is status


def test_the_end_inside_a_loop_ends_the_iteration(aws: Any, start: Any) -> None:
    executor = Scripted()
    loop = each("each", ["a", "b"], stop("stop", ITEM, isEnd=True), stop("never", "never"))
    assert start(executor, own_document("each", [loop])).status is PlanStatus.COMPLETED
    assert executor.made() == ["StopInstances a", "StopInstances b"]


def test_a_failed_step_that_ends_an_iteration_still_aborts_the_run(aws: Any, start: Any) -> None:
    executor = Scripted(StopInstances=refused("a"))
    loop = each("each", ["a", "b"], stop("stop", ITEM, isEnd=True))
    assert start(executor, own_document("each", [loop])).status is PlanStatus.FAILED
    assert executor.made() == ["StopInstances a"]


def test_a_step_of_a_loop_never_acts_on_what_an_earlier_iteration_found(aws: Any, start: Any) -> None:
    executor = Scripted(DescribeInstances=[{"Id": "i-1"}, REFUSED])
    find = look("find", {"Id": "$.Id"}, onFailure="Continue")
    loop = each("each", ["a", "b"], find, stop("stop", "{{ find.Id }}"))
    execution = start(executor, own_document("each", [loop]))
    assert execution.status is PlanStatus.FAILED
    assert executor.made("StopInstances") == ["StopInstances i-1"]
    assert "find.Id has no value" in messages(execution)["each/stop#2"]


def test_a_step_that_a_branch_left_out_has_no_output_of_an_earlier_iteration(aws: Any, start: Any) -> None:
    executor = Scripted(DescribeInstances={"Id": "i-1"})
    choices = [{"Variable": ITEM, "StringEquals": "b", "NextStep": "stop"}]
    body = [step("choose", "branch", {"Choices": choices}), look("find", {"Id": "$.Id"}), stop("stop", "{{ find.Id }}")]
    execution = start(executor, own_document("each", [each("each", ["a", "b"], *body)]))
    assert execution.status is PlanStatus.FAILED
    assert executor.made("StopInstances") == ["StopInstances i-1"]


def test_an_unknown_outcome_inside_a_loop_ends_the_run_and_the_call_is_not_made_again(aws: Any, start: Any) -> None:
    executor = Scripted(StopInstances=LOST)
    loop = each("each", ["a", "b"], stop("stop", ITEM, onFailure="Continue"))
    execution = start(executor, own_document("each", [loop, look()]))
    assert execution.status is PlanStatus.FAILED
    assert executor.made() == ["StopInstances a"]
    assert dict(paths(execution))["each"] == dict(paths(execution))["each/stop#1"] == "outcome_unknown"


def test_a_loop_whose_time_is_up_begins_no_further_step_and_its_failure_is_its_own(aws: Any, start: Any) -> None:
    wait = step(
        "wait",
        "waitForAwsResourceProperty",
        {"Service": "ec2", "Api": "DescribeInstances", "PropertySelector": "$.S", "DesiredValues": ["x"]},
        onFailure="Continue",
    )
    loop = each("each", ["a", "b"], wait, stop("stop", ITEM)) | {"timeoutSeconds": 1, "onFailure": "step:after"}
    executor = Scripted()
    execution = start(executor, own_document("each", [loop, look("between"), look("after")]))
    assert execution.status is PlanStatus.TIMEOUT
    assert executor.made("StopInstances") == []
    assert messages(execution)["each"] == "its time was up in iteration 1"
    assert dict(paths(execution))["between"] == "skipped"
    assert dict(paths(execution))["after"] == "completed"


def test_a_long_document_without_a_circle_runs_to_its_end(aws: Any, start: Any) -> None:
    executor = Scripted()
    execution = start(executor, own_document("long", [look(f"look{number}") for number in range(501)]))
    assert (execution.status, len(executor.calls)) == (PlanStatus.COMPLETED, 501)


def test_steps_that_repeat_end_after_500_with_the_reason_on_record(aws: Any, start: Any, journal: Any) -> None:
    again = {"Choices": [{"Variable": "{{ a.S }}", "StringEquals": "on", "NextStep": "a"}], "Default": "c"}
    steps = [look("a", {"S": "$.S"}), step("b", "branch", again), look("c")]
    executor = Scripted(DescribeInstances={"S": "on"})
    execution = start(executor, own_document("circle", steps))
    assert execution.status is PlanStatus.FAILED
    assert len(executor.calls) == 250
    (ended,) = journal.records(kind="execution_ended")
    assert ended.body["reason"] == "failed (stopped after 500 steps: a -> b -> a repeat)"
