"""Completion through the shell's own completer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from IPython.core.completer import provisionalcompleter

from cloudops_nb.client.answer import Answer
from cloudops_nb.errors import StoreUnavailableError
from tests.sample_plans import stop_database

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.notebook.conftest import Notebook

pytestmark = pytest.mark.fast


def completed(notebook: Notebook, line: str) -> list[str]:
    """What a front end would offer at the end of the line, asked for as ipykernel asks."""
    with provisionalcompleter():
        return [found.text for found in notebook.shell.Completer.completions(line, len(line))]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("%cloudops_scan --re", "--region"),
        ("cloudops_scan --d", "--dry-run"),
        ("%%ask --d", "--dry-run"),
        ("%%cloudops_ask --d", "--dry-run"),
        ("%cloudops_scan --region eu", "eu-west-1"),
        ("%cloudops_scan --account p", "prod"),
        ("%cloudops_scan --account prod --service ", "rds"),
        ("%cloudops_search pg --type rds", "rds_instance"),
        ("%cloudops_scan --mode ", "full"),
    ],
)
def test_flags_and_live_values_are_offered(notebook: Notebook, line: str, offered: str) -> None:
    assert offered in completed(notebook, line)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("%cloudops_prepare lo", "look"),
        ("%cloudops_prepare look --param ", "InstanceId="),
        ("%cloudops_prepare look --ac", "--account"),
        ("%cloudops_playbook sh", "show"),
        ("%cloudops_playbook show rds", "rds-stop"),
    ],
)
def test_playbooks_and_their_parameters_are_offered(notebook: Notebook, line: str, offered: str) -> None:
    assert offered in completed(notebook, line)


def test_an_unknown_playbook_has_no_parameters(notebook: Notebook) -> None:
    assert "InstanceId=" not in completed(notebook, "%cloudops_prepare other --param ")
    assert len(notebook.cloudops.called("playbooks")) == 1


def test_the_plans_of_this_notebook_are_offered(notebook: Notebook) -> None:
    notebook.cloudops.answer = Answer("plan", "x", plan=stop_database())
    notebook.run("%%ask\nstop pg")
    assert completed(notebook, "%cloudops_apply plan") == ["plan-7f3a"]


def test_the_store_is_read_once_for_many_key_presses(notebook: Notebook) -> None:
    for line in ("%cloudops_scan --region e", "%cloudops_scan --region eu", "%cloudops_scan --region eu-"):
        completed(notebook, line)
    assert len(notebook.cloudops.called("places")) == 1


def test_flags_alone_do_not_open_the_store(notebook: Notebook) -> None:
    completed(notebook, "%cloudops_scan --r")
    assert not notebook.opened


def test_a_store_that_cannot_be_read_offers_nothing(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Mapping[str, Sequence[str]]:
        raise StoreUnavailableError("the store is away")

    monkeypatch.setattr(notebook.cloudops, "places", fail)
    assert "eu-west-1" not in completed(notebook, "%cloudops_scan --region eu")
