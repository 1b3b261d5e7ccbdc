"""What the linter takes for a credential in the text of a document."""

from __future__ import annotations

import json

import pytest

from cloudops_nb.ssm.catalogue import Playbook
from cloudops_nb.ssm.linter import lint

pytestmark = pytest.mark.fast


def rules_for(description: str) -> set[str]:
    steps = [{"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}]
    text = json.dumps({"schemaVersion": "0.3", "description": description, "mainSteps": steps})
    playbook = Playbook.without_metadata(text, "nap", "nap.json")
    return {finding.rule for finding in lint(playbook.document, playbook.metadata).findings}


@pytest.mark.parametrize("text", ["password=hunter2", "Log in with\npassword: hunter2", "token: abc", "secret = x y"])
def test_a_value_after_the_word_for_a_secret_may_be_one(text):
    assert "possible-secret" in rules_for(text)


@pytest.mark.parametrize(
    "text",
    [
        "## Parameters\n* Password: (Required) The password to set.",
        "* Token: An optional token that makes the call idempotent.",
        "password: {{ NewPassword }}",
    ],
)
def test_the_description_of_a_parameter_is_no_secret(text):
    assert "possible-secret" not in rules_for(text)
