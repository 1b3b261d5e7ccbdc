"""Values that a person gives for a document's parameters."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.errors import PlanError
from cloudops_nb.ssm.catalogue import Catalogue, Playbook
from cloudops_nb.ssm.given_values import (
    converted,
    example_words,
    from_words,
    missing,
    require_all,
    role_parameters,
    role_values,
    with_answers,
)

pytestmark = pytest.mark.fast

TEXT = """\
schemaVersion: '0.3'
assumeRole: '{{ Role }}'
parameters:
  Name: {type: String, description: Its name.}
  Names: {type: StringList}
  Size: {type: Integer, description: Its size.}
  Protected: {type: Boolean, default: false}
  Tags: {type: StringMap, default: {}}
  Rules: {type: MapList, default: []}
  Kind: {type: String, allowedValues: [small, large]}
  Role: {type: String, allowedPattern: '^arn:.*$'}
mainSteps:
  - {name: wait, action: 'aws:sleep', inputs: {Duration: PT1S}}
"""


@pytest.fixture
def playbook() -> Playbook:
    return Playbook.without_metadata(TEXT, "sample", "sample.yaml")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["Name=a=b"], {"Name": "a=b"}),
        (["Names=a, b"], {"Names": ["a", "b"]}),
        (["Names=a,b", "Names=c"], {"Names": ["a,b", "c"]}),
        (['Names=["a","b"]', "Names=c"], {"Names": ["a", "b", "c"]}),
        (['Rules=[{"a": 1}]'], {"Rules": [{"a": 1}]}),
        (['Rules={"a": 1}', 'Rules={"b": 2}'], {"Rules": [{"a": 1}, {"b": 2}]}),
    ],
)
def test_words_of_a_command_become_values(playbook: Playbook, words: list[str], expected: dict[str, Any]) -> None:
    assert converted(playbook, from_words(playbook, words)) == expected


def test_every_type_has_a_form_as_text(playbook: Playbook) -> None:
    given = from_words(playbook, ["Size=5", "Protected=true", 'Tags={"team": "core"}'])
    assert converted(playbook, given) == {"Size": 5, "Protected": True, "Tags": {"team": "core"}}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["Name"], "it has no ="),
        (["=x"], "it has no ="),
        (["Nam=x"], "has no parameter Nam: did you mean Name?"),
        (["Name=a", "Name=b"], "parameter Name has two values: it is a String"),
        (["Size=big"], "parameter Size of own-sample does not fit: it is not of type Integer. Its size."),
        (["Rules=[1]"], "parameter Rules of own-sample does not fit"),
        (["Kind=huge"], "it is not one of small, large"),
    ],
)
def test_a_word_that_does_not_fit_is_an_error(playbook: Playbook, words: list[str], told: str) -> None:
    with pytest.raises(PlanError) as raised:
        converted(playbook, from_words(playbook, words))
    assert told in str(raised.value)


def test_what_is_missing_is_named_with_an_example(playbook: Playbook) -> None:
    missed = missing(playbook, {"Name": "x"})
    assert list(missed) == ["Names", "Size", "Kind"]
    assert example_words(missed) == "--param Names=… --param Size='1' --param Kind=small"
    with pytest.raises(PlanError, match=r"Names \(StringList\); Size \(Its size.\); Kind \(String\).*For example: x"):
        require_all("sample", missed, "x")
    require_all("sample", {}, "x")


def test_a_generated_parameter_is_not_missing() -> None:
    assert list(missing(Catalogue.bundled().get("rds-snapshot"), {})) == ["DBInstanceIdentifier"]


def test_a_person_is_asked_only_for_what_is_missing(playbook: Playbook) -> None:
    questions: list[str] = []

    def ask(question: str) -> str | None:
        questions.append(question)
        return None if question.startswith("Kind") else "1,2"

    assert with_answers(playbook, {"Name": "x"}, ask) == {"Name": "x", "Names": ["1", "2"], "Size": "1,2"}
    assert questions == ["Names (StringList)", "Size (Integer: Its size.)", "Kind (String)"]


def test_the_role_of_systems_manager_needs_no_value(playbook: Playbook) -> None:
    assert role_parameters(playbook.document) == {"Role"}
    assert role_values(playbook, {}, "123456789012") == {"Role": "arn:aws:iam::123456789012:role/not-assumed"}
    assert role_values(playbook, {"Role": "arn:x"}, "123456789012") == {}


def test_a_role_that_a_step_uses_too_needs_a_value() -> None:
    text = TEXT.replace("Duration: PT1S", "Duration: '{{ Role }}'")
    assert role_parameters(Playbook.without_metadata(text, "sample", "x").document) == frozenset()
