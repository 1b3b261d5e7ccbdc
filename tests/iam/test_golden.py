"""What AWS's documentation says of requests, case by case."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.iam.golden_cases import Case, cases

pytestmark = pytest.mark.fast
CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.topic}: {case.name}")
def test_the_verdict_is_what_the_documentation_says(case: Case) -> None:
    verdict = case.verdict()
    assert verdict.decision == case.data["expect"], verdict.by
    assert case.data["by"] in verdict.by
    assert verdict.by
    assert "\n" not in verdict.by


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.topic}: {case.name}")
def test_remembering_changes_no_verdict(case: Case) -> None:
    assert case.verdict(remember=False) == case.verdict()


def test_there_are_many_cases_and_each_is_of_a_documented_page() -> None:
    assert len(CASES) >= 300
    assert max(Counter((case.topic, case.name) for case in CASES).values()) == 1
    assert all(case.page.startswith("https://docs.aws.amazon.com/") for case in CASES)
