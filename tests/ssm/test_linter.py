from __future__ import annotations

import json

import pytest
import yaml

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.catalogue import Catalogue
from cloudops_nb.ssm.linter import lint
from cloudops_nb.ssm.loader import load_document
from cloudops_nb.ssm.metadata import load_metadata

pytestmark = pytest.mark.fast


@pytest.fixture
def report(runbook, metadata):
    """Lint the valid playbook after a change to the text of either file, or to the list of its steps."""

    def run(old="", new="", *, steps=None, playbooks=None):
        assert not old or old in runbook or old in metadata
        text = runbook.replace(old, new) if old in runbook else runbook
        facts = metadata.replace(old, new) if old in metadata else metadata
        if steps is not None:
            data = yaml.safe_load(text)
            data["mainSteps"] = steps(data["mainSteps"])
            text = json.dumps(data)
        return lint(load_document(text, "runbook"), load_metadata(facts, "metadata"), playbooks=playbooks)

    return run


def rules(report) -> set[str]:
    return {finding.rule for finding in report.findings}


def test_a_good_playbook_scores_100(report):
    assert (report().score, report().findings, report().verdict) == (100, (), "accepted")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("Api: StopDBInstance", "Api: DeleteVpcEverything", "unreviewed-api"),
        ("{{ DBInstanceIdentifier }}", "{{ Unknown }}", "unresolved-reference"),
        ("{{ DBInstanceIdentifier }}", "{{ describeStopped.Status }}", "unresolved-reference"),
        ("{{ DBInstanceIdentifier }}", "{{ ssm-secure:x }}", "unresolved-reference"),
        ("{{ DBInstanceIdentifier }}", "{{ two words }}", "unresolved-reference"),
        ("{{ AutomationAssumeRole }}", "{{ Role }}", "unresolved-reference"),
        ("  - describeStopped.Status", "  - describeStopped.Nothing", "unresolved-reference"),
        ("'$.DBInstance.DBInstanceStatus'", "'DBInstance'", "bad-selector"),
        ("timeoutSeconds: 3600", "maxAttempts: 1", "missing-timeout"),
        ("name: stopDBInstance", "name: Stop_DB", "naming"),
        ("AutomationAssumeRole", "automation-role", "naming"),
        ("    default: ''\n", "", "parameter-mismatch"),
        ("  parameter: DBInstanceIdentifier", "  parameter: InstanceId", "parameter-mismatch"),
        ("    DBInstanceIdentifier: '{{ DBInstanceIdentifier }}'\n  projection",
         "    DBInstanceIdentifier: '{{ two words }}'\n  projection", "unresolved-reference"),
        ("[rds, database, db, stop, shutdown, halt, 'off', save cost, postgres, mysql]", "[a, b, A]", "keyword-count"),
        ("  - Save the instance hours of a development database outside working hours.\n", "", "few-use-cases"),
        ("  - DescribeDBInstances says stopped.", "  []", "missing-success-criteria"),
        ("reversible: true", "reversible: false", "missing-rollback"),
        ("'rds:StopDBInstance', ", "", "missing-action-permission"),
        ("  AutomationAssumeRole:\n    source: static\n    description: Used only inside Systems Manager.\n", "",
         "parameter-mismatch"),
        ("resource_type: rds_instance", "resource_type: rds_cluster", "parameter-mismatch"),
        ("    DBInstanceIdentifier: '{{ DBInstanceIdentifier }}'\n  projection",
         "    DBInstanceIdentifier: '{{ stopDBInstance.Status }}'\n  projection", "unresolved-reference"),
        ("  api: DescribeDBInstances", "  api: StopDBInstance", "refused-api"),
        ("- version: '1.0.0'", "- version: '0.9.0'", "version-not-in-changelog"),
        ("Used only inside", "AKIAIOSFODNN7EXAMPLE inside", "possible-secret"),
        ("Used only inside", "password=hunter2 inside", "possible-secret"),
    ],
)  # fmt: skip
def test_each_rule_finds_its_offence(report, old, new, rule):
    assert rule in rules(report(old, new))


@pytest.mark.parametrize(
    "action", ["aws:executeScript", "aws:runCommand", "aws:invokeLambdaFunction", "aws:runInstances"]
)
def test_an_action_that_runs_code_refuses_the_playbook_whatever_else_is_good(report, action):
    inputs = {"Runtime": "python3.7", "Script": "x", "Handler": "x", "DocumentName": "x", "InstanceIds": ["x"],
              "FunctionName": "x", "ImageId": "x"}  # fmt: skip
    found = report(
        steps=lambda steps: [{"name": "boom", "action": action, "timeoutSeconds": 5, "inputs": inputs}, *steps]
    )

    assert "refused-action" in rules(found)
    assert (found.score, found.verdict) == (0, "refused")


@pytest.mark.parametrize(
    ("service", "api"), [("ssm", "SendCommand"), ("lambda", "Invoke"), ("secretsmanager", "GetSecretValue")]
)
def test_an_api_that_runs_code_or_returns_secrets_refuses_the_playbook(report, service, api):
    call = {
        "name": "boom",
        "action": "aws:executeAwsApi",
        "timeoutSeconds": 5,
        "inputs": {"Service": service, "Api": api},
    }
    found = report(steps=lambda steps: [*steps[:1], call, *steps[1:]])

    assert "refused-api" in rules(found)
    assert found.score == 0


def test_user_data_is_refused_in_an_api_that_is_otherwise_accepted(report):
    inputs = {"Service": "ec2", "Api": "ModifyInstanceAttribute", "InstanceId": "i-1", "UserData": {"Value": "x"}}
    call = {"name": "boom", "action": "aws:executeAwsApi", "timeoutSeconds": 5, "inputs": inputs}

    assert "refused-api" in rules(report(steps=lambda steps: [*steps[:1], call, *steps[1:]]))


def test_an_unreviewed_read_is_noted_and_an_unreviewed_change_costs_more(report):
    def called(api):
        inputs = {"Service": "ec2", "Api": api}
        call = {"name": "extra", "action": "aws:executeAwsApi", "timeoutSeconds": 5, "inputs": inputs}
        return report(steps=lambda steps: [*steps[:1], call, *steps[1:]]).findings

    assert ("unreviewed-read", "note") in {(found.rule, found.severity) for found in called("DescribeVpcs")}
    assert ("unreviewed-api", "error") in {(found.rule, found.severity) for found in called("DeleteVpc")}


def test_an_attribute_with_a_secret_is_refused_where_the_document_names_it(report):
    def looked(attribute):
        inputs = {"Service": "ec2", "Api": "DescribeInstanceAttribute", "InstanceId": "i-1", "Attribute": attribute}
        call = {"name": "look", "action": "aws:executeAwsApi", "timeoutSeconds": 5, "inputs": inputs}
        return rules(report(steps=lambda steps: [*steps[:1], call, *steps[1:]]))

    assert "refused-api" in looked("userData")
    assert "refused-api" not in looked("instanceType")
    assert "refused-api" not in looked("{{ DBInstanceIdentifier }}")


def test_an_unreviewed_read_may_be_the_fingerprint_unless_it_asks_for_a_secret(report):
    ours = "  service: rds\n  api: DescribeDBInstances\n  parameters:\n    DBInstanceIdentifier:"

    assert "refused-api" not in rules(report("  api: DescribeDBInstances", "  api: DescribeDBParameterGroups"))
    assert "refused-api" in rules(
        report(ours, "  service: ec2\n  api: DescribeInstanceAttribute\n  parameters:\n    Attribute:")
    )


def test_an_action_that_hides_its_api_calls_is_refused(report):
    inputs = {"ResourceIds": ["i-1"], "ResourceType": "EC2", "Tags": [{"Key": "a", "Value": "b"}]}
    step = {"name": "label", "action": "aws:createTags", "timeoutSeconds": 5, "inputs": inputs}

    assert "unsupported-action" in rules(report(steps=lambda steps: [*steps, step]))


def test_a_check_that_changes_something_is_refused(report):
    def change(steps):
        steps[2]["inputs"]["Api"] = "RebootDBInstance"
        return steps

    assert "changing-check" in rules(report(steps=change))


def test_steps_must_lead_to_steps_that_exist_and_every_step_must_be_reached(report):
    def mislead(steps):
        steps[0]["nextStep"] = "nowhere"
        steps[1]["onFailure"] = "step:nobody"
        return steps

    found = report(steps=mislead)
    assert [f.message for f in found.findings if f.rule == "unknown-step"] == [
        "step assertAvailable leads to nowhere",
        "step stopDBInstance leads to nobody",
    ]
    assert "unreachable-step" in rules(found)


def test_a_change_without_an_assertion_before_or_a_check_after_it_is_found(report):
    assert "missing-assertion" in rules(report(steps=lambda steps: steps[1:]))
    assert "missing-check" in rules(report(steps=lambda steps: [steps[0], steps[1], steps[3]]))


@pytest.mark.parametrize(
    "choice",
    [
        {"Variable": "a", "NextStep": "describeStopped"},
        {"Variable": "a", "StringEquals": "a", "Contains": "a", "NextStep": "describeStopped"},
        {"Variable": "a", "StringEquals": "a"},
        {"And": [], "NextStep": "describeStopped"},
        {"Or": ["a"], "NextStep": "describeStopped"},
        {"Not": {"Not": {}}, "NextStep": "describeStopped"},
        {"Not": 5, "NextStep": "describeStopped"},
    ],
)
def test_a_branch_that_could_not_be_decided_is_found(report, choice):
    fork = {"name": "fork", "action": "aws:branch", "inputs": {"Choices": [choice]}}

    assert "bad-condition" in rules(report(steps=lambda steps: [*steps[:3], fork, steps[3]]))


def test_a_branch_that_can_be_decided_needs_no_timeout(report):
    both = [{"Variable": "a", "StringEquals": "a"}, {"Not": {"Variable": "a", "StringEquals": "b"}}]
    choice = {"And": both, "NextStep": "describeStopped"}
    fork = {"name": "fork", "action": "aws:branch", "inputs": {"Choices": [choice]}}

    assert report(steps=lambda steps: [*steps[:3], fork, steps[3]]).score == 100


def test_a_rollback_must_name_a_playbook_that_exists(report):
    assert report(playbooks=["rds-start"]).score == 100
    assert "missing-rollback" in rules(report(playbooks=["ec2-start"]))


def test_the_score_falls_by_the_price_of_each_finding_down_to_zero(report):
    one = report("timeoutSeconds: 3600", "maxAttempts: 1")
    many = report("    timeoutSeconds: 60\n", "")

    assert (one.score, one.verdict) == (85, "accepted")
    assert (many.score, many.verdict) == (55, "warned")
    assert report("Api: StopDBInstance", "Api: SendCommand").score >= 0


def test_a_refused_playbook_says_everything_that_is_wrong(report):
    found = report("{{ DBInstanceIdentifier }}", "{{ Unknown }}")

    with pytest.raises(PlaybookError, match=r"it is refused with quality 0 of 100: fatal unresolved-reference: step "):
        found.require_acceptable("it")
    report().require_acceptable("it")


@pytest.mark.parametrize(("field", "rule"), [("prerequisites", "missing-prerequisites"), ("risks", "missing-risks")])
def test_what_a_reader_must_know_must_be_stated(runbook, metadata, field, rule):
    facts = json.dumps(yaml.safe_load(metadata) | {field: []})

    assert rule in rules(lint(load_document(runbook, "runbook"), load_metadata(facts, "metadata")))


def test_a_runbook_must_be_described(runbook, metadata):
    text = json.dumps({name: value for name, value in yaml.safe_load(runbook).items() if name != "description"})

    assert rules(lint(load_document(text, "runbook"), load_metadata(metadata, "metadata"))) == {"naming"}


def test_a_runbook_that_only_reads_needs_no_assertion(report):
    assert report(steps=lambda steps: steps[3:]).findings == ()


def test_findings_never_repeat_a_secret(report):
    found = report("Used only inside", "AKIAIOSFODNN7EXAMPLE inside")

    assert rules(found) == {"possible-secret"}
    assert "IOSFODNN7EXAMPLE" not in str(found)


def test_a_folder_with_a_refused_playbook_is_refused(folder):
    runbook = folder / "rds/rds-stop/1.0.0/runbook.yaml"
    runbook.write_text(runbook.read_text().replace("Api: StopDBInstance", "Api: StopDBInstance\n      X: '{{ X }}'"))

    with pytest.raises(PlaybookError, match=r"rds-stop 1\.0\.0 is refused .* unresolved-reference"):
        Catalogue.from_folder(folder)
