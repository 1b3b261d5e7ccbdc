from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.model import Constraint, Constraints, Ternary
from cloudops_nb.ssm.catalogue import Catalogue
from cloudops_nb.ssm.metadata import Prerequisite
from cloudops_nb.ssm.prerequisites import judge
from cloudops_nb.ssm.values import ABSENT

pytestmark = pytest.mark.fast


def about(**fields: Any) -> Prerequisite:
    return Prerequisite.model_validate({"text": "It holds.", **fields})


def test_plain_text_is_a_prerequisite_that_no_fact_judges():
    prerequisite = Prerequisite.model_validate("It holds.")

    assert str(prerequisite) == "It holds."
    assert judge(prerequisite, {"state": "running"}, Constraints()) == "unknown"


@pytest.mark.parametrize(
    ("fact", "value", "judgement"),
    [
        ({"is": "running"}, "running", "met"),
        ({"is": "running"}, "stopped", "violated"),
        ({"is": "running"}, None, "unknown"),
        ({"is": False}, 0, "violated"),
        ({"is": False}, False, "met"),
        ({"is": None}, None, "met"),
        ({"is": None}, ABSENT, "met"),
        ({"is": None}, "cluster", "violated"),
        ({"is": []}, [], "met"),
        ({"is": []}, None, "met"),
        ({"is": []}, ["replica"], "violated"),
        ({"is_not": "terminated"}, "running", "met"),
        ({"is_not": "terminated"}, "terminated", "violated"),
        ({"is_not": "terminated"}, None, "unknown"),
        ({"is_not": None}, None, "violated"),
        ({"is_not": None}, "x", "met"),
        ({"one_of": ["running", "stopped"]}, "stopped", "met"),
        ({"one_of": ["running", "stopped"]}, "pending", "violated"),
    ],
)
def test_a_field_of_the_fingerprint_judges_a_prerequisite(fact, value, judgement):
    assert judge(about(field="it", **fact), {"it": value}, None) == judgement


def test_a_field_that_was_not_read_judges_nothing():
    assert judge(about(field="it", **{"is": None}), {}, None) == "unknown"
    assert judge(about(field="it", **{"is": None}), None, None) == "unknown"


@pytest.mark.parametrize(
    ("value", "judgement"), [(Ternary.TRUE, "met"), (Ternary.FALSE, "violated"), (Ternary.UNKNOWN, "unknown")]
)
def test_a_constraint_judges_a_prerequisite(value, judgement):
    prerequisite = about(constraint="can_stop")

    assert judge(prerequisite, {}, Constraints(can_stop=Constraint(value))) == judgement
    assert judge(prerequisite, {}, None) == "unknown"


def test_the_bundled_prerequisites_are_judged():
    replica: dict[str, Any] = {"state": "available", "cluster": None, "replica_of": "main", "replicas": []}
    prerequisites = Catalogue.bundled().get("rds-stop").metadata.prerequisites

    found = {str(each): judge(each, replica, Constraints()) for each in prerequisites}

    assert list(found.values()) == ["met", "met", "violated", "met", "unknown"]
