"""The plain documents run as the user guide demands; where the library is installed, as it does too."""

from __future__ import annotations

import pytest

from tests.survey.second_opinion.cases import Case, cases
from tests.survey.second_opinion.comparison import Run, demanded, faults, is_installed, ours, theirs

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_plain_document_runs_as_the_user_guide_demands(case):
    assert ours(case).agrees(demanded(case)), ours(case)


@pytest.mark.skipif(not is_installed(), reason="make second-opinion installs the library")
def test_the_library_differs_only_where_a_case_says_so():
    found = [
        fault for case, other in zip(CASES, theirs(CASES), strict=True) for fault in faults(case, demanded(case), other)
    ]

    assert found == []


@pytest.mark.fast
def test_each_difference_is_a_fault_unless_the_case_explains_it():
    wanted, other = Run(["nap"], succeeded=True), Run(["nap"], succeeded=False, error="why")
    plain, explained = Case("plain", {}, ["nap"]), Case("explained", {}, ["nap"], differs="because")

    assert list(faults(plain, wanted, wanted)) == list(faults(explained, wanted, other)) == []
    assert [str(each) for each in faults(plain, other, other)] == [
        "plain: we have nap, fails (why); demanded is nap, succeeds",
        "plain: the library has nap, fails (why); demanded is nap, succeeds",
    ]
    assert list(faults(explained, wanted, wanted)) == ["explained: the library no longer differs"]
