"""Plans of Automation documents that a person names, over the simulated AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import ApprovalRequired, ConfigurationError, PlanError, PlaybookError
from cloudops_nb.execution.plan import Effect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudops_nb import CloudOps
    from cloudops_nb.execution.plan import Plan

DATABASE = "pg-instance-staging1"
STOP = """\
schemaVersion: '0.3'
description: |-
  Stops a database.

  It has no metadata.
assumeRole: '{{ AutomationAssumeRole }}'
parameters:
  Database:
    type: String
    description: The database to stop.
    allowedPattern: '^[a-z0-9-]+$'
  Note:
    type: StringList
    description: Why it is stopped.
  AutomationAssumeRole:
    type: AWS::IAM::Role::Arn
    description: The role that Systems Manager assumes.
mainSteps:
  - name: assertAvailable
    action: aws:assertAwsResourceProperty
    timeoutSeconds: 60
    inputs:
      Service: rds
      Api: DescribeDBInstances
      DBInstanceIdentifier: '{{ Database }}'
      PropertySelector: '$.DBInstances[0].DBInstanceStatus'
      DesiredValues: [available]
  - name: stopDatabase
    action: aws:executeAwsApi
    timeoutSeconds: 60
    inputs:
      Service: rds
      Api: StopDBInstance
      DBInstanceIdentifier: '{{ Database }}'
  - name: waitUntilStopped
    action: aws:waitForAwsResourceProperty
    timeoutSeconds: 60
    inputs:
      Service: rds
      Api: DescribeDBInstances
      DBInstanceIdentifier: '{{ Database }}'
      PropertySelector: '$.DBInstances[0].DBInstanceStatus'
      DesiredValues: [stopped]
"""
VALUES = {"Database": DATABASE, "Note": ["maintenance"]}


@pytest.fixture
def playbooks(tmp_path: Path) -> Path:
    """The folder of one's own documents, with one that stops a database."""
    folder = tmp_path / "store" / "playbooks"
    folder.mkdir(parents=True, mode=0o700)
    (tmp_path / "store").chmod(0o700)
    (folder / "StopDatabase.yaml").write_text(STOP, encoding="utf-8")
    return folder


@pytest.fixture
def scanned(playbooks: Path, staging_database: Callable[[], str], ops: CloudOps) -> CloudOps:
    ops.scan(accounts=["staging"], services=["rds"])
    return ops


def test_a_document_in_the_folder_is_planned_approved_and_run(
    scanned: CloudOps, staging_database: Callable[[], str]
) -> None:
    plan = scanned.prepare("StopDatabase", VALUES, account="staging")

    assert [step.api for step in plan.steps] == ["DescribeDBInstances", "StopDBInstance", "DescribeDBInstances"]
    assert plan.playbook.id == "own-stop-database"
    assert (plan.effect, plan.account_name, plan.region) == (Effect.MODIFY, "staging", "eu-west-1")
    (target,) = plan.target_states
    assert target.identifier == DATABASE
    assert "assumeRole is not assumed" in plan.explanation
    assert any("reviewed" in reason for reason in plan.reasons)
    assert any(reason.startswith("Lint: ") for reason in plan.reasons)
    with pytest.raises(ApprovalRequired):
        scanned.apply(plan)
    scanned.approve(plan, reason="a test")
    execution = scanned.apply(plan)
    execution.wait()
    assert execution.status == "completed"
    assert staging_database() == "stopped"
    assert scanned.history().iloc[-1].status == "completed"


def test_what_was_approved_runs_though_the_file_is_edited(scanned: CloudOps, playbooks: Path) -> None:
    plan = scanned.prepare("StopDatabase", VALUES, account="staging")
    scanned.approve(plan, reason="a test")
    (playbooks / "StopDatabase.yaml").write_text(STOP.replace("StopDBInstance", "RebootDBInstance"), encoding="utf-8")

    execution = scanned.apply(plan)
    execution.wait()
    assert [step.status for step in execution.steps] == ["completed"] * 3
    assert scanned.prepare("StopDatabase", VALUES, account="staging").steps[1].api == "RebootDBInstance"


def test_a_file_anywhere_is_planned_and_another_process_runs_it(
    scanned: CloudOps, open_ops: Callable[..., CloudOps], tmp_path: Path
) -> None:
    document = tmp_path / "elsewhere.yaml"
    document.write_text(STOP, encoding="utf-8")
    for given in (document, str(document)):
        plan = scanned.prepare(given, VALUES, account="staging", region="eu-west-1")
    scanned.approve(plan, reason="a test")
    document.unlink()

    other = open_ops()
    execution = other.apply(other.plan(plan.id))
    execution.wait()
    assert execution.status == "completed"


def test_a_catalogue_playbook_finds_its_target_by_name_id_or_arn(scanned: CloudOps) -> None:
    (database,) = scanned.storage.estate.lookup(DATABASE)
    for text in (DATABASE, database.arn):
        plan = scanned.prepare("rds-stop", {"DBInstanceIdentifier": text})
        assert plan.targets == (database.arn,)
        assert (plan.account_name, plan.region) == ("staging", "eu-west-1")
        assert plan.playbook.id == "rds-stop"


def test_a_target_that_is_not_in_the_estate_names_candidates(scanned: CloudOps) -> None:
    with pytest.raises(PlanError, match=rf"there is no rds instance pg-instance-staging9 .*{DATABASE}"):
        scanned.prepare("rds-stop", {"DBInstanceIdentifier": "pg-instance-staging9"})
    with pytest.raises(PlanError, match="there is no rds instance"):
        scanned.prepare("rds-stop", {"DBInstanceIdentifier": DATABASE}, region="us-east-1")


def test_every_missing_parameter_is_named_with_an_example(scanned: CloudOps) -> None:
    with pytest.raises(PlanError) as raised:
        scanned.prepare("StopDatabase", account="staging")
    for text in ("Database (The database to stop.)", "Note (Why", 'ops.prepare("StopDatabase", {"Database": "…"'):
        assert text in str(raised.value)
    assert "AutomationAssumeRole" not in str(raised.value)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({**VALUES, "Databse": "x"}, "has no parameter Databse: did you mean Database?"),
        ({**VALUES, "Database": "PG"}, "parameter Database of own-stop-database does not fit: it does not match"),
        ({**VALUES, "Note": {"a": 1}}, "parameter Note of own-stop-database does not fit"),
    ],
)
def test_a_value_that_does_not_fit_is_one_line(scanned: CloudOps, values: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError) as raised:
        scanned.prepare("StopDatabase", values, account="staging")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_account_and_the_region_are_given_or_the_only_ones(
    scanned: CloudOps, open_ops: Callable[..., CloudOps]
) -> None:
    with pytest.raises(ConfigurationError, match=r"several are configured: .*staging"):
        scanned.prepare("StopDatabase", VALUES)
    with pytest.raises(ConfigurationError, match=r"unknown account stagin: did you mean staging\?"):
        scanned.prepare("StopDatabase", VALUES, account="stagin")
    with pytest.raises(ConfigurationError, match=r"unknown region eu-wset-1: did you mean eu-west-1\?"):
        scanned.prepare("StopDatabase", VALUES, account="staging", region="eu-wset-1")
    several = open_ops(regions=["eu-west-1", "us-east-1"])
    with pytest.raises(ConfigurationError, match="several are configured: eu-west-1, us-east-1"):
        several.prepare("StopDatabase", VALUES, account="staging")
    assert several.prepare("StopDatabase", VALUES, account="staging", region="eu-west-1").region == "eu-west-1"


def test_an_unreviewed_change_needs_the_override(scanned: CloudOps, playbooks: Path) -> None:
    unreviewed = STOP.replace("StopDBInstance", "PromoteReadReplica")
    (playbooks / "promote.yaml").write_text(unreviewed, encoding="utf-8")

    with pytest.raises(PlanError, match="PromoteReadReplica"):
        scanned.prepare("promote", VALUES, account="staging")
    plan = scanned.prepare("promote", VALUES, account="staging", override=True)
    assert plan.effect is Effect.DESTRUCTIVE
    assert plan.phrase


def test_a_document_that_makes_code_run_is_refused(scanned: CloudOps, playbooks: Path) -> None:
    call = "Service: rds\n      Api: StopDBInstance\n      DBInstanceIdentifier"
    assert call in STOP
    code = STOP.replace(call, "Service: ec2\n      Api: RunInstances\n      ImageId")
    (playbooks / "code.yaml").write_text(code, encoding="utf-8")

    with pytest.raises(PlaybookError, match="playbook code cannot run: refused-api"):
        scanned.prepare("code", VALUES, account="staging", override=True)


def test_no_document_of_ones_own_answers_a_request_in_words(scanned: CloudOps) -> None:
    body = scanned.preview(f"stop {DATABASE}")
    assert b"own" not in body.replace(b"unknown", b"")
    assert "own-stop-database" not in scanned.parts.catalogue.ids
    answered = scanned.ask(f"stop {DATABASE}").plan
    assert answered is not None
    assert answered.playbook.id == "rds-stop"


def test_the_playbooks_are_a_frame_with_the_problems_of_bad_files(scanned: CloudOps, playbooks: Path) -> None:
    (playbooks / "bad.yaml").write_text("schemaVersion: '0.2'\n", encoding="utf-8")

    frame = scanned.playbooks().set_index("id")
    assert [frame.loc["own-stop-database", name] for name in ("source", "effect", "reviewed")] == [
        "own",
        "modify",
        False,
    ]
    assert frame.loc["rds-stop", "source"] == "bundled"
    (problem,) = scanned.playbooks().attrs["problems"]
    assert problem.startswith("bad.yaml is not valid: 1:")
    with pytest.raises(PlaybookError, match=r"there is no playbook bad: bad\.yaml is not valid: 1:"):
        scanned.prepare("bad")


def test_a_new_playbook_runs_once_its_names_are_given(scanned: CloudOps, staging_database: Callable[[], str]) -> None:
    file = scanned.new_playbook("rds", "StopDBInstance")
    assert file.lint.verdict == "accepted"

    plan = scanned.prepare(file.name, {"DBInstanceIdentifier": DATABASE})
    scanned.approve(plan, reason="a test")
    scanned.apply(plan).wait()
    assert staging_database() == "stopped"
    with pytest.raises(PlaybookError, match="already"):
        scanned.new_playbook("rds", "StopDBInstance")


def run(ops: CloudOps, plan: Plan) -> str:
    """Approve and run a plan; returns its status."""
    ops.approve(plan, reason="a test")
    execution = ops.apply(plan)
    execution.wait()
    return str(execution.status)


def test_a_new_playbook_for_several_instances_stops_one(scanned: CloudOps) -> None:
    scanned.scan(accounts=["staging"], services=["ec2_instance"])
    running = scanned.resources(resource_type="ec2_instance", state="running", account="staging").iloc[0]
    file = scanned.new_playbook("ec2", "StopInstances", name="stop-some")

    plan = scanned.prepare("stop-some", {"InstanceIds": [running.identifier]})
    assert plan.targets == (running.arn,)
    assert file.lint.verdict == "accepted"
    assert run(scanned, plan) == "completed"
    instance: Any = scanned.sessions.client(plan.account_id, "ec2", plan.region)
    try:
        described = instance.describe_instances(InstanceIds=[running.identifier])
        assert described["Reservations"][0]["Instances"][0]["State"]["Name"] == "stopped"
    finally:
        instance.start_instances(InstanceIds=[running.identifier])


def test_a_new_playbook_takes_a_value_besides_its_target(scanned: CloudOps) -> None:
    scanned.new_playbook("rds", "CreateDBSnapshot", name="snap")

    plan = scanned.prepare("snap", {"DBInstanceIdentifier": DATABASE, "DBSnapshotIdentifier": "before-the-change"})
    assert run(scanned, plan) == "completed"
    client: Any = scanned.sessions.client(plan.account_id, "rds", plan.region)
    assert client.describe_db_snapshots(DBSnapshotIdentifier="before-the-change")["DBSnapshots"]


def test_a_document_that_only_reads_needs_no_target(scanned: CloudOps, playbooks: Path) -> None:
    step = {"name": "look", "action": "aws:executeAwsApi", "inputs": {"Service": "ec2", "Api": "DescribeRegions"}}
    text = json.dumps({"schemaVersion": "0.3", "mainSteps": [step]})
    (playbooks / "regions.json").write_text(text, encoding="utf-8")

    plan = scanned.prepare("regions", account="staging")
    assert (plan.targets, plan.effect, plan.region) == ((), Effect.READ, "eu-west-1")
    assert run(scanned, plan) == "completed"


def test_a_document_runs_another_one_of_the_folder_by_its_name(
    scanned: CloudOps, playbooks: Path, staging_database: Callable[[], str]
) -> None:
    (playbooks / "outer.yaml").write_text(
        """\
schemaVersion: '0.3'
mainSteps:
  - name: inner
    action: aws:executeAutomation
    inputs:
      DocumentName: StopDatabase
      RuntimeParameters: {Database: [pg-instance-staging1], Note: [maintenance], AutomationAssumeRole: ['']}
""",
        encoding="utf-8",
    )
    plan = scanned.prepare("outer", account="staging")
    assert "StopDBInstance" in [step.api for step in plan.steps]
    assert run(scanned, plan) == "completed"
    assert staging_database() == "stopped"


def test_typed_values_are_the_targets_of_a_document(scanned: CloudOps, playbooks: Path) -> None:
    scanned.scan(accounts=["staging"], services=["ec2_instance"])
    one, two = scanned.resources(resource_type="ec2_instance", account="staging").iloc[:2].itertuples()
    (playbooks / "look.yaml").write_text(
        """\
schemaVersion: '0.3'
description: Looks at instances.
parameters:
  InstanceIds: {type: 'List<AWS::EC2::Instance::Id>'}
mainSteps:
  - name: look
    action: aws:executeAwsApi
    inputs: {Service: ec2, Api: DescribeInstances, InstanceIds: '{{ InstanceIds }}'}
""",
        encoding="utf-8",
    )
    plan = scanned.prepare("look", {"InstanceIds": [one.identifier, two.identifier]}, account="staging")
    assert set(plan.targets) == {one.arn, two.arn}
    assert run(scanned, plan) == "completed"
