"""What AWS's documentation says of requests, case by case."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.iam.golden_cases import Case, cases

pytestmark = pytest.mark.fast
CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.topic}: {case.name}")
def test_the_verdict_is_what_the_documentation_says(case: Case) -> None:
    action, request, evaluator = case.data["action"], case.request(), case.evaluator()
    verdict = evaluator.verdict(action, **request)
    assert verdict.decision == case.data["expect"], verdict.by
    assert case.data["by"] in verdict.by
    assert verdict.by
    assert "\n" not in verdict.by
    # However it is asked, and whatever was remembered, the answer is the same.
    assert case.evaluator(remember=False).verdict(action, **request) == verdict
    assert evaluator.permissions([action], **request).reasons == {action: verdict.by}


def test_there_are_many_cases_and_each_is_of_a_documented_page() -> None:
    assert len(CASES) >= 700
    assert max(Counter((case.topic, case.name) for case in CASES).values()) == 1
    assert all(case.page.startswith("https://docs.aws.amazon.com/") for case in CASES)
    assert len({case.page for case in CASES}) >= 20


def test_no_case_repeats_another() -> None:
    names = ("name", "by", "if", "deny_if")  # the last two stand for an identity policy, which is compared
    told = Counter(repr(sorted((key, value) for key, value in case.data.items() if key not in names)) for case in CASES)
    assert max(told.values()) == 1, told.most_common(1)


def test_every_decision_has_many_cases() -> None:
    decisions = Counter(case.data["expect"] for case in CASES)
    assert min(decisions[one] for one in ("allowed", "denied_explicit", "denied_implicit", "unknown")) >= 70, decisions
