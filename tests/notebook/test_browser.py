"""The notebook in a real JupyterLab, driven in headless Chromium as an operator would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import STAGING_DATABASE
from tests.notebook.jupyterlab import BROWSER_ARGUMENTS, Lab, LabPage, browser_executable, running_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from cloudops_nb.demo import Demo

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / ".artefacts" / "screenshots"
#: A card over the tests' own plans and no AWS, for what the demo has no playbook for.
DESTRUCTIVE = """
from dataclasses import replace
from datetime import UTC, datetime
from cloudops_nb.client.answer import Answer
from cloudops_nb.notebook import extension
from tests.notebook.fake_cloudops import FakeCloudOps
from tests.sample_plans import delete_volume

plan = delete_volume(created=datetime.now(UTC))
hostile = replace(plan.target_states[0], name="<img src=x onerror=\\"document.title='owned'\\">\\u202eevil")
plan = delete_volume(created=datetime.now(UTC), target_states=(hostile,))
cloudops = FakeCloudOps()
cloudops.answer = Answer("plan", "x", plan=plan, bytes_sent=1204)
extension.load(get_ipython(), lambda **_: cloudops)
"""

#: What depends on a key, over the tests' own frame, with a name that tries to be markup.
DEPENDENTS = """
import pandas as pd
from cloudops_nb.notebook import extension
from tests.notebook.fake_cloudops import FakeCloudOps

hostile = "<img src=x onerror=\\"document.title='owned'\\">\\u202eevil"
place = {"place": "production eu-west-1"}
rows = [
    {"arn": "a", "depends_on": "k", "resource": "alias/orders", "resource_type": "kms_alias", "relation": "points to"},
    {"arn": "q", "depends_on": "a", "resource": hostile, "resource_type": "sqs_queue", "relation": "encrypted with"},
    {"arn": "d", "depends_on": "k", "resource": "orders-db", "resource_type": "rds_instance", "relation": "key"},
]
cloudops = FakeCloudOps()
cloudops.frame = pd.DataFrame([{**row, **place} for row in rows])
gaps = ["never scanned: efs_file_system", "relations that only a scan with every detail reads: s3_bucket"]
cloudops.frame.attrs |= {"resources": [("k", "kms_key 1b2c3d4e", "production eu-west-1")], "not_looked_at": gaps}
extension.load(get_ipython(), lambda **_: cloudops)
"""

#: A cell that runs until the test makes a file in the notebook's folder.
BUSY = """
import time
from pathlib import Path

while not Path("go-on").exists():
    time.sleep(0.05)
"""
#: How often a person asks and types on. A card that took the focus was pressed in three of four tries.
TYPED_RUNS = 20
KERNEL_BUSY = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'"


@pytest.fixture(scope="module")
def lab(demo: Demo, models_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("lab")
    environment = {
        **demo.environment,
        "PYTHONPATH": str(ROOT),
        "CLOUDOPS_DATA_PATH": str(home / "store"),
        "CLOUDOPS_KEY_SOURCE": "file",
        "CLOUDOPS_EMBEDDING_PATH": str(models_path),
    }
    with running_lab(home, environment) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = browser_executable()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=list(BROWSER_ARGUMENTS))
        yield chromium
        chromium.close()


def test_ask_read_approve_run_and_see_the_database_stopped(
    browser: Browser, lab: Lab, demo: Demo, staging_database: Callable[[], str]
) -> None:
    assert staging_database() == "available"
    accounts = json.dumps([dict(account) for account in demo.accounts])
    lab.write(
        "operate.ipynb",
        [
            "%load_ext cloudops_nb",
            f"%config CloudOps.accounts = {accounts}",
            "%cloudops_scan --account staging --service rds --service ec2",
            f"%%ask\nstop {STAGING_DATABASE}",
            "%cloudops_apply",
            "%cloudops_history",
        ],
    )
    page = LabPage.open(browser, lab, "operate.ipynb")
    for number in (0, 1, 2):
        page.run(number)
    assert "resources" in (page.output(2).text_content() or "")
    photograph(page, 2, "scan")

    page.run_to_card(3)
    card = page.output(3)
    for fact in ("staging", "rds:StopDBInstance", STAGING_DATABASE, "available → stopped", "rds-start"):
        assert fact in (card.text_content() or ""), fact
    photograph(page, 3, "card")

    page.run(4)
    assert "ApprovalRequired" in (page.output(4).text_content() or "")
    assert staging_database() == "available"

    card.locator(".cloudops-reason input").fill("nobody works on staging tonight")
    card.locator(".cloudops-approve").click()
    card.locator(".co-status", has_text="approved").wait_for()
    assert card.locator("button").count() == 0
    assert "nobody works on staging tonight" in (card.text_content() or "")
    photograph(page, 3, "record")

    page.run(4)
    page.output(4).locator(".co-status", has_text="completed").wait_for()
    assert staging_database() == "stopped"
    photograph(page, 4, "run")
    page.run(5)
    assert "completed" in (page.output(5).text_content() or "")

    page.save()
    page.reload()
    assert "approved" in (page.output(3).text_content() or "")
    assert page.output(3).locator("button").count() == 0
    assert "widgets" not in json.loads((lab.folder / "operate.ipynb").read_text("utf-8"))["metadata"]


def test_a_destructive_plan_takes_its_phrase_by_keyboard_alone_and_a_hostile_name_is_inert(
    browser: Browser, lab: Lab
) -> None:
    lab.write("destroy.ipynb", [DESTRUCTIVE, "%%cloudops_ask\ndelete the volume", "%cloudops_apply"])
    page = LabPage.open(browser, lab, "destroy.ipynb")
    page.run(0)
    page.run_to_card(1)
    card, keyboard = page.output(1), page.page.keyboard
    assert "⟨U+202E⟩evil" in (card.text_content() or "")
    assert card.locator("img").count() == 0
    assert page.page.title() != "owned"
    approve = card.locator(".cloudops-approve")
    assert approve.is_disabled()

    photograph(page, 1, "destructive")
    page.tab_to(card.locator(".cloudops-reason input"))
    keyboard.type("replaced last week")
    keyboard.press("Tab")
    card.locator(".cloudops-phrase input:focus").wait_for()
    keyboard.type("delete vol-0a1b2c3")
    assert approve.is_disabled()
    keyboard.type("d")
    card.locator(".cloudops-approve:not([disabled])").wait_for()
    for _ in ("reject", "approve"):
        keyboard.press("Tab")
    keyboard.press("Enter")
    card.locator(".co-status", has_text="approved").wait_for()
    assert "replaced last week" in (card.text_content() or "")
    page.run(2)
    page.output(2).locator(".co-status", has_text="completed").wait_for()


def test_typing_on_in_the_next_cell_decides_nothing(browser: Browser, lab: Lab) -> None:
    """The card is drawn while a person types on: spaces and line breaks go into the next cell, the plan stays open."""
    lab.write("typing.ipynb", [DESTRUCTIVE, ""])
    page = LabPage.open(browser, lab, "typing.ipynb")
    page.run(0)
    keyboard = page.page.keyboard
    page.cell(1).locator(".jp-InputArea-editor").click()
    for run in range(TYPED_RUNS):
        keyboard.type("%%cloudops_ask\ndelete the volume")
        # In the last cell, JupyterLab makes a new one below and sets the cursor into it.
        keyboard.press("Shift+Enter")
        typed = "x = 1  # a b c\n \n y"
        keyboard.type(typed, delay=25)
        card = page.output(2 * run + 1)
        card.locator(".cloudops-reject").wait_for()
        keyboard.type(" z \n ", delay=25)
        assert card.locator(".cloudops-reject").count() == 1
        assert "z" in (page.cell(2 * run + 2).locator(".jp-InputArea-editor").text_content() or "")
        keyboard.press("Control+a")
        keyboard.type("pass")
        keyboard.press("Shift+Enter")
    keyboard.type("print('decided:', len(cloudops.called('decide')))")
    keyboard.press("Shift+Enter")
    page.output(2 * TYPED_RUNS + 1).get_by_text("decided: 0").wait_for()


def test_run_all_stops_at_the_gate(browser: Browser, lab: Lab) -> None:
    lab.write(
        "gate.ipynb",
        [DESTRUCTIVE, "%%cloudops_ask\ndelete the volume", "%cloudops_apply", "reached = True"],
    )
    page = LabPage.open(browser, lab, "gate.ipynb")
    page.command("notebook:run-all-cells")
    page.output(2).get_by_text("ApprovalRequired").wait_for()
    page.await_idle()
    assert page.prompt(3).strip() == "[ ]:"


def test_a_click_while_a_cell_runs_is_recorded_with_its_whole_reason(browser: Browser, lab: Lab) -> None:
    """At once in another thread, or when the cell has ended: which of them is up to the front end and the kernel."""
    lab.write("busy.ipynb", [DESTRUCTIVE, "%%cloudops_ask\ndelete the volume", BUSY])
    page = LabPage.open(browser, lab, "busy.ipynb")
    page.run(0)
    page.run_to_card(1)
    page.start(2)
    page.page.wait_for_function(KERNEL_BUSY)
    card = page.output(1)
    card.locator(".cloudops-reason input").press_sequentially("it is still in use")
    card.locator(".cloudops-reject").click()
    (lab.folder / "go-on").touch()
    card.locator(".co-status", has_text="rejected").wait_for()
    assert card.locator("button").count() == 0
    assert "it is still in use" in (card.text_content() or "")


def photograph(page: LabPage, number: int, name: str) -> None:
    """Keep a picture of a cell's output in both themes."""
    for theme in ("dark", "light"):
        page.theme(theme)
        page.screenshot(number, SCREENSHOTS / f"{name}-{theme}.png")


def test_dependents_are_drawn_and_a_name_adds_no_markup(browser: Browser, lab: Lab) -> None:
    lab.write("dependents.ipynb", [DEPENDENTS, "%cloudops_depends 1b2c3d4e"])
    page = LabPage.open(browser, lab, "dependents.ipynb")
    page.run(0)
    page.run(1)
    output = page.output(1)
    # JupyterLab shows a Mermaid drawing as an image of its own.
    output.locator(".jp-RenderedMermaid img, .jp-RenderedMermaid svg").first.wait_for()
    assert output.locator(".jp-RenderedMermaid details.jp-mod-error").count() == 0
    assert "sqs_queue" in (output.text_content() or "")
    assert page.page.title() != "owned"
    cell = output.locator(".cloudops td").first
    assert cell.evaluate("each => getComputedStyle(each).textAlign") == "left"
    photograph(page, 1, "dependents")
