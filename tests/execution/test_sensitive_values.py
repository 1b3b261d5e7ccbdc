"""What may be a secret stays in memory, and so does everything that comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.execution.executor import CallResult
from cloudops_nb.execution.outputs import REDACTED
from cloudops_nb.execution.plan import PlanStatus
from tests.execution.sample_documents import (
    Scripted,
    each,
    look,
    messages,
    nested,
    own_document,
    step,
    stop,
)

SECRET = "hunter2-hunter2"
SENSITIVE = {"sensitive_outputs": ["find.Id", "find.Ids"]}
FIND = look("find", {"Id": "$.Id", "Ids": "$.Ids StringList", "State": "$.S"})
ANSWER = {"DescribeInstances": {"Id": SECRET, "Ids": [SECRET], "S": "on"}}
ID = {"Id": {"type": "String"}}


def traces(execution: Any, journal: Any) -> str:
    return repr((list(execution), execution.steps, journal.lines))


@pytest.mark.parametrize(
    "steps",
    [
        [FIND],
        [FIND, each("each", "{{ find.Ids }}", look())],
        [FIND, each("each", ["x-{{ find.Id }}"], look())],
        [FIND, each("each", "{{ find.Ids }}", each("inner", ["{{ each.CurrentIteratorValue }}"], look()))],
        [
            FIND,
            step("note", "updateVariable", {"Name": "variable:Note", "Value": "{{ find.Id }}"}),
            each("each", ["{{ variable:Note }}"], look()),
        ],
        [
            FIND,
            each(
                "first",
                "{{ find.Ids }}",
                step("note", "updateVariable", {"Name": "variable:Note", "Value": "{{ first.CurrentIteratorValue }}"}),
                each("second", ["{{ variable:Note }}"], look()),
            ),
        ],
        [FIND, nested("inner", "child", Id="{{ find.Id }}")],
        [nested("inner", "finder"), each("each", "{{ inner.Output }}", look())],
        [FIND, stop("stop", "{{ find.Id }}")],
        [FIND, {**look("again", {"State": "$.S"}), "description": "Looks for {{ find.Id }}."}],
    ],
)
def test_what_comes_of_a_sensitive_output_is_in_no_record_and_no_event(
    *, aws: Any, start: Any, journal: Any, steps: Any
) -> None:
    note = step("note", "updateVariable", {"Name": "variable:Note", "Value": "{{ Id }}"})
    child = own_document(
        "child",
        [note, each("each", ["{{ variable:Note }}", "{{ Id }}"], look())],
        parameters=ID,
        variables={"Note": {"type": "String", "default": ""}},
        outputs=["each.CurrentIteratorValue"],
    )
    finder = own_document("finder", [FIND], SENSITIVE, outputs=["find.Id"])
    parent = own_document("parent", steps, SENSITIVE, variables={"Note": {"type": "String", "default": ""}})
    execution = start(Scripted(**ANSWER), parent, child, finder)
    assert execution.status is PlanStatus.COMPLETED, messages(execution)
    assert SECRET in repr(execution.outputs)
    assert REDACTED in traces(execution, journal)
    assert SECRET not in traces(execution, journal)


def test_other_outputs_of_the_same_step_are_shown(aws: Any, start: Any, journal: Any) -> None:
    execution = start(Scripted(**ANSWER), own_document("parent", [FIND], SENSITIVE))
    (result,) = journal.records(kind="step_result")
    assert result.body["outputs"] == {"find.Id": REDACTED, "find.Ids": REDACTED, "find.State": "on"}
    assert execution.outputs[""]["find.Id"] == SECRET


def test_the_output_of_a_composite_action_that_the_metadata_name_is_sensitive(
    *, aws: Any, start: Any, journal: Any
) -> None:
    make = step("make", "createImage", {"InstanceId": "i-1", "ImageName": "web"})
    executor = Scripted(CreateImage={"ImageId": SECRET}, DescribeImages={"Images": [{"State": "available"}]})
    named = {"sensitive_outputs": ["make.ImageId"]}
    execution = start(executor, own_document("image", [make], named), override=True)
    assert execution.outputs[""]["make.ImageId"] == SECRET
    made = [record.body["outputs"] for record in journal.records(kind="step_result") if record.body["step"] == "make"]
    assert made == [{"make.ImageId": REDACTED, "make.ImageState": "available"}]


@pytest.mark.parametrize("action", ["assertAwsResourceProperty", "waitForAwsResourceProperty"])
def test_a_check_against_a_secret_shows_neither_side(*, aws: Any, start: Any, journal: Any, action: str) -> None:
    inputs = {
        "Service": "ec2",
        "Api": "DescribeInstances",
        "PropertySelector": "$.Id",
        "DesiredValues": ["{{ find.Id }}"],
    }
    first = look("find", {"Id": "$.Other"})
    check = step("check", action, inputs, timeoutSeconds=1)
    executor = Scripted(DescribeInstances={"Id": "another-secret", "Other": SECRET})
    execution = start(executor, own_document("check", [first, check], SENSITIVE))
    assert execution.status in (PlanStatus.FAILED, PlanStatus.TIMEOUT)
    assert SECRET not in traces(execution, journal)
    assert "another-secret" not in traces(execution, journal)


def test_aws_repeating_a_secret_in_a_refusal_is_not_recorded(aws: Any, start: Any, journal: Any) -> None:
    refusal = CallResult(problem=f"InvalidId: there is no {SECRET}", code="InvalidId")
    executor = Scripted(**ANSWER, StopInstances=refusal)
    execution = start(executor, own_document("stop", [FIND, stop("stop", "{{ find.Id }}")], SENSITIVE))
    assert execution.status is PlanStatus.FAILED
    assert messages(execution)["stop"] == "InvalidId: the message may repeat a sensitive value"
    assert SECRET not in traces(execution, journal)


def test_an_error_of_our_own_about_a_secret_is_named_without_its_text(
    *, aws: Any, start: Any, journal: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(_: Any) -> None:
        raise ValueError(SECRET)

    executor = Scripted(**ANSWER, StopInstances=break_down)
    execution = start(executor, own_document("stop", [FIND, stop("stop", "{{ find.Id }}")], SENSITIVE))
    assert messages(execution)["stop"] == "ValueError"
    assert SECRET not in traces(execution, journal) + caplog.text


def test_a_selector_that_the_run_fills_in_is_judged_as_filled_in(aws: Any, start: Any, journal: Any) -> None:
    inputs = {"Service": "ec2", "Api": "DescribeLaunchTemplateVersions", "Versions": ["$Latest"]}
    inputs |= {"PropertySelector": "{{ find.Where }}", "DesiredValues": ["x"]}
    selector, data = (
        "$.LaunchTemplateVersions[0].LaunchTemplateData.UserData",
        {"LaunchTemplateData": {"UserData": SECRET}},
    )
    executor = Scripted(
        DescribeInstances={"Where": selector}, DescribeLaunchTemplateVersions={"LaunchTemplateVersions": [data]}
    )
    steps = [look("find", {"Where": "$.Where"}), step("check", "assertAwsResourceProperty", inputs)]
    execution = start(executor, own_document("check", steps))
    assert messages(execution)["check"] == "it is (sensitive), not the desired value"
    assert SECRET not in traces(execution, journal)


@pytest.mark.parametrize(
    "last",
    [
        step("last", "updateVariable", {"Name": "variable:{{ find.Id }}", "Value": "x"}),
        step("last", "sleep", {"Duration": "PT{{ find.Number }}S"}),
        step(
            "last",
            "assertAwsResourceProperty",
            {
                "Service": "ec2",
                "Api": "DescribeInstances",
                "PropertySelector": "$.[{{ find.Id }}",
                "DesiredValues": ["on"],
            },
        ),
    ],
)
def test_no_message_of_a_step_repeats_a_secret_among_its_inputs(
    *, aws: Any, start: Any, journal: Any, last: dict[str, Any]
) -> None:
    find = look("find", {"Id": "$.Id", "Number": "$.Number"})
    executor = Scripted(DescribeInstances={"Id": SECRET, "Number": "0.0625"})
    named = {"sensitive_outputs": ["find.Id", "find.Number"]}
    execution = start(executor, own_document("last", [find, last], named))
    assert messages(execution)["last"]
    assert SECRET not in traces(execution, journal)
    assert "0.0625" not in traces(execution, journal)
