"""References of published documents that the linter lets pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudops_nb.ssm.catalogue import Playbook
from cloudops_nb.ssm.linter import Severity, lint

pytestmark = pytest.mark.fast


def findings(**fields: Any) -> dict[str, Severity]:
    step = {"name": "look", "action": "aws:executeAwsApi", "inputs": {"Service": "sts", "Api": "GetCallerIdentity"}}
    text = json.dumps({"schemaVersion": "0.3", "mainSteps": [step], **fields})
    playbook = Playbook.without_metadata(text, "look", "look.json")
    return {each.rule: each.severity for each in lint(playbook.document, playbook.metadata).findings}


def test_the_role_may_be_made_of_system_variables():
    role = "arn:{{ global:AWS_PARTITION }}:iam::{{ global:ACCOUNT_ID }}:role/Operator-{{global:REGION}}"

    assert "unresolved-reference" not in findings(assumeRole=role)
    assert "unresolved-reference" in findings(assumeRole="{{ look.Role }}")


def test_an_output_that_a_step_does_not_declare_is_empty_and_one_of_no_step_is_refused():
    assert findings(outputs=["look.Output"])["empty-output"] is Severity.WARNING
    assert findings(outputs=["nowhere.Output"])["unresolved-reference"] is Severity.FATAL
