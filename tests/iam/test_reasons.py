"""A reason taken apart: every verdict names what decided it, or what is not known."""

from __future__ import annotations

import pytest

from cloudops_nb.iam.evaluation.verdict import Decision
from cloudops_nb.iam.reasons import ReasonParts, parts_of
from tests.iam.golden_cases import cases

pytestmark = pytest.mark.fast


def test_each_verdict_of_the_golden_cases_names_a_layer_or_what_is_missing() -> None:
    for case in cases():
        verdict = case.evaluator().verdict(case.data["action"], **case.request())
        parts = parts_of(verdict.by.replace("the resource's policy", "the resource's own policy"))
        if verdict.decision is Decision.UNKNOWN:
            assert parts.missing, (case.name, verdict.by)
        else:
            assert parts.layer, (case.name, verdict.by)
            assert not parts.missing, (case.name, verdict.by)
        assert len(parts.layer) < 50, (case.name, verdict.by)
        if verdict.decision in (Decision.ALLOWED, Decision.DENIED_EXPLICIT) and parts.policy:
            assert parts.statement in verdict.by


@pytest.mark.parametrize(
    ("reason", "parts"),
    [
        ("allowed by policy Ops Stop", ReasonParts("identity policy", "Ops", "Stop")),
        ("denied by service control policy No root 2", ReasonParts("service control policy", "No root", "2")),
        ("denied by permissions boundary B 1", ReasonParts("permissions boundary", "B", "1")),
        ("allowed by the resource's own policy 1", ReasonParts("resource policy", "", "1")),
        ("allowed by the root user's own right", ReasonParts("the root user's own right")),
        ("no policy allows it", ReasonParts("identity policy")),
        ("no policy of the principal allows it", ReasonParts("identity policy")),
        ("the permissions boundary does not allow it", ReasonParts("permissions boundary")),
        (
            "no service control policy allows it at level 1 of 2 from the root",
            ReasonParts("service control policy"),
        ),
        ("managed by AWS: the stack", ReasonParts("AWS")),
        (
            "allowed unless the organisation denies, by policy Ops 1; not known: the SCPs: AccessDenied",
            ReasonParts("identity policy", "Ops", "1", "the SCPs: AccessDenied"),
        ),
        ("not known: a; b", ReasonParts(missing="a; b")),
        (
            "AWS may manage it: its tags could not be read",
            ReasonParts(missing="AWS may manage it: its tags could not be read"),
        ),
        ("", ReasonParts()),
    ],
)
def test_a_reason_has_these_parts(reason: str, parts: ReasonParts) -> None:
    assert parts_of(reason) == parts
