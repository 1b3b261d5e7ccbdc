from __future__ import annotations

import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.lifecycle import Lifecycle
from cloudops_nb.ssm.metadata import load_metadata

pytestmark = pytest.mark.fast


def test_metadata_are_read_with_their_types(metadata):
    facts = load_metadata(metadata, "file")

    assert facts.lifecycle is Lifecycle.ACTIVE
    assert facts.reversible is True
    assert facts.parameters["DBInstanceIdentifier"].source == "estate"
    assert facts.fingerprint
    assert facts.fingerprint.projection["state"] == "$.DBInstances[0].DBInstanceStatus"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: '1.0.0'\nname", "version: 1.0\nname", "2:1 version: "),
        ("version: '1.0.0'\nname", "version: '1.0'\nname", "2:1 version: "),
        ("id: rds-stop", "id: RDS Stop", "1:1 id: "),
        ("lifecycle: active", "lifecycle: live", "lifecycle: .*'draft'"),
        ("level: medium", "level: severe", "level: .*'low'"),
        ("reversible: true", "reversible: 'true'", "impact.reversible: "),
        ("level: medium", "level: medium\nrisk_level: high", "risk_level: "),
        (
            "is: available",
            "is: available, is_not: stopped",
            "prerequisites.0: a field needs one of is, is_not and one_of",
        ),
        ("field: cluster, is: null", "field: cluster", "prerequisites.1: a field needs one of is"),
        ("field: cluster, is: null", "is: null", "prerequisites.1: a field needs one of is"),
        ("field: cluster, is: null", "field: cluster, one_of: []", "prerequisites.1.one_of: "),
        (
            "field: cluster, is: null",
            "field: cluster, is: null, constraint: can_stop",
            "a field or a constraint, not both",
        ),
        ("field: cluster, is: null", "fact: cluster", "prerequisites.1.fact: "),
        ("'$.DBInstances[0].Engine'", "'$.DBInstances[0'", "fingerprint.projection.engine: .* is not a JSONPath"),
        ("constraints: [can_stop]", "constraints: [can_fly]", "constraints.0: .*'can_start'"),
        ("source: static", "source: generated", "parameters.AutomationAssumeRole: a template belongs"),
        ("source: static", "source: prompt", "parameters.AutomationAssumeRole: a value_type belongs"),
        ("source: static", "source: prompt\n    value_type: key_value", "AutomationAssumeRole: a part belongs"),
        ("source: static", "source: static\n    value_type: text", "AutomationAssumeRole: a value_type belongs"),
        ("'rds:StopDBInstance'", "'StopDBInstance'", "iam_actions.0: "),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(metadata, old, new, message):
    assert old in metadata
    with pytest.raises(PlaybookError, match=message) as caught:
        load_metadata(metadata.replace(old, new, 1), "file")

    assert caught.value.why.split(":")[0].isdecimal()


def test_problems_are_told_in_the_words_of_yaml():
    text = "{id: a-b, version: one, name: 5, description: X, reviewed: maybe, risks: [1], extra: 1}"
    with pytest.raises(PlaybookError) as caught:
        load_metadata(text, "file")

    told = str(caught.value)
    for words in (
        "version: does not have the form",
        "name: write text",
        "reviewed: write true or false",
        "risks.0: write a map of fields",
        "extra: is no known field: remove it",
    ):
        assert words in told
    assert "Input" not in told


def test_all_problems_are_told_at_once(metadata):
    broken = metadata.replace("level: medium", "level: severe").replace("id: rds-stop", "id: X")

    with pytest.raises(PlaybookError, match=r"1:1 id: .*; \d+:1 level: "):
        load_metadata(broken, "file")


def test_metadata_need_only_what_every_operation_has():
    facts = load_metadata("{id: a-document, version: '1.0.0', name: X, description: X, reviewed: false}", "file")

    assert (facts.target_parameter, facts.reversible, facts.fingerprint) == ("", False, None)
