"""aws:executeAutomation runs a document of this host, as the user guide's page on it says."""

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
    nested,
    own_document,
    paths,
    step,
    stop,
)

ID = {"Id": {"type": "String", "allowedPattern": "^i-[0-9]+$"}}
CHILD = own_document("child", [stop("stop", "{{ Id }}")], parameters=ID)
FIND = look("find", {"Id": "$.Id", "Ids": "$.Ids StringList"})


def chain(depth: int) -> list[Any]:
    """Documents of which each runs the next one, below the first."""
    last = own_document(f"level{depth}", [stop("stop", "i-1")])
    others = [own_document(f"level{n}", [nested("inner", f"level{n + 1}")]) for n in range(depth)]
    return [*others, last]


def test_documents_may_be_nested_three_deep(aws: Any, start: Any) -> None:
    executor = Scripted()
    execution = start(executor, *chain(3))
    assert execution.status is PlanStatus.COMPLETED
    assert executor.made() == ["StopInstances i-1"]
    assert paths(execution)[-1] == ("inner/inner/inner/stop", "completed")


def running(**inputs: Any) -> Any:
    return own_document("parent", [step("inner", "executeAutomation", {"DocumentName": "own-child", **inputs})])


@pytest.mark.parametrize(
    ("documents", "problem"),
    [
        (chain(4), "documents are nested deeper than 3 levels"),
        ([own_document("a", [nested("b", "b")]), own_document("b", [nested("a", "b")])], "documents run each other"),
        ([own_document("a", [nested("a", "a")])], "documents run each other: own-a -> own-a"),
        ([running()], "which this host does not have.*playbooks"),
        ([running(DocumentName="{{ global:REGION }}-{{ find.Name }}"), CHILD], "known only during the run"),
        ([running(Targets=[{"Key": "x"}], TargetParameterName="Id"), CHILD], "Targets, TargetParameterName start"),
        ([running(TargetLocations=[{"Accounts": ["1"]}]), CHILD], "TargetLocations start the document several times"),
        ([running(RuntimeParameters="{{ find.Map }}"), CHILD], "RuntimeParameters is known only during the run"),
        ([running(RuntimeParameters={"Other": "x"}), CHILD], "document own-child has no parameter Other"),
        ([running(), CHILD], "parameter Id of document own-child is missing"),
        ([running(RuntimeParameters={"Id": "x"}), CHILD], "parameter Id of document own-child does not fit"),
    ],
)
def test_a_document_that_cannot_run_another_is_refused_when_its_plan_is_made(
    *, aws: Any, make_engine: Any, account: Any, documents: list[Any], problem: str
) -> None:
    engine = make_engine(*documents, executor=Scripted())
    with pytest.raises(PlanError, match=problem):
        engine.prepare(bound(documents[0]), account=account)


def test_documents_that_run_many_documents_are_refused_before_they_fill_the_memory(
    *, aws: Any, make_engine: Any, account: Any
) -> None:
    many = [own_document(f"n{n}", [nested(f"s{i}", f"n{n + 1}") for i in range(11)]) for n in range(3)]
    engine = make_engine(*many, own_document("n3", [look()]), executor=Scripted())
    with pytest.raises(PlanError, match="more than 1000 steps"):
        engine.prepare(bound(many[0]), account=account)


def test_parameters_that_are_known_are_filled_in_when_the_plan_is_made(
    *, aws: Any, make_engine: Any, account: Any
) -> None:
    parent = own_document(
        "parent", [nested("inner", "child", Id=["{{ Target }}"])], parameters={"Target": {"type": "String"}}
    )
    engine = make_engine(parent, CHILD, executor=Scripted())
    plan = engine.prepare(bound(parent, Target="i-7"), account=account)
    assert plan.steps[1].parameters == {"InstanceIds": ["i-7"]}
    assert [(each.path, each.playbook) for each in plan.nested] == [("inner", CHILD.ref)]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"Id": "i-1"}, ""),
        ({}, "parameter Id of own-child has no value: find.Id has no value"),
        ({"Id": "web"}, "parameter Id of own-child does not fit: it does not match"),
        ({"Id": "{{ find.Id }}"}, "it holds {{"),
    ],
)
def test_parameters_that_only_the_run_knows_are_checked_before_the_document_begins(
    *, aws: Any, start: Any, found: dict[str, str], message: str
) -> None:
    executor = Scripted(DescribeInstances=found)
    execution = start(executor, own_document("parent", [FIND, nested("inner", "child", Id="{{ find.Id }}")]), CHILD)
    assert message in messages(execution).get("inner", "")
    assert executor.made("StopInstances") == ([] if message else ["StopInstances i-1"])
    assert execution.status is (PlanStatus.FAILED if message else PlanStatus.COMPLETED)


def test_a_missing_value_does_not_become_the_default_of_a_nested_document(aws: Any, start: Any) -> None:
    child = own_document("child", [stop("stop", "{{ Id }}")], parameters={"Id": {"type": "String", "default": "i-all"}})
    executor = Scripted()
    execution = start(executor, own_document("parent", [FIND, nested("inner", "child", Id="{{ find.Id }}")]), child)
    assert execution.status is PlanStatus.FAILED
    assert executor.made("StopInstances") == []


def test_a_nested_document_takes_its_defaults_and_may_have_an_assume_role(aws: Any, start: Any) -> None:
    parameters = {"Id": {"type": "String", "default": "i-1"}, "Role": {"type": "String"}}
    child = own_document("child", [stop("stop", "{{ Id }}")], parameters=parameters, assumeRole="{{ Role }}")
    executor = Scripted()
    assert start(executor, own_document("parent", [nested("inner", "child")]), child).status is PlanStatus.COMPLETED
    assert executor.made() == ["StopInstances i-1"]


FAILING = {"StopInstances": REFUSED}


@pytest.mark.parametrize(
    ("child_fields", "fields", "answers", "status", "word", "after"),
    [
        ({}, {}, {}, PlanStatus.COMPLETED, "Success", True),
        ({}, {}, FAILING, PlanStatus.FAILED, "Failed", False),
        ({}, {"onFailure": "Continue"}, FAILING, PlanStatus.COMPLETED, "Failed", True),
        ({}, {"onFailure": "step:after"}, FAILING, PlanStatus.FAILED, "Failed", True),
        ({"onFailure": "Continue"}, {}, FAILING, PlanStatus.COMPLETED, "Success", True),
        ({"onFailure": "Cancel"}, {"onFailure": "Continue"}, FAILING, PlanStatus.COMPLETED, "Cancelled", True),
        ({"onFailure": "Cancel"}, {}, FAILING, PlanStatus.FAILED, "Cancelled", False),
        ({}, {"onFailure": "Continue"}, {"StopInstances": LOST}, PlanStatus.FAILED, "Failed", False),
    ],
)
def test_how_a_nested_document_ends_is_how_its_step_ends(
    *, aws: Any, start: Any, child_fields: Any, fields: Any, answers: Any, status: PlanStatus, word: str, after: bool
) -> None:
    child = own_document("child", [stop("stop", "i-1", **child_fields)])
    executor = Scripted(**answers)
    execution = start(executor, own_document("parent", [nested("inner", "child") | fields, look("after")]), child)
    assert execution.status is status
    assert execution.outputs[""]["inner.Status"] == word
    assert bool(executor.made("DescribeInstances")) is after


def test_a_nested_document_gives_out_its_outputs_as_texts_and_an_id_of_its_own(aws: Any, start: Any) -> None:
    tag = {"Resources": ["i-1"], "Tags": [{"Key": "run", "Value": "{{ automation:EXECUTION_ID }}"}]}
    steps = [
        look("look", {"State": "$.S", "Map": "$.M StringMap", "None": "$.N"}),
        step("tag", "executeAwsApi", {"Service": "ec2", "Api": "CreateTags", **tag}),
    ]
    child = own_document("child", steps, outputs=["look.State", "look.Map", "look.None", "look.Unknown"])
    executor = Scripted(DescribeInstances={"S": "on", "M": {"a": 1}})
    execution = start(executor, own_document("parent", [nested("inner", "child")]), child)
    given = execution.outputs[""]
    assert given["inner.Output"] == ["on", '{"a":1}', "", ""]
    (call,) = [call for call in executor.calls if call.api == "CreateTags"]
    assert call.parameters["Tags"][0]["Value"] == given["inner.ExecutionId"] == execution.plan.nested[0].automation_id
    assert given["inner.ExecutionId"] != execution.plan.automation_id


def test_a_nested_document_that_runs_for_each_item_starts_afresh_each_time(aws: Any, start: Any) -> None:
    variables = {"seen": {"type": "String", "default": "none"}}
    update = step("note", "updateVariable", {"Name": "variable:seen", "Value": "{{ Id }}"})
    steps = [stop("stop", "{{ variable:seen }}"), update]
    child = own_document("child", steps, parameters=ID, variables=variables)
    executor = Scripted()
    loop = each("each", ["i-1", "i-2"], nested("inner", "child", Id="{{ each.CurrentIteratorValue }}"))
    execution = start(executor, own_document("parent", [loop]), child)
    assert execution.status is PlanStatus.COMPLETED, messages(execution)
    assert executor.made() == ["StopInstances none", "StopInstances none"]
    assert [path for path, _ in paths(execution)][-2:] == ["each/inner#1/note", "each/inner#2/note"]


def test_values_reach_a_document_two_levels_below(aws: Any, start: Any) -> None:
    middle = own_document("middle", [nested("down", "child", Id="{{ Id }}")], parameters={"Id": {"type": "String"}})
    executor = Scripted(DescribeInstances={"Id": "i-9"})
    parent = own_document("parent", [FIND, nested("inner", "middle", Id="{{ find.Id }}")])
    execution = start(executor, parent, middle, CHILD)
    assert execution.status is PlanStatus.COMPLETED, messages(execution)
    assert executor.made("StopInstances") == ["StopInstances i-9"]


def test_a_nested_document_ends_when_the_time_of_its_step_is_up(aws: Any, start: Any) -> None:
    child = own_document(
        "child", [step("rest", "sleep", {"Duration": "PT1H"}, onFailure="Continue"), stop("stop", "i-1")]
    )
    executor = Scripted()
    execution = start(executor, own_document("parent", [nested("inner", "child", timeout=1)]), child)
    assert execution.status is PlanStatus.TIMEOUT
    assert execution.outputs[""]["inner.Status"] == "TimedOut"
    assert executor.made() == []
    assert "the time of the steps around it was up" in messages(execution)["inner/rest"]


def test_a_nested_sleep_that_is_cut_short_at_the_end_is_no_success(aws: Any, start: Any) -> None:
    child = own_document("child", [step("rest", "sleep", {"Duration": "PT1H"})])
    execution = start(Scripted(), own_document("parent", [nested("inner", "child", timeout=1)]), child)
    assert execution.status is PlanStatus.TIMEOUT


def test_steps_that_repeat_in_a_nested_document_are_named_at_the_end_of_the_run(
    *, aws: Any, start: Any, journal: Any
) -> None:
    again = {"Choices": [{"Variable": "{{ a.S }}", "StringEquals": "on", "NextStep": "a"}]}
    child = own_document("child", [look("a", {"S": "$.S"}), step("b", "branch", again)])
    start(Scripted(DescribeInstances={"S": "on"}), own_document("parent", [nested("inner", "child")]), child)
    (ended,) = journal.records(kind="execution_ended")
    assert "inner: stopped after 500 steps: a -> b -> a repeat" in ended.body["reason"]
