"""Metadata that are read from a document."""

from __future__ import annotations

import pytest

from cloudops_nb.ssm.catalogue import Playbook, content_hash
from cloudops_nb.ssm.derived_metadata import UNVERSIONED, cloudformation_type, derive, document_effect, own_id
from cloudops_nb.ssm.loader import load_document

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AWS-StopRdsInstance", "own-aws-stop-rds-instance"),
        ("stop_ec2", "own-stop-ec2"),
        ("EnableKMSKeyRotation", "own-enable-kms-key-rotation"),
        ("own-thing", "own-thing"),
        ("own", "own-document"),
        ("…", "own-document"),
        ("S3Encryption", "own-s3-encryption"),
    ],
)
def test_the_id_is_made_of_the_words_of_the_name(name: str, expected: str) -> None:
    assert own_id(name) == expected


def test_the_metadata_say_what_the_document_does(runbook: str) -> None:
    found = derive(load_document(runbook, "stop"), "StopIt")

    assert (found.id, found.version, found.reviewed) == ("own-stop-it", UNVERSIONED, False)
    assert found.name == "Stops an RDS DB instance and waits until it is stopped"
    assert found.description.startswith(found.name)
    assert found.level == "medium"
    assert found.iam_actions == ["rds:DescribeDBInstances", "rds:StopDBInstance"]
    assert {name: source.source for name, source in found.parameters.items()} == {
        "DBInstanceIdentifier": "prompt",
        "AutomationAssumeRole": "static",
    }
    assert found.target is None
    assert list(map(str, found.prerequisites)) == [
        "DescribeDBInstances: $.DBInstances[0].DBInstanceStatus is available"
    ]
    assert found.success_criteria == ["DescribeDBInstances: $.DBInstances[0].DBInstanceStatus is stopped"]
    assert "unknown" in found.rollback.note


@pytest.mark.parametrize(
    ("api", "effect", "level"),
    [
        ("DescribeDBInstances", "read", "low"),
        ("StopDBInstance", "modify", "medium"),
        ("DeleteDBInstance", "destructive", "high"),
        ("PromoteReadReplica", "destructive", "high"),
    ],
)
def test_the_level_follows_the_strongest_effect(runbook: str, api: str, effect: str, level: str) -> None:
    document = load_document(runbook.replace("Api: StopDBInstance", f"Api: {api}"), "stop")
    assert document_effect(document) == effect
    assert derive(document, "x").level == level
    assert bool(derive(document, "x").risks) == (effect != "read")


def test_a_document_without_description_and_calls_is_derived_too() -> None:
    text = "{schemaVersion: '0.3', mainSteps: [{name: s, action: 'aws:sleep', inputs: {Duration: PT1S}}]}"
    found = derive(load_document(text, "s"), "wait")
    assert (found.name, found.description, found.level, found.iam_actions) == ("wait", "wait", "low", [])


def test_a_document_that_runs_another_one_changes_something() -> None:
    text = (
        "{schemaVersion: '0.3', mainSteps: [{name: s, action: 'aws:executeAutomation', inputs: {DocumentName: stop}}]}"
    )
    assert document_effect(load_document(text, "s")) == "modify"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("AWS::EC2::Instance::Id", "AWS::EC2::Instance"),
        ("List<AWS::EC2::Instance::Id>", "AWS::EC2::Instance"),
        ("String", ""),
    ],
)
def test_typed_parameters_name_a_cloudformation_type(kind: str, expected: str) -> None:
    assert cloudformation_type(kind) == expected


def test_the_hash_covers_the_document_and_no_metadata(runbook: str) -> None:
    playbook = Playbook.without_metadata(runbook, "stop", "stop.yaml")
    assert playbook.ref.sha256 == content_hash(runbook, "")
    assert Playbook.from_texts(playbook.runbook_text, playbook.metadata_text, playbook.source).ref == playbook.ref
