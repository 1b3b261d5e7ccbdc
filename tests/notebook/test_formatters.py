"""How domain objects look when a cell returns them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from cloudops_nb.client.answer import Answer
from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.notebook.formatters import MimeBundles
from cloudops_nb.scanner.report import ScanReport
from tests.notebook.fake_cloudops import FakeExecution
from tests.sample_plans import stop_database

if TYPE_CHECKING:
    from tests.notebook.conftest import Notebook

pytestmark = pytest.mark.fast


def test_a_plan_is_its_card_without_buttons(notebook: Notebook) -> None:
    bundle = notebook.formatted(stop_database())
    assert set(bundle) >= {"text/plain", "text/markdown", "text/html", "application/vnd.cloudops.plan+json"}
    assert "rds:StopDBInstance" in bundle["text/plain"]
    assert "%cloudops_approve plan-7f3a" in bundle["text/plain"]
    assert json.loads(json.dumps(bundle))["application/vnd.cloudops.plan+json"]["id"] == "plan-7f3a"
    assert not notebook.opened


def test_a_plan_has_its_status_once_the_store_is_open(notebook: Notebook) -> None:
    notebook.run("%cloudops_history")
    notebook.cloudops.decisions["plan-7f3a"] = True
    assert notebook.formatted(stop_database())["text/plain"].startswith("APPROVED")


def test_a_plan_s_json_holds_no_secret(notebook: Notebook) -> None:
    plan = stop_database(parameters={"MasterUserPassword": "correct-horse-battery"})
    assert "correct-horse-battery" not in json.dumps(notebook.formatted(plan))


def test_an_answer_shows_words_bytes_and_resources(notebook: Notebook) -> None:
    frame = pd.DataFrame({"name": ["<b>pg</b>"] * 25, "identifier": ["pg"] * 25, "score": [1.0] * 25})
    bundle = notebook.formatted(Answer("information", "25 resources fit.", frame=frame, bytes_sent=0))
    assert "25 resources fit." in bundle["text/plain"]
    assert "0 bytes" in bundle["text/plain"]
    assert "… and 5 more" in bundle["text/plain"]
    assert "<b>" not in bundle["text/html"]


def test_a_clarification_lists_its_candidates(notebook: Notebook) -> None:
    frame = pd.DataFrame({"name": ["pg-main1", "pg-main2"], "region": ["eu-west-1", "us-east-1"]})
    bundle = notebook.formatted(Answer("clarification", "Which one?", candidates=frame))
    assert "pg-main2" in bundle["text/plain"]


def test_an_answer_with_a_plan_shows_both(notebook: Notebook) -> None:
    bundle = notebook.formatted(Answer("plan", "Stops it.", plan=stop_database(), bytes_sent=1204))
    assert "1,204 bytes" in bundle["text/plain"]
    assert "rds:StopDBInstance" in bundle["text/html"]
    assert bundle["application/vnd.cloudops.answer+json"]["plan"]["id"] == "plan-7f3a"


def test_an_answer_whose_card_is_on_the_screen_does_not_show_the_plan_twice(notebook: Notebook) -> None:
    answer = notebook.cloudops.answer = Answer("plan", "Stops it.", plan=stop_database(), bytes_sent=1204)
    notebook.run("%%ask\nstop pg")
    assert "rds:StopDBInstance" not in notebook.formatted(answer)["text/html"]


def test_an_execution_shows_its_steps_but_no_output_values(notebook: Notebook) -> None:
    execution = FakeExecution(stop_database())
    list(execution)
    text = MimeBundles(notebook.session).execution(execution)["text/plain"]
    assert text.splitlines()[0] == "completed: Stop RDS instance · 1 resource  (execution exec-1)"
    assert len(text.splitlines()) == 4


def test_a_scan_report_shows_counts_and_what_it_could_not_read(notebook: Notebook) -> None:
    began = datetime(2026, 3, 4, tzinfo=UTC)
    results = [
        CellResult(
            CellKey("123456789012", "eu-west-1", "rds_instance"), CellState.OK, began, 0.2, resources=3, calls=1
        ),
        CellResult(
            CellKey("123456789012", "us-east-1", "rds_instance"),
            CellState.DENIED,
            began,
            0.1,
            detail="<b>AccessDenied</b>",
        ),
    ]
    previous = {results[0].key: 1}
    bundle = notebook.formatted(ScanReport("scan-1", began, 0.3, results, previous=previous))
    assert "3 resources" in bundle["text/plain"]
    cells = re.findall(r"<td>(.*?)</td>", re.sub("<(?!/?td).*?>", "", bundle["text/html"]))
    assert cells[-3:] == ["rds_instance", "3", "+2"]
    assert "&lt;b&gt;AccessDenied" in bundle["text/html"]
    assert "<b>" not in bundle["text/html"]
