"""The survey finds how documents end, and that those in ``forms.yaml`` end as the user guide demands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.survey.__main__ import main
from tests.survey.answers import answer_of, place
from tests.survey.parameters import value_of
from tests.survey.patterns import matching
from tests.survey.running import neighbours
from tests.survey.sources import Given, Source
from tests.survey.stubs import StubClients
from tests.survey.trial import try_document

FORMS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("forms.yaml").read_text(encoding="utf-8"))
SIDES = ("answers", "store", "expect")


def source_of(name: str) -> Source:
    form = FORMS[name]
    document = {"schemaVersion": "0.3", "mainSteps": form["steps"]}
    document |= {each: form[each] for each in ("parameters", "outputs") if each in form}
    return Source(f"{name}.json", json.dumps(document), Given(**{each: form[each] for each in SIDES if each in form}))


@pytest.mark.parametrize("name", FORMS)
def test_a_document_ends_as_the_user_guide_demands(name):
    trial = try_document(source_of(name), neighbours([source_of(each) for each in FORMS]))

    assert not trial.faults, trial


def test_a_document_with_code_is_also_tried_without_it():
    rest = try_document(source_of("code-is-refused"), {}).rest

    assert rest is not None
    assert (str(rest), rest.steps) == ("completed", ("compute", "choose", "nap"))


def test_the_command_prints_each_document_and_totals_and_fails_at_another_ending_than_expected(tmp_path):
    (tmp_path / "answers").mkdir()
    name = "a-capital-True-is-not-the-other-boolean"
    (tmp_path / "one.json").write_text(source_of(name).text)
    (tmp_path / "two.yaml").write_text("schemaVersion: '0.3'\nmainSteps: []\n")
    side = tmp_path / "answers" / "one.yaml"

    side.write_text(yaml.safe_dump({each: FORMS[name][each] for each in ("answers", "expect")}))
    passed = CliRunner().invoke(main, [str(tmp_path), "--calls"])
    side.write_text(yaml.safe_dump({"expect": {"ending": "timeout", "steps": ["nap"], "reason": "x"}}))
    failed = CliRunner().invoke(main, [str(tmp_path)])

    assert passed.exit_code == 0, passed.output
    assert "2 documents, 1 loaded\n    1 failed\n    1 refused: grammar\n0 documents with faults" in passed.output
    assert "kms:GetKeyRotationStatus" in passed.output
    assert failed.exit_code == 1
    assert failed.output.count("FAULT") == 3


@pytest.mark.parametrize(
    ("selector", "value", "found"),
    [
        ("$.Reservations[0].Instances[0].State.Name", "stopped", "stopped"),
        ("Reservations[*].Instances[*].State.Name", "stopped", ["stopped"]),
        ("$..State.Code", "7", [7]),
        ("$.Reservations[1].Instances[0].ImageId", "ami-1", "ami-1"),
        ("$.Reservations[0].Instances[?(@.ImageId == 'ami-1')].State.Name", "stopped", ["stopped"]),
        ("$.Payload.Found", "yes", "yes"),
        ("$.Reservations[0].Instances[0].EbsOptimized", "True", True),
    ],
)
def test_a_selector_finds_the_value_that_was_placed(selector, value, found):
    from cloudops_nb.ssm.selectors import select

    model = StubClients().client("", "ec2", "eu-central-1").meta.service_model
    answer = answer_of(model.operation_model("DescribeInstances").output_shape, {"InstanceIds": ["i-1"]})

    place(answer, selector, value)

    assert select(selector, answer) == found


def test_a_made_up_answer_echoes_what_was_asked_for():
    model = StubClients().client("", "rds", "eu-central-1").meta.service_model
    shape = model.operation_model("DescribeDBInstances").output_shape

    answer = answer_of(shape, {"DBInstanceIdentifier": "one"})

    assert answer["DBInstances"][0]["DBInstanceIdentifier"] == "one"


def test_texts_are_made_up_for_a_pattern():
    from cloudops_nb.ssm.parameters import Parameter

    pattern = r"^(?=q)q[^a]{2}-(x|y)+\d{3}\w?.$"
    assert value_of("Any", Parameter("String", allowed_pattern=pattern)) is not None
    assert next(matching(r"^q-\d$"))[:2] == "q-"
    assert list(matching("(")) == []
