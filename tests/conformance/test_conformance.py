"""Each sentence of the user guide that documents depend on, tried on the real engine over a scripted AWS."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.execution import runner
from tests.conformance.cases import Case, cases, differences
from tests.conformance.page import PAGE, page
from tests.conformance.trial import problems

if TYPE_CHECKING:
    from pathlib import Path


def _marked(case: Case) -> object:
    marks = [pytest.mark.xfail(reason=case.xfail, strict=True)] if case.xfail else []
    return pytest.param(case, id=case.id, marks=marks)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", list(map(_marked, cases())))
def test_documents_run_as_the_guide_says(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if case.clean_up_seconds is not None:
        owner = importlib.import_module(vars(runner)["Cancellation"].__module__)
        assert owner.CLEAN_UP_SECONDS == 120
        monkeypatch.setattr(owner, "CLEAN_UP_SECONDS", case.clean_up_seconds)
    assert problems(case, tmp_path) == []


def test_each_row_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(case.id for case in cases()).items() if count > 1] == []


def test_each_difference_is_shown_by_a_case() -> None:
    shown = {case.differs for case in cases()} - {""}
    assert shown == set(differences())


def test_the_page_is_that_of_the_cases() -> None:
    current = PAGE.read_text("utf-8") == page()
    assert current, "docs/automation.md is not what the cases say: run make conformance"
