from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from cloudops_nb.ssm.actions import ActionKind, actions, runnable_actions
from cloudops_nb.ssm.fields import Form, field_problems, form_problem, shown, truth
from cloudops_nb.ssm.grammar import document_problems

pytestmark = pytest.mark.fast

CALL = {"Service": "ec2", "Api": "DescribeInstances"}
CONDITION = {"Variable": "{{ a }}", "StringEquals": "x"}


def document(*steps: Any, **fields: Any) -> dict[str, Any]:
    nap = {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}
    return {"schemaVersion": "0.3", "mainSteps": list(steps) or [nap], **fields}


def step(action: str = "aws:executeAwsApi", inputs: Any = CALL, **fields: Any) -> dict[str, Any]:
    return {"name": "it", "action": action, "inputs": inputs, **fields}


def loop(*steps: Any, **inputs: Any) -> dict[str, Any]:
    return step("aws:loop", {"Iterators": ["a"], "Steps": list(steps), **inputs}, name="loop")


@pytest.mark.parametrize(
    "data",
    [
        document(),
        document(description="x", assumeRole="{{ R }}", files={"a.py": {}}, outputs=["nap.Output", "{{ nap.Output }}"]),
        document(
            step(maxAttempts="{{ N }}", timeoutSeconds="60", isEnd="True", isCritical="false", onFailure="continue")
        ),
        document(step(onFailure="step: it", onCancel="Abort", outputs=[{"Name": "a", "Selector": "$.A"}])),
        document(step(description=None, nextStep=None, outputs=None)),
        document(parameters={"A": {"type": "Integer", "default": "5"}, "B": {"type": "StringList", "default": ""}}),
        document(parameters={"A": {"type": "String", "default": "{{ssm:/a}}", "allowedPattern": "^b$"}}),
        document(variables={"v": {"type": "StringMap", "default": "{}"}}),
        document(loop(step())),
        document(
            step("aws:loop", {"LoopCondition": CONDITION, "MaxIterations": 5, "Steps": [step(name="in")]}, name="l")
        ),
        document(loop(step(nextStep="out")), step(name="out")),
        document(step("aws:branch", {"Choices": [{**CONDITION, "NextStep": "it"}], "Default": "it"})),
        document(step("aws:executeScript", {"Default": "no step", "Steps": [{"name": "it"}]})),
        document(step("aws:pause", {})),
        document(step("aws:updateVariable", {"Name": "variable:a", "Value": 5})),
        document(step("aws:changeInstanceState", {"InstanceIds": "{{ Ids }}", "DesiredState": "Stopped"})),
        document(loop(step(), MaxIterations=1)),
        document(loop(step(), MaxIterations=100)),
    ],
)
def test_a_document_that_the_guide_allows_has_no_problem(data):
    assert list(document_problems(data)) == []


MAIN = ("mainSteps", 0)


@pytest.mark.parametrize(
    ("data", "path", "why"),
    [
        ([], (), "a document is a map of fields, not a list"),
        ({}, (), "a document needs schemaVersion, for example schemaVersion: '0.3'"),
        (document(schemaVersion="2.2"), ("schemaVersion",), "is '2.2'"),
        (document(schemaVersion=0.3), ("schemaVersion",), "is 0.3: write schemaVersion: '0.3'"),
        (document(mainSteps=[]), ("mainSteps",), "mainSteps is empty"),
        (document(mainSteps=5), ("mainSteps",), "mainSteps is 5"),
        (document(5), MAIN, "a step is a map of fields, not 5"),
        (document(descripton="x"), ("descripton",), "did you mean description?"),
        (document(Description="x"), ("Description",), "write description"),
        (document(outputs=["nap"]), ("outputs", 0), "an output is STEP.OUTPUT, not 'nap'"),
        (document(parameters={"a b": {"type": "String"}}), ("parameters", "a b"), "is no name"),
        (document(parameters={"A": {}}), ("parameters", "A"), "needs type"),
        (document(parameters={"A": {"type": "Text"}}), ("parameters", "A", "type"), "is 'Text': write String"),
        (
            document(parameters={"A": {"type": "String", "allowedPattern": "["}}),
            ("parameters", "A", "allowedPattern"),
            "is no regular",
        ),
        (
            document(parameters={"A": {"type": "Integer", "default": "x"}}),
            ("parameters", "A"),
            "default is 'x': write a whole",
        ),
        (
            document(parameters={"A": {"type": "String", "default": "{{ B }}"}}),
            ("parameters", "A"),
            "default refers to B",
        ),
        (document(parameters={"A": {"type": "String", "default": "{{"}}), ("parameters", "A"), "malformed reference"),
        (document(variables={"v": {"type": "AWS::EC2::Instance::Id"}}), ("variables", "v", "type"), "write String"),
        (document(variables={"v": {"type": "Boolean", "default": "yes"}}), ("variables", "v"), "write true or false"),
        (document(step(name="a b")), (*MAIN, "name"), "is 'a b': write 1 to 128 letters"),
        (document(step("aws:fly")), (*MAIN, "action"), "has the action 'aws:fly'"),
        (document(step("aws:sleeep")), (*MAIN, "action"), "did you mean aws:sleep?"),
        (document(step(timeoutSecond=5)), (*MAIN, "timeoutSecond"), "did you mean timeoutSeconds?"),
        (document(step(timeoutSeconds=0)), (*MAIN, "timeoutSeconds"), "write a number above 0"),
        (document(step(isEnd="yes")), (*MAIN, "isEnd"), "is 'yes': write true"),
        (document(step(isEnd="{{ a }}")), (*MAIN, "isEnd"), "is '{{ a }}': write false"),
        (document(step(isEnd=0)), (*MAIN, "isEnd"), "is 0: write false"),
        (document(step(onFailure="Retry")), (*MAIN, "onFailure"), "write Abort, Continue, Cancel or step:NAME"),
        (document(step(onCancel="Continue")), (*MAIN, "onCancel"), "write Abort or step:NAME"),
        (document(step(inputs=[])), (*MAIN, "inputs"), "inputs is a list: write a map"),
        (document(step(inputs=None)), (*MAIN, "inputs"), "aws:executeAwsApi needs Service"),
        (document(step(inputs={"Service": "ec2"})), (*MAIN, "inputs"), "needs Api"),
        (document(step(outputs=[{"Name": "a b", "Selector": "$.x"}])), (*MAIN, "outputs", 0, "Name"), "is 'a b'"),
        (
            document(step(outputs=[{"Name": "a", "Selector": "$["}])),
            (*MAIN, "outputs", 0, "Selector"),
            "is no JSONPath",
        ),
        (document(step(outputs=[{"Name": "a"}])), (*MAIN, "outputs", 0), "needs Selector"),
        (document(step("aws:sleep", {})), (*MAIN, "inputs"), "aws:sleep needs Duration or Timestamp"),
        (document(step("aws:sleep", {"Duration": "a", "Timestamp": "b"})), (*MAIN, "inputs"), "not both"),
        (document(step("aws:branch", {"Choices": []})), (*MAIN, "inputs", "Choices"), "at least one choice"),
        (document(step("aws:branch", {"Choices": "{{ a }}"})), (*MAIN, "inputs", "Choices"), "write a list"),
        (document(step("aws:branch", {"Choices": [5]})), (*MAIN, "inputs", "Choices", 0), "a choice is a map"),
        (document(step("aws:branch", {"Choices": [CONDITION]})), (*MAIN, "inputs", "Choices", 0), "needs NextStep"),
        (document(loop()), (*MAIN, "inputs", "Steps"), "Steps is empty"),
        (document(loop(step(name="a b"))), (*MAIN, "inputs", "Steps", 0, "name"), "is 'a b'"),
        (document(loop(step(), MaxIterations=101)), (*MAIN, "inputs", "MaxIterations"), "from 1 to 100"),
        (
            document(loop(step(), LoopCondition={"Variable": 1})),
            (*MAIN, "inputs", "LoopCondition"),
            "needs an operator",
        ),
        (
            document(step("aws:updateVariable", {"Name": "a", "Value": 5})),
            (*MAIN, "inputs", "Name"),
            "write variable:NAME",
        ),
        (
            document(step("aws:changeInstanceState", {"InstanceIds": ["i"], "DesiredState": "off"})),
            (*MAIN, "inputs", "DesiredState"),
            "write running or stopped or terminated",
        ),
        (document(step(), step()), ("mainSteps", 1, "name"), "step 'it' exists already"),
        (document(step(nextStep="its")), (*MAIN, "nextStep"), "there is no step 'its': did you mean it?"),
        (document(5, step(nextStep="no")), ("mainSteps", 1, "nextStep"), "there is no step 'no'"),
        (document(step(nextStep="in"), loop(step(name="in"))), (*MAIN, "nextStep"), "step 'in' is inside loop 'loop'"),
        (
            document(step(nextStep="in"), {**loop(loop(step(name="in"))), "name": "outer"}),
            (*MAIN, "nextStep"),
            "step 'in' is inside loop 'loop'",
        ),
        (
            document(step("aws:sleep", {"Duration": "PT1S"}, onCancel="step:it")),
            (*MAIN, "onCancel"),
            "cannot lead to aws:sleep",
        ),
        (
            document(step("aws:branch", {"Choices": [{**CONDITION, "NextStep": "no"}]})),
            (*MAIN, "inputs", "Choices", 0, "NextStep"),
            "there is no step 'no'",
        ),
        (
            document(step("aws:branch", {"Choices": [{**CONDITION, "NextStep": "it"}], "Default": "no"})),
            (*MAIN, "inputs", "Default"),
            "there is no step 'no'",
        ),
        (
            document(step(inputs={**CALL, "PropertySelector": "$["})),
            (*MAIN, "inputs", "PropertySelector"),
            "is no JSONPath",
        ),
        (document(loop(step(), MaxIterations=0)), (*MAIN, "inputs", "MaxIterations"), "from 1 to 100"),
    ],
)
def test_what_the_guide_refuses_is_explained_at_its_place(data, path, why):
    before = copy.deepcopy(data)
    found = list(document_problems(data))

    assert [each for each in found if each[0] == path and why in each[1]], found
    assert data == before


def test_every_action_has_a_kind_and_only_some_can_run():
    kinds = {name: action.kind for name, action in actions().items()}

    assert len(kinds) == 23
    assert "aws:deleteStack" in runnable_actions()
    assert not runnable_actions() & {
        name for name, kind in kinds.items() if kind in (ActionKind.CODE, ActionKind.PERSON)
    }


def test_values_are_shown_shortly():
    values: list[Any] = [True, None, {}, [], 5, "a\nb"]

    assert [shown(value) for value in values] == [
        "true",
        "empty",
        "a map",
        "a list",
        "5",
        "'a b'",
    ]
    assert shown("x" * 40) == f"'{'x' * 40}'"
    assert shown("x" * 41) == f"'{'x' * 39}…'"


def test_a_form_stays_as_it_is_for_all_documents():
    form = Form("text")
    assert form_problem("a", form) == ""
    with pytest.raises(FrozenInstanceError):
        form.kind = "any"  # type: ignore[misc]


def test_what_follows_a_broken_step_or_choice_is_checked_too():
    choices = [5, {**CONDITION, "NextStep": ""}]
    found = dict(document_problems(document("text", step(isEnd="yes"), step("aws:branch", {"Choices": choices}))))

    assert "write true" in found["mainSteps", 1, "isEnd"]
    assert {path[-1] for path in found if "Choices" in path} == {0, 1}


def test_a_selector_that_is_no_jsonpath_is_told_why():
    broken = document(step(outputs=[{"Name": "a", "Selector": "$["}]))
    ((_, why),) = document_problems(broken)

    assert why.startswith("Selector is no JSONPath: ")
    assert "not a JSONPath" not in why


def test_of_several_wrong_references_in_a_default_the_first_by_name_is_told():
    ((_, why),) = document_problems(document(parameters={"A": {"type": "String", "default": "{{ c }}-{{ b }}"}}))

    assert "default refers to b:" in why


def test_a_form_says_the_right_form():
    assert form_problem("yes", Form("boolean")) == "is 'yes': write true"
    assert form_problem(5, Form("text")) == "is 5: write '5'"
    assert form_problem("{{ a }}", Form("integer", reference=True)) == ""
    assert form_problem("c", Form("text", values=("a", "b"))) == "is 'c': write a or b"
    assert [path for path, _ in field_problems({"a": None}, {"a": Form("text", required=True)}, "it")] == [()]
    assert (truth("True"), truth("false"), truth(value=True)) == (True, False, True)
