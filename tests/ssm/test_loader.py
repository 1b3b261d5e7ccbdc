from __future__ import annotations

import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.loader import load_document

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
        MINIMAL + "    isEnd: 'true'\n    isCritical: 'false'\n    timeoutSeconds: '60'\n    onFailure: step:describe\n"
    )

    step = load_document(text, "text").steps[0]

    assert (step.is_end, step.is_critical, step.timeout_seconds) == (True, False, 60)
    assert step.failure_step == "describe"


def test_a_timeout_may_be_a_reference():
    assert load_document(MINIMAL + "    timeoutSeconds: '{{ T }}'\n", "x").steps[0].timeout_seconds == "{{ T }}"


def test_a_schema_version_that_yaml_reads_as_a_number_is_refused_with_its_place():
    with pytest.raises(PlaybookError, match="1:1 schemaVersion: "):
        load_document(MINIMAL.replace("'0.3'", "0.3"), "file")


def test_all_problems_of_the_schema_are_told_at_once():
    text = MINIMAL.replace("aws:executeAwsApi", "aws:fly").replace("    inputs", "    timeoutSecond: 5\n    inputs")

    with pytest.raises(PlaybookError) as caught:
        load_document(text, "file")

    assert "3:5 mainSteps.0: " in caught.value.why
    assert "4:5 mainSteps.0.action:" in caught.value.why


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("      Api: DescribeDBInstances\n", ""), "5:5 describe: aws:executeAwsApi needs Api"),
        (("aws:executeAwsApi", "aws:waitForAwsResourceProperty"), "5:5 .* needs DesiredValues, a list"),
        (("name: describe", "name: de scribe"), "3:5 step name de scribe must be"),
        (("aws:executeAwsApi", "aws:branch"), "5:5 describe: aws:branch needs Choices"),
        (("mainSteps", "parameters:\n  a b:\n    type: String\nmainSteps"), "3:3 parameter a b is no name"),
        (
            ("mainSteps", "parameters:\n  A:\n    type: String\n    allowedPattern: '['\nmainSteps"),
            "5:5 the allowedPattern",
        ),
    ],
)
def test_what_the_schema_does_not_say_is_checked_too(change, message):
    with pytest.raises(PlaybookError, match=message):
        load_document(MINIMAL.replace(*change), "file")


def test_step_names_are_unique():
    step = MINIMAL.split("mainSteps:\n")[1]

    with pytest.raises(PlaybookError, match="8:5 step describe exists already"):
        load_document(MINIMAL + step, "file")


def test_an_output_needs_name_selector_and_type():
    with pytest.raises(PlaybookError, match="9:9 describe: an output needs Selector, Type"):
        load_document(MINIMAL + "    outputs:\n      - Name: x\n", "file")


def test_the_name_of_an_output_must_be_one_that_a_reference_can_hold():
    with pytest.raises(PlaybookError, match="9:9 describe: output a b is no name"):
        load_document(
            MINIMAL + "    outputs:\n      - Name: a b\n        Selector: $.x\n        Type: String\n", "file"
        )


def test_a_branch_whose_choices_are_no_mappings_is_refused():
    text = (
        MINIMAL + "  - name: choose\n    action: aws:branch\n    inputs:\n      Choices:\n        - {}\n        - 5\n"
    )

    with pytest.raises(PlaybookError, match="11:7 choose: aws:branch needs Choices"):
        load_document(text, "file")


def test_json_is_read_as_well():
    nap = '{"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}'
    text = f'{{"schemaVersion": "0.3", "mainSteps": [{nap}]}}'

    assert load_document(text, "json").steps[0].inputs == {"Duration": "PT1S"}
