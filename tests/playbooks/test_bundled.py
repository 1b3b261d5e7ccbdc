from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.validate import ParamValidator

from cloudops_nb.ssm.catalogue import Catalogue, Playbook
from cloudops_nb.ssm.conditions import evaluated_choice
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.linter import lint
from cloudops_nb.ssm.references import SYSTEM_VARIABLES, substitute
from cloudops_nb.ssm.schema import schema_problems
from cloudops_nb.ssm.selectors import project, select
from cloudops_nb.ssm.values import BASE_TYPES
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from cloudops_nb.ssm.document import DocumentStep

pytestmark = pytest.mark.fast

FOLDER = Path(str(resources.files("cloudops_nb") / "playbooks"))
RELEASED = Path(__file__).with_name("hashes.json")
#: Each as ``ID/VERSION``: the files themselves are read by the tests, so that a broken one stops no collection.
VERSIONS = sorted(f"{path.parents[1].name}/{path.parent.name}" for path in FOLDER.rglob("metadata.yaml"))

#: A value for each parameter, of the form AWS itself uses.
SAMPLES = {
    "InstanceId": "i-1234567890abcdef0",
    "DBInstanceIdentifier": "pg-instance-main1",
    "DBSnapshotIdentifier": "pg-instance-main1-20260102150405",
    "TagKey": "CostCentre",
    "TagValue": "4711",
    "AutomationAssumeRole": "",
}

each_playbook = pytest.mark.parametrize("playbook", VERSIONS, indirect=True)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.bundled()


@pytest.fixture
def playbook(request, catalogue) -> Playbook:
    """Return the playbook whose folder is ``ID/VERSION``."""
    (found,) = (each for each in catalogue.playbooks if f"{each.ref.id}/{each.ref.version}" == request.param)
    return found


def calls(playbook) -> list[DocumentStep]:
    """Return the steps that call AWS."""
    return [step for step in playbook.document.steps if step.api]


def context(playbook) -> dict[str, Any]:
    """Return a value for everything a step may refer to."""
    outputs = {f"{step.name}.{output.name}": "text" for step in playbook.document.steps for output in step.outputs}
    return {**SAMPLES, **outputs, **dict.fromkeys(SYSTEM_VARIABLES, "text")}


def test_the_catalogue_holds_the_operations_it_promises(catalogue):
    promised = {f"ec2-{verb}" for verb in ("reboot", "start", "stop", "tag")}
    promised |= {f"rds-{verb}" for verb in ("reboot", "snapshot", "start", "stop")}

    assert set(catalogue.ids) >= promised
    assert len(catalogue.runnable) == len(catalogue.ids)


def test_a_playbook_folder_is_data_and_nothing_else():
    files = {path.name for path in FOLDER.rglob("*") if path.is_file()}

    assert files == {"runbook.yaml", "metadata.yaml"}


def test_a_released_version_never_changes(catalogue):
    """A changed playbook is a new version in a new folder; its hash is then added to ``hashes.json``."""
    present = {f"{playbook.ref.id} {playbook.ref.version}": playbook.ref.sha256 for playbook in catalogue.playbooks}
    released = json.loads(RELEASED.read_text())

    assert present == released, f"hashes.json: a new version needs its line: {dict(present.items() - released.items())}"


@each_playbook
def test_the_runbook_is_valid_by_the_schema_of_aws(playbook):
    import yaml

    service = playbook.ref.id.split("-")[0]
    path = FOLDER / service / playbook.ref.id / playbook.ref.version / "runbook.yaml"

    # As PyYAML reads it, so that our own reader has no part in the verdict.
    assert list(schema_problems(yaml.safe_load(path.read_text()))) == []


@each_playbook
def test_it_lints_without_a_finding(playbook, catalogue):
    report = lint(playbook.document, playbook.metadata, playbooks=catalogue.ids)

    assert (report.findings, report.score) == ((), 100)


@each_playbook
def test_every_sample_fits_its_parameter_and_lies_do_not(playbook):
    for name, parameter in playbook.document.parameters.items():
        assert parameter.problem(SAMPLES[name]) == "", name
        if parameter.required:
            assert parameter.problem(""), name
            assert parameter.problem(SAMPLES[name] + "\n"), name
            assert parameter.problem(SAMPLES[name] + "*"), name


@each_playbook
def test_a_generated_value_fits_its_parameter(playbook):
    stamp = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC).strftime("%Y%m%d%H%M%S")
    target = SAMPLES[playbook.metadata.target.parameter]
    for name, source in playbook.metadata.parameters.items():
        if source.source == "generated":
            value = source.template.format(target=target, timestamp=stamp)
            assert playbook.document.parameters[name].problem(value) == ""


@each_playbook
def test_the_parameters_of_every_call_are_valid(playbook, operation):
    for step in calls(playbook):
        parameters = substitute(step.api_parameters, context(playbook))
        report = ParamValidator().validate(parameters, operation(step.service, step.api).input_shape)

        assert not report.has_errors(), f"{step.name}: {report.generate_report()}"


@each_playbook
def test_every_selector_finds_a_value_of_its_type(playbook, full_answer):
    for step in calls(playbook):
        answer = full_answer(step.service, step.api)

        for output in step.outputs:
            assert isinstance(select(output.selector, answer), BASE_TYPES[output.type]), (step.name, output)
        if "PropertySelector" in step.inputs:
            assert isinstance(select(step.inputs["PropertySelector"], answer), str), step.name


@each_playbook
def test_awaited_values_are_ones_that_aws_can_answer(playbook, operation):
    for step in calls(playbook):
        if "PropertySelector" not in step.inputs:
            continue
        shape = operation(step.service, step.api).output_shape
        for part in step.inputs["PropertySelector"].removeprefix("$.").split("."):
            shape = shape.members[part.removesuffix("[0]")]
            shape = shape.member if part.endswith("[0]") else shape

        values = {value for value in step.inputs["DesiredValues"] if "{{" not in value}
        assert values <= set(shape.enum or values), step.name


@each_playbook
def test_the_fingerprint_can_be_read_and_shows_the_state(playbook, operation, full_answer):
    fingerprint = playbook.metadata.fingerprint
    parameters = substitute(fingerprint.parameters, context(playbook))
    report = ParamValidator().validate(parameters, operation(fingerprint.service, fingerprint.api).input_shape)
    seen = project(fingerprint.projection, full_answer(fingerprint.service, fingerprint.api))

    assert not report.has_errors(), report.generate_report()
    assert isinstance(seen["state"], str)
    assert [field for field, value in seen.items() if value is None] == []


@each_playbook
def test_what_it_says_of_states_agrees_with_what_it_asserts_and_awaits(playbook):
    metadata, selector = playbook.metadata, playbook.metadata.fingerprint.projection["state"]
    looks = [step for step in playbook.document.steps if step.inputs.get("PropertySelector") == selector]
    asserted = [step.inputs["DesiredValues"] for step in looks if step.action == "aws:assertAwsResourceProperty"]
    awaited = [step.inputs["DesiredValues"] for step in looks if step.action == "aws:waitForAwsResourceProperty"]

    assert asserted == [metadata.allowed_states]
    assert awaited in ([], [[metadata.expected_state]])


@each_playbook
def test_a_rollback_can_start_from_where_the_playbook_ends(playbook, catalogue):
    rollback = playbook.metadata.rollback
    if not rollback.playbook:
        return
    back = catalogue.get(rollback.playbook).metadata

    assert playbook.metadata.expected_state in back.allowed_states
    assert back.expected_state in playbook.metadata.allowed_states
    assert back.target == playbook.metadata.target


@each_playbook
def test_it_changes_something_and_destroys_nothing(playbook):
    effects = {effect_of(step.service, step.api).effect for step in playbook.document.steps if step.api}

    assert effects == {"read", "modify"}


@each_playbook
def test_its_words_are_those_that_requests_are_understood_by(playbook):
    words = vocabulary()

    assert set(playbook.metadata.intents) <= set(words.intents.values())
    assert set(playbook.metadata.resource_types) <= set(words.resource_types.values())
    assert {*playbook.metadata.allowed_states, playbook.metadata.expected_state} - {""} <= words.states


@pytest.mark.parametrize(
    ("playbook_id", "state", "step"),
    [
        ("ec2-start", "running", "describeRunning"),
        ("ec2-start", "stopped", "assertStopped"),
        ("ec2-start", "stopping", "assertStopped"),
        ("rds-start", "available", "describeAvailable"),
        ("rds-start", "stopped", "assertStopped"),
    ],
)
def test_a_start_leaves_alone_what_runs_already(playbook_id, state, step, catalogue):
    fork = next(step for step in catalogue.get(playbook_id).document.steps if step.action == "aws:branch")
    reference = fork.inputs["Choices"][0]["Variable"].strip("{} ")

    assert evaluated_choice(fork.inputs, {reference: state}) == step


@pytest.mark.parametrize(
    ("playbook_id", "service", "waiter"),
    [
        ("ec2-stop", "ec2", "InstanceStopped"),
        ("ec2-start", "ec2", "InstanceRunning"),
        ("ec2-reboot", "ec2", "InstanceStatusOk"),
        ("rds-start", "rds", "DBInstanceAvailable"),
        ("rds-reboot", "rds", "DBInstanceAvailable"),
        ("rds-snapshot", "rds", "DBSnapshotAvailable"),
    ],
)
def test_waits_are_at_least_as_long_as_the_waiters_of_the_sdks(playbook_id, service, waiter, catalogue):
    import botocore.session

    settings = botocore.session.get_session().get_waiter_model(service).get_waiter(waiter)
    waits = [s for s in catalogue.get(playbook_id).document.steps if s.action == "aws:waitForAwsResourceProperty"]

    assert max(wait.timeout_seconds for wait in waits) >= settings.delay * settings.max_attempts
