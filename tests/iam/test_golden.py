"""The evaluator against AWS's documentation, case by case."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.iam.golden_cases import Case, cases

pytestmark = pytest.mark.fast
CASES = list(cases())


def differences(case: Case) -> list[str]:
    """Return the differences from the documentation."""
    action, request, evaluator = case.data["action"], case.request(), case.evaluator()
    verdict = evaluator.verdict(action, **request)
    # The other ways to ask, and the cache, must give the same answer.
    fresh = case.evaluator(remember=False).verdict(action, **request)
    reasons = evaluator.permissions([action], **request).reasons
    found = {
        f"is {verdict.decision} by {verdict.by!r}": verdict.decision == case.data["expect"],
        f"says {verdict.by!r}": verdict.by and case.data["by"] in verdict.by and "\n" not in verdict.by,
        f"is {fresh} without the cache": fresh == verdict,
        f"has the reasons {reasons}": reasons == {action: verdict.by},
    }
    return [f"{case.name} {what}" for what, right in found.items() if not right]


@pytest.mark.parametrize("topic", sorted({case.topic for case in CASES}))
def test_every_verdict_is_what_the_documentation_says(topic: str) -> None:
    assert [what for case in CASES if case.topic == topic for what in differences(case)] == []


def test_there_are_many_cases_and_each_is_of_a_documented_page() -> None:
    assert len(CASES) >= 700
    assert max(Counter((case.topic, case.name) for case in CASES).values()) == 1
    assert all(case.page.startswith("https://docs.aws.amazon.com/") for case in CASES)
    assert len({case.page for case in CASES}) >= 20


def test_no_case_repeats_another() -> None:
    names = ("name", "by", "if", "deny_if")  # the last two abbreviate an identity policy, which is compared
    counts = Counter(
        repr(sorted((key, value) for key, value in case.data.items() if key not in names)) for case in CASES
    )
    assert max(counts.values()) == 1, counts.most_common(1)


def test_every_decision_has_many_cases() -> None:
    decisions = Counter(case.data["expect"] for case in CASES)
    assert min(decisions[one] for one in ("allowed", "denied_explicit", "denied_implicit", "unknown")) >= 70, decisions
