"""``cloudops-nb playbook`` and ``cloudops-nb prepare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cloudops_nb import CloudOps
from cloudops_nb.cli.main import main
from tests.sample_plans import stop_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]

pytestmark = pytest.mark.fast

READ = """\
schemaVersion: '0.3'
description: Looks at an instance.
parameters:
  InstanceId: {type: 'AWS::EC2::Instance::Id', description: The instance.}
  Reasons: {type: StringList}
mainSteps:
  - name: look
    action: aws:executeAwsApi
    timeoutSeconds: 60
    inputs: {Service: ec2, Api: DescribeInstances, InstanceIds: ['{{ InstanceId }}']}
"""

LOOP = """\
schemaVersion: '0.3'
description: Tags each instance.
parameters:
  Ids: {type: StringList}
variables:
  count: {type: Integer, default: 0}
mainSteps:
  - name: each
    action: aws:loop
    inputs:
      Iterators: '{{ Ids }}'
      Steps:
        - name: tag
          action: aws:executeAwsApi
          inputs: {Service: ec2, Api: CreateTags, Resources: ['{{ each.CurrentIteratorValue }}'], Tags: []}
        - name: count
          action: aws:updateVariable
          inputs: {Name: variable:count, Value: '{{ each.CurrentIteration }}'}
  - name: settle
    action: aws:sleep
    inputs: {Duration: PT5S}
  - name: nested
    action: aws:executeAutomation
    inputs: {DocumentName: look, RuntimeParameters: {InstanceId: i-1}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "store" / "playbooks"
    folder.mkdir(parents=True)
    (folder / "look.yaml").write_text(READ)
    return tmp_path / "store"


@pytest.fixture
def run(home: Path) -> Run:
    def run_one(*words: str, code: int = 0, **options: Any) -> Result:
        result = CliRunner().invoke(main, ["--data-path", str(home), *words], **options)
        assert result.exit_code == code, result.output
        return result

    return run_one


def test_playbooks_are_listed_without_a_store(run: Run, home: Path) -> None:
    (home / "playbooks" / "bad.yaml").write_text("schemaVersion: '0.2'")
    output = run("playbook", "list").output

    rows = {line.split()[0]: line.split() for line in output.splitlines()}
    assert rows["own-look"][1:5] == ["look", "own", "read", "low"]
    assert rows["rds-stop"][1:5] == ["rds-stop", "bundled", "modify", "medium"]
    assert "Not read: bad.yaml is not valid: 1:" in output
    assert not (home / "store.json").exists()


def test_a_playbook_is_shown_with_parameters_steps_way_back_and_lint(run: Run) -> None:
    output = run("playbook", "show", "rds-stop").output
    for text in ("DBInstanceIdentifier", "required", "not used here", "assertAvailable", "rds:StopDBInstance"):
        assert text in output
    for text in ("modify", "Way back", "rds-start", "Lint of rds-stop: 100 of 100"):
        assert text in output
    assert "not reviewed" in run("playbook", "show", "look").output


def test_lint_names_lines_and_fails_if_the_linter_refuses(run: Run, tmp_path: Path) -> None:
    document = tmp_path / "code.yaml"
    document.write_text(READ.replace("DescribeInstances", "RunInstances"))

    output = run("playbook", "lint", str(document), code=1).output
    assert "[REFUSED]" in output
    assert "No plan can be made of it: refused-api" in output
    assert any("line 7" in line and "refused-api" in line for line in output.splitlines())
    run("playbook", "lint", "rds-stop")


def test_a_finding_inside_of_a_loop_has_the_line_of_its_step(run: Run, tmp_path: Path) -> None:
    document = tmp_path / "loop.yaml"
    document.write_text(LOOP)
    lines = run("playbook", "lint", str(document)).output.splitlines()
    assert any("line 13" in line and "before step each/tag" in line for line in lines)


def test_a_step_without_an_api_says_what_it_does(run: Run, tmp_path: Path) -> None:
    document = tmp_path / "loop.yaml"
    document.write_text(LOOP)
    output = run("playbook", "show", str(document)).output
    for text in (
        "runs for each of {{ Ids }}",
        "waits PT5S",
        "sets variable:count to {{",
        "runs look",
    ):
        assert text in output
    assert output.count("Tags each") == 1


def test_a_refusal_names_the_command_that_finds_the_file_again(
    run: Run, tmp_path: Path, prepared: list[tuple[Any, ...]]
) -> None:
    document = tmp_path / "code.yaml"
    document.write_text(READ.replace("DescribeInstances", "RunInstances"))
    assert f"See cloudops-nb playbook lint {document}." in run("prepare", str(document), code=1).output
    assert not prepared


def test_a_document_that_is_not_valid_is_one_line_with_its_place(run: Run, tmp_path: Path) -> None:
    document = tmp_path / "bad.yaml"
    document.write_text(READ.replace("aws:executeAwsApi", "aws:executeAwsAPI"))
    output = run("playbook", "lint", str(document), code=1).output
    assert "bad.yaml is not valid: 8:" in output
    assert output.count("\n") == 1


def test_a_name_that_is_none_is_corrected(run: Run) -> None:
    assert "there is no playbook rds-stp: did you mean rds-stop?" in run("playbook", "show", "rds-stp", code=1).output
    assert "cannot be read: No such file" in run("playbook", "lint", "./gone.yaml", code=1).output


def test_new_writes_a_playbook_that_the_linter_accepts(run: Run, home: Path) -> None:
    output = run("playbook", "new", "rds", "stop_db_instance").output

    folder = home / "playbooks" / "rds-stop-db-instance"
    assert {each.name for each in folder.iterdir()} == {"runbook.yaml", "metadata.yaml"}
    assert str(folder / "runbook.yaml") in output
    assert "[ACCEPTED]" in output
    assert "already" in run("playbook", "new", "rds", "StopDBInstance", code=1).output
    run("playbook", "new", "rds", "StopDBInstance", "--name", "other")
    assert "waitUntilStopped" in run("playbook", "show", "other").output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("redshfit", "PauseCluster"), "there is no service redshfit: did you mean redshift"),
        (("zzzzz", "Stop"), "there is no service zzzzz. Give a name as boto3 has it, such as rds"),
        (("rds", "StopDBInstanse"), "rds has no API StopDBInstanse: did you mean StopDBInstance"),
        (("ec2", "RunInstances"), "no plan may call ec2:RunInstances: it makes code run"),
        (("rds", "StopDBInstance", "--name", "../x"), "is no name of a playbook"),
        (("rds", "StopDBInstance", "--name", "look"), "there is a playbook look already. Give another one with --name"),
    ],
)
def test_what_new_cannot_write_is_one_line(run: Run, home: Path, words: tuple[str, ...], told: str) -> None:
    output = run("playbook", "new", *words, code=1).output
    assert told in output
    assert {each.name for each in (home / "playbooks").iterdir()} == {"look.yaml"}


@pytest.fixture
def prepared(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What ``prepare`` was called with; the plan is one of the samples."""
    calls: list[tuple[Any, ...]] = []

    def prepare(self: CloudOps, document: str, parameters: Any = None, **where: Any) -> Any:
        calls.append((document, parameters, where))
        return stop_database()

    monkeypatch.setattr(CloudOps, "prepare", prepare)
    monkeypatch.setenv("CLOUDOPS_KEY_FILE", str(home.parent / "key"))
    home.chmod(0o700)
    with CloudOps(home):
        pass
    return calls


def test_prepare_prints_the_card_and_how_to_approve(run: Run, prepared: list[tuple[Any, ...]]) -> None:
    words = ("--param", "InstanceId=i-1", "--param", "Reasons=a,b", "--account", "staging", "--region", "eu-west-1")
    output = run("prepare", "look", *words).output

    where = {"account": "staging", "region": "eu-west-1", "override": False}
    assert prepared == [("look", {"InstanceId": "i-1", "Reasons": ["a", "b"]}, where)]
    assert "Stop RDS instance" in output
    assert "Approve it: cloudops-nb approve plan-7f3a" in output


def test_a_missing_parameter_is_named_without_a_terminal(run: Run, prepared: list[tuple[Any, ...]]) -> None:
    output = run("prepare", "look", "--param", "Reasons=a", code=1).output
    assert "InstanceId (The instance.)" in output
    assert "cloudops-nb prepare look --param InstanceId=…" in output
    assert prepared == []


def test_a_missing_parameter_is_asked_for_in_a_terminal(
    run: Run, prepared: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import _NamedTextIOWrapper

    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda self: True)
    output = run("prepare", "look", "--param", "InstanceId=i-1", input="x,y\n").output
    assert "Reasons (StringList): " in output
    assert prepared[0][1] == {"InstanceId": "i-1", "Reasons": ["x", "y"]}
