"""What the card says, in which order, in every form."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.execution.plan import Effect, Rollback
from cloudops_nb.presentation.as_html import card_html, record_html
from cloudops_nb.presentation.as_text import card_markdown, card_text, status_line
from cloudops_nb.presentation.plan_card import card_sections, environment_badge
from cloudops_nb.presentation.section import Badge, CardStatus, Tone
from tests.sample_plans import NOW, database, delete_volume, sealed, stop_database

if TYPE_CHECKING:
    from cloudops_nb.execution.plan import Plan

pytestmark = pytest.mark.fast

ORDER = ["where", "what", "steps", "diff", "blast", "iam", "rollback", "checks", "binding"]
WAITING = CardStatus("awaiting_approval")
HOSTILE = "<img src=x onerror=alert(1)>\u202e\"'`|"


def texts(plan: Plan) -> dict[str, str]:
    sections = card_sections(plan, kernel_user="alice", now=NOW + timedelta(seconds=7), bytes_sent=1204)
    return {
        "text": card_text(sections, WAITING),
        "markdown": unescape(card_markdown(sections, WAITING).replace("\\", "")),
        "html": re.sub(r"<[^>]+>", " ", card_html(sections, WAITING).split("</style>")[1]),
        "record": re.sub(r"<[^>]+>", " ", record_html(sections, WAITING).split("</style>")[1]),
    }


def test_the_sections_come_in_the_order_a_careful_operator_asks() -> None:
    sections = card_sections(stop_database(), kernel_user="alice", now=NOW)
    assert [section.key for section in sections] == ORDER
    html = card_html(sections, WAITING)
    positions = [html.index(f'<section class="co-{key}">') for key in ORDER]
    assert positions == sorted(positions)


@pytest.mark.parametrize("form", ["text", "markdown", "html", "record"])
@pytest.mark.parametrize(
    "fact",
    [
        "staging (123456789012)", "eu-west-1", "assumed-role/Operator/alice", "alice", "Stop RDS instance · 1 resource",
        "rds:StopDBInstance", "available → stopped", "aws rds stop-db-instance --db-instance-identifier",
        "as of 7 s ago",
        "db.t4g.medium", "lambda orders-import", "CloudFormation stack data-staging", "organisation policies",
        "OperatorPolicy, statement StopStart", "rds-start", "It starts again by itself after 7 days.",
        "state is stopped", "plan-7f3a", "2026-03-04 12:45:00 UTC", "1,204 bytes",
    ],
)  # fmt: skip
def test_every_form_is_complete_enough_to_decide_on(form: str, fact: str) -> None:
    assert fact in texts(stop_database())[form]


@pytest.mark.parametrize("form", ["text", "markdown", "html", "record"])
def test_the_hash_is_shown_whole(form: str) -> None:
    plan = stop_database()
    assert plan.hash in texts(plan)[form]


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_production_is_a_word_where_there_is_no_colour(form: str) -> None:
    assert "PRODUCTION" in texts(delete_volume())[form]


def test_production_is_a_colour_and_a_word() -> None:
    assert environment_badge(delete_volume()) == Badge("production", Tone.DANGER)
    html = card_html(card_sections(delete_volume(), kernel_user="alice", now=NOW), WAITING)
    assert '<span class="co-badge co-danger">production</span>' in html
    assert '<div class="cloudops co-edge-danger"' in html


def test_a_plan_is_production_when_one_of_its_targets_is() -> None:
    plan = stop_database(target_states=(database(), database(environment="production")))
    assert environment_badge(plan).text == "production"


@pytest.mark.parametrize("environment", ["", "unknown"])
def test_an_unlabelled_environment_says_so(environment: str) -> None:
    plan = stop_database(environment=environment, target_states=(database(environment=environment),))
    assert environment_badge(plan).text == "environment not labelled"


@pytest.mark.parametrize(
    ("effect", "rollback", "told"),
    [
        (Effect.READ, Rollback("", ""), "not needed."),
        (Effect.MODIFY, Rollback("", "A reboot cannot be taken back."), "none. A reboot cannot be taken back."),
        (Effect.MODIFY, Rollback("rds-start", ""), "rds-start, as a plan of its own that needs approval."),
        (Effect.DESTRUCTIVE, Rollback("", ""), "none: data is lost."),
    ],
)
def test_the_way_back_is_said_plainly(effect: Effect, rollback: Rollback, told: str) -> None:
    sections = card_sections(stop_database(effect=effect, rollback=rollback), kernel_user="alice", now=NOW)
    assert sections[ORDER.index("rollback")].lines == [told]


def test_a_title_that_names_the_only_resource_needs_no_count() -> None:
    assert "1 resource" not in texts(stop_database(title="Stop RDS instance pg-instance-staging1"))["text"]


def test_equal_verdicts_are_one_row_that_names_its_steps() -> None:
    iam = card_sections(stop_database(), kernel_user="alice", now=NOW)[ORDER.index("iam")]
    assert [row.cells[0] for row in iam.rows] == ["1, 3", "2"]


def test_several_targets_are_told_apart() -> None:
    twins = (database(), database(identifier="pg-2", name="pg-2", arn="arn:aws:rds:eu-west-1:123456789012:db:pg-2"))
    text = texts(stop_database(target_states=twins))["text"]
    assert "2 resources" in text
    assert "Dependents of pg-2" in text


def test_hostile_names_are_inert_in_every_form() -> None:
    target = database(name=HOSTILE, identifier=HOSTILE, state=HOSTILE, dependents=(HOSTILE,), managed_by=(HOSTILE,))
    step = replace(stop_database().steps[1], target=target.arn, cli=HOSTILE, iam_reason=HOSTILE, iam=HOSTILE)
    plan = sealed(stop_database(), target_states=(target,), steps=(step,), title=HOSTILE, account_name=HOSTILE)
    sections = card_sections(plan, kernel_user=HOSTILE, now=NOW)
    outcome = CardStatus("approved", by=HOSTILE, channel=HOSTILE, reason=HOSTILE, detail=HOSTILE)
    for html in (card_html(sections, outcome), record_html(sections, outcome)):
        assert "<img" not in html
        assert "\u202e" not in html
        assert "⟨U+202E⟩" in html
    for text in (card_text(sections, outcome), card_markdown(sections, outcome)):
        assert "\u202e" not in text
    assert "<img" not in card_markdown(sections, outcome)


def test_secret_parameters_reach_no_form() -> None:
    secret = "correct-horse-battery"
    step = replace(stop_database().steps[1], cli=f"aws rds modify-db-instance --master-user-password {secret}")
    plan = stop_database(
        parameters={"MasterUserPassword": secret}, steps=(step,), explanation=f"Sets the password {secret}."
    )
    for text in texts(plan).values():
        assert secret not in text


def test_the_record_folds_the_plan_but_keeps_all_of_it() -> None:
    sections = card_sections(stop_database(), kernel_user="alice", now=NOW)
    html = record_html(sections, CardStatus("approved", by="alice", channel="card", reason="nightly", at=NOW))
    assert html.index("approved") < html.index("<details>") < html.index('<section class="co-steps">')
    assert "<button" not in html


def test_an_outcome_is_one_line() -> None:
    outcome = CardStatus("approved", by="alice", channel="card", reason="nightly", at=NOW, detail="Good for one run.")
    assert status_line(outcome) == "APPROVED by alice (card) at 2026-03-04 12:30:00 UTC: nightly. Good for one run."


def test_fields_and_steps_of_which_the_playbook_promises_nothing_are_not_called_unchanged() -> None:
    fields = {"state": "available", "tags": "OLD"}
    target = replace(stop_database().target_states[0], expected_state="", fingerprint=fields)
    plan = stop_database(target_states=(target,))
    diff = next(each for each in card_sections(plan, kernel_user="alice", now=NOW) if each.key == "diff")
    assert [list(row.cells)[1:] for row in diff.rows] == [
        ["state", "available", "not predicted"],
        ["tags", "OLD", "not predicted"],
    ]
    steps = next(each for each in card_sections(plan, kernel_user="alice", now=NOW) if each.key == "steps")
    assert [row.cells[3] for row in steps.rows if "→" in row.cells[3]] == ["available → not predicted"]
