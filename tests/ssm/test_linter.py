from __future__ import annotations

import json
import sys
from typing import Any

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


def messages(report, rule: str) -> list[str]:
    return [finding.message for finding in report.findings if finding.rule == rule]


def nap(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "action": "aws:sleep", "inputs": {"Duration": "PT1S"}, **fields}


def call(name: str, service: str, api: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "action": "aws:executeAwsApi", "inputs": {"Service": service, "Api": api, **parameters}}


def loop(name: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "action": "aws:loop", "inputs": {"Iterators": ["a"], "Steps": list(steps)}}


def use(name: str, reference: str, **fields: Any) -> dict[str, Any]:
    return {**nap(name, **fields), "inputs": {"Duration": f"{{{{ {reference} }}}}"}}


def test_a_good_playbook_scores_100(report):
    assert (report().score, report().findings, report().verdict) == (100, (), "accepted")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("Api: StopDBInstance", "Api: DeleteDBClusterEndpoint", "unreviewed-api"),
        ("{{ DBInstanceIdentifier }}", "{{ Unknown }}", "unresolved-reference"),
        ("{{ DBInstanceIdentifier }}", "{{ describeStopped.Status }}", "unresolved-reference"),
        ("{{ DBInstanceIdentifier }}", "{{ ssm-secure:x }}", "unresolved-reference"),
        ("{{ DBInstanceIdentifier }}", "{{ two words }}", "unresolved-reference"),
        ("{{ AutomationAssumeRole }}", "{{ Role }}", "unresolved-reference"),
        ("  - describeStopped.Status", "  - describeStopped.Nothing", "empty-output"),
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
        ("field: replica_of", "field: replica", "unknown-prerequisite"),
        ("    state: '$", "    status: '$", "missing-state"),
        ("{{ DBInstanceIdentifier }}", "{{ ssm:/name }}", "unresolved-reference"),
        ("{{ AutomationAssumeRole }}", "{{ ssm:/role }}", "unresolved-reference"),
        ("{{ AutomationAssumeRole }}", "{{ stopDBInstance.Status }}", "unresolved-reference"),
        ("    isEnd: true", "    isEnd: true\n    nextStep: describeStopped", "ignored-next-step"),
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


@pytest.mark.parametrize("action", ["aws:approve", "aws:pause"])
def test_an_action_that_waits_for_a_person_refuses_the_playbook(report, action):
    found = report(steps=lambda steps: [{"name": "ask", "action": action, "inputs": {}}, *steps])

    assert rules(found) == {"waits-for-person"}
    assert "cannot run here yet" in str(found.findings[0])
    assert found.refused


def test_a_check_that_changes_something_is_refused(report):
    def change(steps):
        steps[2]["inputs"]["Api"] = "RebootDBInstance"
        return steps

    assert "changing-check" in rules(report(steps=change))


def test_every_step_must_be_reached_also_inside_loops(report):
    naps = [nap("first", isEnd=True), nap("second")]
    found = report(steps=lambda steps: [loop("again", *naps), *steps[:3], {**steps[3], "nextStep": None}, nap("last")])

    assert messages(found, "unreachable-step") == ["step again/second", "step last"]


def test_a_change_without_an_assertion_before_or_a_check_after_it_is_found(report):
    assert "missing-assertion" in rules(report(steps=lambda steps: steps[1:]))
    assert "missing-check" in rules(report(steps=lambda steps: [steps[0], steps[1], steps[3]]))


def test_a_branch_that_can_be_decided_needs_no_timeout(report):
    both = [{"Variable": "a", "StringEquals": "a"}, {"Not": {"Variable": "a", "StringEquals": "b"}}]
    choice = {"And": both, "NextStep": "describeStopped"}
    fork = {"name": "fork", "action": "aws:branch", "inputs": {"Choices": [choice]}}

    assert report(steps=lambda steps: [*steps[:3], fork, steps[3]]).score == 100


def test_a_rollback_must_name_a_playbook_that_exists(report):
    assert report(playbooks=["rds-start"]).score == 100
    assert "missing-rollback" in rules(report(playbooks=["ec2-start"]))


def test_the_score_falls_by_the_price_of_each_finding_down_to_zero(report):
    one = report(steps=lambda steps: steps[1:])
    three = report(steps=lambda steps: [steps[1], steps[3], nap("lost")])

    assert (one.score, one.verdict) == (85, "accepted")
    assert (three.score, three.verdict) == (55, "warned")
    assert report("{{ DBInstanceIdentifier }}", "{{ Unknown }}").score == 0


def test_a_refused_playbook_says_everything_that_is_wrong(report):
    found = report("{{ DBInstanceIdentifier }}", "{{ Unknown }}")

    with pytest.raises(PlaybookError, match=r"it is refused: quality 0 of 100: fatal unresolved-reference: step "):
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

    with pytest.raises(PlaybookError, match=r"rds-stop 1\.0\.0 is refused: .* unresolved-reference"):
        Catalogue.from_folder(folder)


def test_each_call_of_a_composite_action_is_judged_by_its_path(report):
    stop = {"InstanceIds": ["i-1"], "DesiredState": "terminated"}
    step = {"name": "end", "action": "aws:changeInstanceState", "inputs": stop}
    found = report(steps=lambda steps: [loop("each", step), *steps])

    assert messages(found, "missing-assertion") == ["no aws:assertAwsResourceProperty before step each/end"]
    assert "missing-check" not in rules(found)
    assert set(messages(found, "missing-action-permission")) == {"ec2:DescribeInstances", "ec2:TerminateInstances"}


def test_a_refused_call_inside_a_loop_is_named_by_its_path(report):
    found = report(steps=lambda steps: [loop("each", call("boom", "lambda", "Invoke")), *steps])

    assert messages(found, "refused-api") == ["step each/boom calls lambda:Invoke"]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([use("a", "b.State"), nap("b")], "step a refers to {{ b.State }}"),
        ([loop("l", use("a", "l.CurrentIteratorValue"), use("b", "l.CurrentIteration"))], ""),
        ([loop("l", nap("a")), use("b", "l.CurrentIteration")], ""),
        ([loop("l", nap("a")), use("b", "l.CurrentIteratorValue")],
         "step b refers to {{ l.CurrentIteratorValue }}: it has no value outside the loop"),
        ([use("a", "variable:tries")], "step a refers to {{ variable:tries }}"),
        ([use("a", "global:REGION"), use("b", "automation:EXECUTION_ID")], ""),
        ([use("a", "global:TIME")], "step a refers to {{ global:TIME }}"),
        ([use("a", "ssm:/x")], "step a refers to {{ ssm:/x }}: only the default of a parameter"),
        ([nap("a", timeoutSeconds="{{ Unknown }}")], "step a refers to {{ Unknown }}"),
        ([nap("a", maxAttempts="{{ Unknown }}")], "step a refers to {{ Unknown }}"),
        ([{"name": "a", "action": "aws:updateVariable", "inputs": {"Name": "variable:x", "Value": 1}}],
         "step a sets variable:x, which the document does not declare"),
        ([call("a", "rds", "DescribeDBInstances", **{"{{ Key }}": 1})],
         "step a: a reference cannot be part of a key: {{ Key }}"),
    ],
)  # fmt: skip
def test_a_reference_must_name_a_value_that_exists_when_the_step_starts(report, steps, message):
    found = messages(report(steps=lambda given: [*steps, *given]), "unresolved-reference")

    assert [each[: len(message)] for each in found] == ([message] if message else [])


def test_an_output_can_be_used_where_its_step_ran_before_whatever_the_order_of_the_file(report):
    def reorder(steps):
        assertion, stop, wait, describe = steps
        jump = nap("jump", nextStep=assertion["name"])
        late = use("late", "stopDBInstance.Status", isEnd=True)
        return [jump, late, assertion, stop, wait, {**describe, "isEnd": False, "nextStep": "late"}]

    def too_early(steps):
        return [use("early", "stopDBInstance.Status"), *steps]

    assert rules(report(steps=reorder)) == set()
    assert messages(report(steps=too_early), "unresolved-reference") == [
        "step early refers to {{ stopDBInstance.Status }}: it has no value before step stopDBInstance ran"
    ]


def test_steps_that_may_repeat_are_warned_about(report):
    again = {"Variable": "{{ describeStopped.Status }}", "StringEquals": "stopping", "NextStep": "waitUntilStopped"}
    fork = {"name": "fork", "action": "aws:branch", "inputs": {"Choices": [again]}, "isEnd": True}
    found = report(steps=lambda steps: [*steps[:3], {**steps[3], "isEnd": False}, fork])

    assert messages(found, "repeating-steps") == ["waitUntilStopped -> describeStopped -> fork -> waitUntilStopped"]
    assert "500 steps" in str(found.findings[0])


@pytest.mark.parametrize(
    ("selector", "desired", "right"),
    [
        ("$.DBInstances[0].MultiAZ", "true", "'True'"),
        ("$.DBInstances[*].MultiAZ", "FALSE", "'False'"),
        ("$.DBInstances[0].MultiAZ", "True", ""),
        ("$.DBInstances[0].MultiAZ", True, ""),
        ("$.DBInstances[0].Engine", "true", ""),
        ("$..MultiAZ", "true", ""),
        ("$.Nothing", "true", ""),
        ("$.DBInstances.Engine", "true", ""),
    ],
)
def test_a_desired_boolean_must_have_a_capital(report, selector, desired, right):
    def change(steps):
        steps[0]["inputs"] |= {"PropertySelector": selector, "DesiredValues": [desired]}
        return steps

    found = messages(report(steps=change), "boolean-spelling")

    assert [right in each for each in found] == ([True] if right else [])


def test_only_a_wait_is_asked_for_a_timeout(report):
    found = report(steps=lambda steps: [{k: v for k, v in each.items() if k != "timeoutSeconds"} for each in steps])

    assert messages(found, "missing-timeout") == [
        "step waitUntilStopped has no timeoutSeconds, so it waits up to an hour"
    ]
    assert found.score == 98


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        (lambda steps: steps[1:], "missing-assertion"),
        (lambda steps: [*steps[:2], steps[3]], "missing-check"),
    ],
)
def test_a_destructive_playbook_without_assertion_or_check_is_refused(report, steps, rule):
    changed = report("Api: StopDBInstance", "Api: DeleteDBInstance", steps=steps)

    assert rule in rules(changed)
    assert changed.refused
    assert not report(steps=steps).refused


def test_a_destructive_playbook_without_rollback_is_refused(runbook, metadata):
    document = load_document(runbook.replace("Api: StopDBInstance", "Api: DeleteDBInstance"), "runbook")
    facts = metadata.replace("reversible: true", "reversible: false").replace("rds:Stop", "rds:Delete")

    found = lint(document, load_metadata(facts, "metadata"))

    assert (rules(found), found.verdict) == ({"missing-rollback"}, "refused")


def test_derived_metadata_are_not_judged_by_the_quality_of_their_texts(runbook):
    actions = "['rds:StopDBInstance', 'rds:DescribeDBInstances']"
    facts = f"{{id: a-document, version: '1.0.0', name: X, description: X, reviewed: false, iam_actions: {actions}}}"
    document = load_document(runbook, "runbook")

    assert lint(document, load_metadata(facts, "metadata")).findings == ()
    assert lint(document, load_metadata(facts.replace("reviewed: false, ", ""), "metadata")).refused


def test_words_of_arns_and_references_are_no_secrets(report):
    found = report("Used only inside", "arn:aws:secretsmanager:eu-west-1:1:secret:x PASSWORD={{ Name }} inside")

    assert "possible-secret" not in rules(found)


def test_the_published_schema_gives_one_advice_if_it_is_asked_for(runbook, metadata):
    text = json.dumps(yaml.safe_load(runbook) | {"mainSteps": [loop("l", nap("a")), nap("b", onCancel="Abort")]})
    document, facts = load_document(text, "runbook"), load_metadata(metadata, "metadata")

    assert len(messages(lint(document, facts, advice=True), "schema-advice")) == 1
    assert messages(lint(document, facts), "schema-advice") == []


def test_the_bundled_playbooks_get_no_advice():
    for playbook in Catalogue.bundled().playbooks:
        assert lint(playbook.document, playbook.metadata, advice=True).findings == ()


def test_the_bundled_playbooks_are_linted_without_the_slow_imports(playbooks, monkeypatch):
    for name in ("botocore.session", "jsonschema"):
        monkeypatch.setitem(sys.modules, name, None)

    assert Catalogue.from_folder(playbooks).ids == Catalogue.bundled().ids
