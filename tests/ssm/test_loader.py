from __future__ import annotations

import json
import re

import pytest
import yaml

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.document import walk
from cloudops_nb.ssm.loader import LONGEST_ERROR, load_document

pytestmark = pytest.mark.fast

MINIMAL = """\
schemaVersion: '0.3'
mainSteps:
  - name: describe
    action: aws:executeAwsApi
    inputs:
      Service: rds
      Api: DescribeDBInstances
"""


def test_a_runbook_is_read_with_everything_it_says(runbook):
    document = load_document(runbook, "rds-stop")

    assert document.schema_version == "0.3"
    assert document.assume_role == "{{ AutomationAssumeRole }}"
    assert document.parameters["DBInstanceIdentifier"].required
    assert document.parameters["AutomationAssumeRole"].default == ""
    assert [step.name for step in document.steps] == [
        "assertAvailable",
        "stopDBInstance",
        "waitUntilStopped",
        "describeStopped",
    ]
    wait = document.step("waitUntilStopped")
    assert (wait.service, wait.api, wait.timeout_seconds) == ("rds", "DescribeDBInstances", 3600)
    assert wait.api_parameters == {"DBInstanceIdentifier": "{{ DBInstanceIdentifier }}"}
    assert document.step("describeStopped").is_end
    assert document.outputs == ("describeStopped.Status",)


def test_what_a_step_leaves_out_has_the_defaults_of_automation():
    step = load_document(MINIMAL, "minimal").steps[0]

    assert (step.on_failure, step.is_critical, step.is_end, step.max_attempts) == ("Abort", True, False, 1)
    assert step.timeout_seconds is None
    assert step.failure_step == ""


def test_flags_and_seconds_that_are_given_as_text_are_read():
    text = (
        MINIMAL + "    isEnd: 'true'\n    isCritical: 'False'\n    timeoutSeconds: '60'\n    onFailure: step:describe\n"
    )

    step = load_document(text, "text").steps[0]

    assert (step.is_end, step.is_critical, step.timeout_seconds) == (True, False, 60)
    assert step.failure_step == "describe"


@pytest.mark.parametrize(
    ("fields", "critical"),
    [("", True), ("    onFailure: continue\n", False), ("    onFailure: Continue\n    isCritical: true\n", True)],
)
def test_a_step_that_lets_the_run_continue_is_not_critical_unless_it_says_so(fields, critical):
    assert load_document(MINIMAL + fields, "text").steps[0].is_critical is critical


def test_a_timeout_may_be_a_reference():
    assert load_document(MINIMAL + "    timeoutSeconds: '{{ T }}'\n", "x").steps[0].timeout_seconds == "{{ T }}"


def test_names_of_services_and_apis_are_brought_into_the_spelling_of_botocore():
    text = MINIMAL.replace("rds", "RDS").replace("DescribeDBInstances", "describe_db_instances")

    step = load_document(text, "text").steps[0]

    assert (step.service, step.api) == ("rds", "DescribeDBInstances")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'0.3'", "0.3", "1:1 schemaVersion is 0.3: write schemaVersion: '0.3'"),
        ("      Api: DescribeDBInstances\n", "", "5:5 aws:executeAwsApi needs Api"),
        ("Service: rds", "Service: rdss", "6:7 there is no service rdss: did you mean rds"),
        ("Api: Describe", "Api: Discribe", "7:7 rds has no API DiscribeDBInstances: did you mean DescribeDBInstances"),
        ("mainSteps", "parameters:\n  a b:\n    type: String\nmainSteps", "3:3 'a b' is no name"),
        (
            "name: describe",
            "name: describe\n    nextStep: describe",
            "the steps repeat without end, describe -> describe",
        ),
    ],
)
def test_a_problem_is_refused_with_its_place_and_the_right_form(old, new, message):
    with pytest.raises(PlaybookError, match=re.escape(message)):
        load_document(MINIMAL.replace(old, new), "file")


def test_a_circle_inside_a_loop_is_found():
    nap = {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}, "nextStep": "nap"}
    loop = {"name": "loop", "action": "aws:loop", "inputs": {"Iterators": ["a"], "Steps": [nap]}}

    with pytest.raises(PlaybookError, match="nap -> nap"):
        load_document(json.dumps({"schemaVersion": "0.3", "mainSteps": [loop]}), "file")


def test_many_problems_are_told_in_the_order_of_the_file_and_the_others_are_counted():
    text = MINIMAL + "".join(f"    field{index}: 5\n" for index in range(9))

    with pytest.raises(PlaybookError, match=r"8:5 .*; and \d more\. The numbers are line:column\.") as caught:
        load_document(text, "file")
    assert len(str(caught.value)) <= LONGEST_ERROR


def refused(text: str, source: str = "file") -> str:
    with pytest.raises(PlaybookError) as caught:
        load_document(text, source)
    return str(caught.value)


def test_an_error_is_cut_only_if_it_is_too_long():
    short = refused("k: 1\nk: 2\n")
    longest = "k" * (LONGEST_ERROR - len(short) + 1)

    whole, cut = (refused(f"{key}: 1\n{key}: 2\n") for key in (longest, longest + "k"))

    assert (len(whole), len(cut)) == (300, 300)
    assert ("…" in whole, "…" in cut) == (False, True)
    assert cut.endswith("k is given twi…. The numbers are line:column.")


def test_a_long_name_of_a_document_keeps_its_end_in_an_error():
    names = ["a" * 75, "ab" + "c" * 74]

    assert [refused("[]", name).partition(" ")[0] for name in names] == ["a" * 75, "…" + "c" * 74]


def test_a_circle_is_told_where_it_begins():
    steps = [
        {"name": name, "action": "aws:sleep", "inputs": {"Duration": "PT1S"}, "nextStep": following}
        for name, following in (("first", "one"), ("one", "two"), ("two", "one"))
    ]
    text = '{"schemaVersion": "0.3", "mainSteps": [' + ",\n".join(map(json.dumps, steps)) + "]}"

    assert re.search(r"2:1 the steps repeat without end, one -> two -> one", refused(text))


def test_a_text_in_braces_that_is_neither_json_nor_yaml_is_told_as_json():
    assert "JSON" in refused('{"a": ]')
    assert refused('{"a": ]') == refused('{"a": ]', "file.json").replace("file.json", "file")


def test_parameters_variables_and_outputs_have_their_types():
    parameters = {
        "Count": {"type": "Integer", "default": "5", "allowedValues": ["5", 6], "maxValue": "7"},
        "Names": {"type": "StringList", "default": ""},
        "Tags": {"type": "StringMap", "default": ""},
        "Size": {"type": "String", "default": "{{ ssm:/size }}"},
        "Zones": {"type": "StringList", "default": "{{ ssm:/zones }}"},
    }
    data = {
        **yaml.safe_load(MINIMAL),
        "parameters": parameters,
        "variables": {
            "seen": {"type": "StringMap", "default": "{}", "description": "What was found."},
            "tries": {"type": "Integer"},
        },
        "outputs": ["{{ describe.State }}"],
    }

    document = load_document(json.dumps(data), "json")

    assert {name: each.default for name, each in document.parameters.items()} == {
        "Count": 5,
        "Names": [],
        "Tags": {},
        "Size": "{{ ssm:/size }}",
        "Zones": "{{ ssm:/zones }}",
    }
    assert (document.parameters["Count"].allowed_values, document.parameters["Count"].max_value) == ((5, 6), 7)
    assert {name: each.default for name, each in document.variables.items()} == {"seen": {}, "tries": None}
    assert document.variables["seen"].description == "What was found."
    assert document.outputs == ("describe.State",)


def test_a_step_keeps_its_description():
    assert load_document(MINIMAL + "    description: Looks.\n", "file").steps[0].description == "Looks."
    assert load_document(MINIMAL, "file").steps[0].description == ""


def test_an_output_without_a_type_is_text():
    text = MINIMAL + "    outputs:\n      - Name: x\n        Selector: $.x\n"

    assert load_document(text, "file").steps[0].outputs[0].type == "String"


def test_yaml_and_json_give_the_same_document(runbook):
    assert load_document(json.dumps(yaml.safe_load(runbook)), "rds-stop.json") == load_document(runbook, "rds-stop")


def test_yaml_that_starts_with_a_brace_is_read_as_yaml_unless_the_file_is_json():
    text = "{schemaVersion: '0.3', mainSteps: [{name: nap, action: 'aws:sleep', inputs: {Duration: PT1S}}]}"

    assert load_document(text, "flow.yaml").steps[0].inputs == {"Duration": "PT1S"}
    with pytest.raises(PlaybookError, match="1:2 is not JSON"):
        load_document(text, "flow.json")


def test_loops_and_composite_actions_have_their_steps():
    stop = {"InstanceIds": ["i-1"], "DesiredState": "stopped"}
    inner = {"name": "stop", "action": "aws:changeInstanceState", "inputs": stop}
    loop = {"name": "loop", "action": "aws:loop", "inputs": {"Iterators": ["a"], "Steps": [inner]}}

    document = load_document(json.dumps({"schemaVersion": "0.3", "mainSteps": [loop]}), "file")

    assert [path for path, _ in walk(document.steps)] == [
        "loop",
        "loop/stop",
        "loop/stop/stopInstances",
        "loop/stop/waitUntilStopped",
    ]
