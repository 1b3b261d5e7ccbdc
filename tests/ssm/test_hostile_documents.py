"""Documents that are broken, enormous or made to do harm: each loads, or one short line refuses it with its place."""

from __future__ import annotations

import copy
import json
import re
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.linter import lint
from cloudops_nb.ssm.loader import LONGEST_ERROR, load_document
from cloudops_nb.ssm.metadata import PlaybookMetadata

pytestmark = pytest.mark.fast

UNREVIEWED = PlaybookMetadata(id="a-document", version="1.0.0", name="x", description="x", reviewed=False)
#: Seconds of this thread that a document may take here: five times the goal of 2, for a busy machine.
LONGEST = 10.0
CALL = {"Service": "ec2", "Api": "DescribeInstances", "InstanceIds": ["{{ Id }}"]}
CONDITION: dict[str, Any] = {"Variable": "{{ look.State }}", "StringEquals": "running"}
VALID: dict[str, Any] = {
    "schemaVersion": "0.3",
    "description": "Everything that a document may hold.",
    "assumeRole": "{{ Role }}",
    "parameters": {
        "Id": {"type": "AWS::EC2::Instance::Id", "allowedPattern": "^i-[0-9a-f]+$", "minChars": 3},
        "Role": {"type": "String", "default": "", "allowedValues": ["", "r"]},
        "Count": {"type": "Integer", "default": 5, "minValue": 1},
        "Tags": {"type": "MapList", "default": [{"Key": "a", "Value": "b"}], "maxItems": 5},
    },
    "variables": {"tries": {"type": "Integer", "default": 0}},
    "mainSteps": [
        {
            "name": "look",
            "action": "aws:executeAwsApi",
            "inputs": CALL,
            "outputs": [{"Name": "State", "Selector": "$.Reservations[0].Instances[0].State.Name", "Type": "String"}],
        },
        {
            "name": "choose",
            "action": "aws:branch",
            "inputs": {
                "Choices": [{**CONDITION, "NextStep": "stop"}, {"Not": {"And": [CONDITION]}, "NextStep": "repeat"}],
                "Default": "repeat",
            },
            "isEnd": True,
        },
        {
            "name": "stop",
            "action": "aws:changeInstanceState",
            "inputs": {"InstanceIds": ["{{ Id }}"], "DesiredState": "stopped", "CheckStateOnly": "{{ Check }}"},
            "onFailure": "step:wait",
            "maxAttempts": 2,
            "timeoutSeconds": "{{ Count }}",
        },
        {
            "name": "repeat",
            "action": "aws:loop",
            "inputs": {
                "Iterators": ["a", "b"],
                "Steps": [
                    {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}},
                    {"name": "count", "action": "aws:updateVariable", "inputs": {"Name": "variable:tries", "Value": 1}},
                ],
            },
        },
        {
            "name": "wait",
            "action": "aws:waitForAwsResourceProperty",
            "inputs": {**CALL, "PropertySelector": "$.Reservations[0]", "DesiredValues": ["stopped"]},
            "isEnd": True,
        },
    ],
    "outputs": ["look.State"],
}


def outcome(text: str, source: str = "document.yaml") -> str:
    """Return the error of a document, empty if it loads and can be linted; only a short, prompt error may be raised."""
    begin = time.thread_time()
    try:
        lint(load_document(text, source), UNREVIEWED)
    except PlaybookError as error:
        message = str(error)
        assert len(message.splitlines()) == 1, message
        assert len(message) <= LONGEST_ERROR, message
        return message
    finally:
        assert time.thread_time() - begin < LONGEST
    return ""


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value inside a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for key, item in entries for each in ((*path, key), *paths(item, (*path, key)))]


PATHS = paths(VALID)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["", "{{", "{{ Id }}", "{{ look.State }}", "{{ ssm:/x }}", "step:look", "step:", "look", "nap", "["]
    ),
    st.lists(st.sampled_from([None, 1, "look", {}, []]), max_size=3),
    st.dictionaries(st.sampled_from(["name", "Variable", "And", "Not", "{{ Id }}", ""]), st.none(), max_size=3),
    st.sampled_from(["aws:loop", "aws:branch", "aws:deleteImage", "aws:createTags", "aws:executeAutomation"]),
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid document with one to three changes: a value deleted, replaced, or put where another one is."""
    document = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PATHS))
        try:
            parent: Any = document
            for key in path[:-1]:
                parent = parent[key]
            what = draw(st.sampled_from(["delete", "replace", "duplicate", "rename"]))
            if what == "delete":
                del parent[path[-1]]
            elif what == "replace":
                parent[path[-1]] = draw(values)
            elif what == "rename" and isinstance(parent, dict):
                parent[draw(st.text(max_size=6))] = parent.pop(path[-1])
            elif isinstance(parent, list) and isinstance(path[-1], int):
                parent.insert(draw(st.integers(0, 3)), copy.deepcopy(parent[path[-1]]))
            else:
                parent[path[-1]] = copy.deepcopy(document[draw(st.sampled_from(sorted(document)))])
        except (KeyError, IndexError, TypeError):
            continue  # An earlier change took the path away.
    return document


@settings(max_examples=60, deadline=None)
@given(mutated())
def test_a_mutated_document_loads_or_is_refused_with_its_place_in_json_and_yaml(document):
    as_json = outcome(json.dumps(document), "document.json")
    as_yaml = outcome(yaml.dump(document, Dumper=_Quoting, allow_unicode=True, sort_keys=False))

    for message in (as_json, as_yaml):
        assert not message or re.search(r"\d+:\d+ ", message), message


class _Quoting(yaml.SafeDumper):
    """Writes no aliases, which the reader refuses."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200), st.integers(0, 3000), st.integers(0, 40))
def test_text_put_anywhere_into_a_document_loads_or_is_refused(text, place, removed):
    for whole in (json.dumps(VALID), yaml.dump(VALID, Dumper=_Quoting)):
        outcome(whole[:place] + text + whole[place + removed :])


@pytest.mark.parametrize("bracket", ["[", "{", '{"a":', "- ", "? ", "a: {b: [", "- - ", "!!map {"])
def test_deep_nesting_is_refused(bracket):
    assert outcome(bracket * 20_000)
    assert outcome('{"mainSteps": ' + bracket * 5_000, "document.json")


def test_nested_loops_and_conditions_are_refused_when_they_are_too_deep():
    step: dict[str, Any] = {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}
    condition: dict[str, Any] = CONDITION
    for index in range(40):
        inputs = {"Iterators": ["a"], "Steps": [step]}
        step = {"name": f"loop{index}", "action": "aws:loop", "inputs": inputs}
        condition = {"Not": condition}
    branch = {"name": "b", "action": "aws:branch", "inputs": {"Choices": [{**condition, "NextStep": "look"}]}}

    for steps in ([step], [*VALID["mainSteps"], branch]):
        text = json.dumps({**VALID, "mainSteps": steps})
        assert "nested deeper" in outcome(text)
        assert "nested deeper" in outcome(text, "document.json")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n",
        "a: &a\n  b: *a\n",
        "&a mainSteps: [*a]\n",
        "<<: {schemaVersion: '0.3'}\nmainSteps: []\n",
        "!!python/object/apply:os.system ['true']\n",
        "%TAG ! tag:x,2000:\n---\n!x a\n",
        "schemaVersion: '0.3'\nschemaVersion: '0.3'\n",
        '{"schemaVersion": "0.3", "schemaVersion": "0.3"}',
        '{"a": {"b": 1, "b": 1}}',
    ],
)
def test_aliases_tags_and_repeated_keys_are_refused_with_their_place(text):
    assert re.search(r"\d+:\d+ ", outcome(text))


@pytest.mark.parametrize("text", ["a: " + "x" * 10_000_000, '{"a": "' + "x" * 10_000_000 + '"}', "\n" * 10_000_000])
def test_ten_megabytes_are_refused(text):
    assert "larger than" in outcome(text)


@pytest.mark.parametrize(
    "character", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\u2028", chr(0xD800), chr(0xDFFF), "\ufffe"]
)
@pytest.mark.parametrize("whole", [yaml.dump(VALID, Dumper=_Quoting), json.dumps(VALID)])
def test_control_characters_and_surrogates_load_or_are_refused_with_their_place(character, whole):
    text = whole.replace("Everything", f"Every{character}thing")
    message = outcome(text)

    assert not message or re.search(r"\d+:\d+ ", message)
    if character in "\0\x07\x1b\ud800\udfff":
        assert message


@pytest.mark.parametrize("escape", [r"\ud800", r"\udc00\ud800"])
def test_an_escaped_half_of_a_surrogate_pair_is_refused(escape):
    for text in (json.dumps(VALID), f'schemaVersion: "{escape}"\n'):
        assert re.search(r"\d+:\d+ ", outcome(text.replace("Everything", escape)))


@pytest.mark.parametrize("whole", [yaml.dump(VALID, Dumper=_Quoting), json.dumps(VALID, indent=2)])
def test_a_byte_order_mark_and_other_line_ends_change_nothing(whole):
    plain = load_document(whole, "document")

    assert load_document("\ufeff" + whole, "document") == plain
    assert load_document(whole.replace("\n", "\r\n"), "document") == plain
    assert load_document(whole.replace("\n", "\r"), "document") == plain


@pytest.mark.parametrize(
    "number", ["9" * 30, "-" + "9" * 5_000, "9" * 5_000, "1e400", "-1e400", "1" + "0" * 20_000 + ".5"]
)
@pytest.mark.parametrize("field", ["maxAttempts", "timeoutSeconds"])
def test_enormous_numbers_are_refused(field, number):
    step = f'{{"name": "nap", "action": "aws:sleep", "inputs": {{"Duration": "PT1S"}}, "{field}": %s}}'
    document = f'{{"schemaVersion": "0.3", "mainSteps": [{step}]}}'

    for value in (number, f'"{number}"'):
        assert outcome(document % value)
        assert outcome(document % value, "document.json")


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5_000, "1e400"])
def test_enormous_numbers_in_a_default_load_or_are_refused(number):
    for kind in ("Integer", "String", "StringList", "StringMap"):
        for value in (number, f'"{number}"', f'"[{number}]"'):
            outcome(
                json.dumps(VALID).replace('"type": "Integer", "default": 5', f'"type": "{kind}", "default": {value}')
            )


def test_enormous_keys_and_names_are_refused_in_a_short_line():
    key = "k" * 50_000
    for place in (("parameters",), ("variables",), (), ("mainSteps", 0), ("mainSteps", 2, "inputs")):
        document = copy.deepcopy(VALID)
        target: Any = document
        for part in place:
            target = target[part]
        target[key] = {"type": key}
        assert outcome(json.dumps(document))
        assert outcome(yaml.dump(document, Dumper=_Quoting, width=1_000_000))
    assert outcome("{", "n" * 5_000)
    assert outcome("{}", "n" * 5_000)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*b",
        "(a*)*b",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(.*a){25}",
        "((a{0,50}){0,50}){0,50}b",
        "(?=(a+)+b)a*",
    ],
)
def test_patterns_that_are_exponential_elsewhere_are_matched_or_refused_promptly(pattern):
    document = copy.deepcopy(VALID)
    document["parameters"]["Id"]["allowedPattern"] = pattern
    if not outcome(json.dumps(document)):
        begin = time.thread_time()
        load_document(json.dumps(document), "document").parameters["Id"].problem("a" * 400)
        assert time.thread_time() - begin < LONGEST


@pytest.mark.parametrize(
    "pattern",
    [
        "a{100000}",
        "(a{300}){400}",
        "((((a{9}){99}){99}){99}){99}",
        "(" * 5_000,
        "a{9999999999}",
        "[a",
        r"(a)\1",
        "\\u12",
    ],
)
def test_patterns_that_cannot_be_matched_are_refused(pattern):
    document = copy.deepcopy(VALID)
    document["parameters"]["Id"]["allowedPattern"] = pattern

    assert re.search(r"\d+:\d+ ", outcome(json.dumps(document)))


def test_a_selector_that_is_deeply_nested_is_refused_promptly():
    document = copy.deepcopy(VALID)
    for selector in ("$" + "[?(@.a" * 5_000, "$" + "." * 10_000, "$" + ".a" * 10_000, "$[?" + "(" * 10_000):
        document["mainSteps"][0]["outputs"][0]["Selector"] = selector
        outcome(json.dumps(document))


def test_a_document_of_many_steps_is_read_promptly():
    nap = {"action": "aws:sleep", "inputs": {"Duration": "PT1S"}}
    steps = [{"name": f"s{index}", **nap} for index in range(700)]

    assert outcome(json.dumps({"schemaVersion": "0.3", "mainSteps": steps})) == ""
    for step in steps:
        step["nextStep"] = "s0"
    assert "repeat without end" in outcome(json.dumps({"schemaVersion": "0.3", "mainSteps": steps}))
