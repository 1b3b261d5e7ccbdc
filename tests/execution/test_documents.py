"""The documents of a plan come from its record, and what a record or a plan lacks is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import PlanError, PlaybookError
from cloudops_nb.execution.actions.sleep import sleep_problem
from cloudops_nb.execution.documents import PlanDocuments, kept_documents
from cloudops_nb.execution.fingerprint import read_live
from cloudops_nb.execution.locks import Locks
from cloudops_nb.execution.outputs import take_outputs
from cloudops_nb.execution.plan import NestedDocument, PlanStatus
from cloudops_nb.execution.serialisation import plan_from_dict, plan_to_dict
from cloudops_nb.model import BoundPlaybook
from cloudops_nb.ssm.catalogue import Catalogue
from cloudops_nb.ssm.document import DocumentStep, StepOutput
from cloudops_nb.ssm.metadata import Fingerprint
from cloudops_nb.ssm.values import ABSENT
from tests.execution.sample_documents import Scripted, call, each, look, messages, nested, own_document, step, stop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.fast
def test_a_record_without_a_text_is_refused() -> None:
    with pytest.raises(PlaybookError, match="'metadata' is missing"):
        PlanDocuments(Catalogue.bundled(), [{"name": "own-a", "runbook": "a", "source": "a"}])


@pytest.mark.fast
def test_the_texts_of_the_record_stand_for_a_document_that_is_gone() -> None:
    first, second = (own_document(name, [look()]) for name in ("first", "second"))
    documents = PlanDocuments(Catalogue([first, second]))
    documents.playbook(first.ref)
    documents.named(second.ref.id)
    kept = PlanDocuments(Catalogue([]), kept_documents(documents))
    assert kept.playbook(second.ref).ref == second.ref
    assert kept.named(second.ref.id).ref == second.ref
    with pytest.raises(PlaybookError):
        kept.playbook(Catalogue.bundled().get("ec2-stop").ref)


@pytest.mark.fast
def test_a_plan_that_is_being_run_is_not_run_again(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    with locks.hold([], "one"), pytest.raises(PlanError, match="the plan is being run"):
        locks.hold([], "one")
    with locks.hold([], "one"):
        pass


@pytest.mark.fast
@pytest.mark.parametrize(
    ("answer", "kind", "value"),
    [({"A": ["x"]}, "String", "x"), ({"A": []}, "String", ABSENT), ({"A": [1]}, "Integer", 1), ({}, "String", ABSENT)],
)
def test_a_list_of_one_stands_for_its_item_and_an_empty_one_for_nothing(answer: Any, kind: str, value: Any) -> None:
    step = DocumentStep("look", "aws:executeAwsApi", outputs=(StepOutput("A", "$.A", kind),))
    assert take_outputs(step, answer) == {"A": value}


def test_a_document_that_runs_once_needs_a_region(make_engine: Any, account: Any) -> None:
    playbook = own_document("look", [look()])
    bound = BoundPlaybook(playbook.ref, (), "", {}, "low")
    with pytest.raises(PlanError, match="has no region to run in"):
        make_engine(playbook).prepare(bound, account=account)


@pytest.mark.fast
def test_a_length_that_the_run_decides_is_not_judged_before_it() -> None:
    assert sleep_problem({"Duration": "{{ look.Length }}"}) == ""
    assert "no ISO 8601 duration" in sleep_problem({"Duration": "soon"})


@pytest.mark.fast
def test_a_fingerprint_without_a_state_shows_that_the_resource_exists() -> None:
    read = Fingerprint(service="ec2", api="DescribeInstances", parameters={}, projection={"name": "$.Name"})
    where = {"account_id": "123456789012", "region": "eu-central-1"}
    assert read_live(read, {}, executor=Scripted(DescribeInstances={"Name": "web-1"}), **where).fingerprint == {
        "name": "web-1"
    }
    with pytest.raises(PlanError, match="may be gone"):
        read_live(read, {}, executor=Scripted(DescribeInstances={}), **where)


@pytest.mark.fast
def test_nested_documents_come_back_from_a_record(a_plan: Any) -> None:
    plan = replace(a_plan, nested=(NestedDocument("run", a_plan.playbook, "44444444-4444-4444-8444-444444444444"),))
    assert plan_from_dict(json.loads(json.dumps(plan_to_dict(plan)))) == plan


@pytest.mark.parametrize("body", ["steps", "loop"])
def test_the_time_of_a_nested_document_ends_between_its_steps(start: Any, body: str) -> None:
    inside = [step("nap", "sleep", {"Duration": "PT2S"}, onFailure="Continue"), look()]
    child = own_document("child", inside if body == "steps" else [each("every", ["a", "b"], *inside)])
    executor = Scripted()
    execution = start(executor, own_document("parent", [nested("run", "child", timeout=1)]), child)
    assert execution.status is PlanStatus.TIMEOUT
    assert "its time was up" in " ".join(messages(execution).values())
    assert executor.calls == []


def test_attempts_that_are_no_number_fail_the_step(start: Any) -> None:
    first = look(outputs={"Times": "$.Times"})
    again = look("again") | {"maxAttempts": "{{ look.Times }}"}
    execution = start(Scripted(DescribeInstances={"Times": "often"}), own_document("look", [first, again]))
    assert execution.status is PlanStatus.FAILED
    assert "maxAttempts is no whole number" in messages(execution)["again"]


def test_an_output_that_may_hold_a_secret_leaves_memory_only_as_a_note(start: Any, journal: Any) -> None:
    read = call(
        "read", "lambda", "GetFunctionConfiguration", {"Environment": "$.Environment StringMap"}, FunctionName="f"
    )
    execution = start(
        Scripted(GetFunctionConfiguration={"Environment": {"Variables": {"KEY": "hidden"}}}),
        own_document("read", [read]),
    )
    assert execution.status is PlanStatus.COMPLETED
    assert "hidden" not in json.dumps([record.body for record in journal.records()])
    assert "hidden" in str(execution.outputs)


def test_a_document_that_ran_once_is_not_undone_by_a_playbook_that_needs_a_target(start: Any, make_engine: Any) -> None:
    undo = {"rollback": {"playbook": "ec2-start", "note": "Starts it."}}
    playbook = own_document("halt", [stop("halt", "i-1")], undo)
    execution = start(Scripted(), playbook)
    assert execution.status is PlanStatus.COMPLETED
    with pytest.raises(PlanError, match="cannot be rolled back as a whole"):
        make_engine(playbook).rollback(execution)


def test_a_dry_run_goes_through_a_loop_and_a_circle_once(start: Any) -> None:
    nap = step("nap", "sleep", {"Duration": "PT1H"})
    choice = {"Variable": "a", "StringEquals": "a", "NextStep": "nap"}
    circle = own_document("circle", [nap, step("again", "branch", {"Choices": [choice]}, isEnd=True)])
    loop = own_document("loop", [each("every", ["a", "b"], nap)])

    assert start(Scripted(), circle, dry_run=True).status is PlanStatus.COMPLETED
    execution = start(Scripted(), loop, dry_run=True)
    assert execution.status is PlanStatus.COMPLETED
    assert messages(execution)["every"] == "dry run: the first iteration alone"
