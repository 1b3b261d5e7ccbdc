"""The whole way over the simulated AWS: scan, search, ask, approve, apply, the record, and back."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloudops_nb.errors import (
    ApprovalRefusedError,
    ApprovalRequired,
    ConfigurationError,
    DriftError,
    JournalError,
    PlanError,
)
from cloudops_nb.execution.plan import Channel
from cloudops_nb.model import RESOURCE_COLUMNS

DATABASE = "pg-instance-staging1"


@pytest.fixture
def scanned(ops):
    ops.scan(accounts=["staging"], services=["rds", "ec2"])
    return ops


def rds(ops, plan):
    return ops.sessions.client(plan.account_id, "rds", plan.region)


def database_state(ops, plan):
    return rds(ops, plan).describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"][0]["DBInstanceStatus"]


@pytest.fixture
def running_database(staging_database, scanned):
    """A client that has scanned the staging account, with its database up whatever an earlier test did to it."""
    return scanned


def test_a_scan_fills_the_store_and_reports_every_cell(ops):
    report = ops.scan(accounts=["staging"], services=["rds", "ec2"])
    assert not report.failures
    assert set(report.cells.state) <= {"ok", "ok_empty"}
    assert len(report.frame) == report.cells.resources.sum() > 20
    assert list(ops.resources().columns) == list(RESOURCE_COLUMNS)
    assert set(ops.resources().cell_state) == {"ok"}


def test_search_finds_by_id_fragment_and_words(scanned):
    instance = scanned.resources(resource_type="ec2_instance").iloc[0]
    assert scanned.search(instance.identifier).iloc[0].arn == instance.arn
    assert scanned.search(DATABASE[:14]).iloc[0]["name"].startswith(DATABASE[:14])
    found = scanned.search("staging postgres", limit=3)
    assert set(found.resource_type) <= {"rds_instance", "rds_cluster"}
    assert found.why.str.len().min() > 0


def test_a_request_is_planned_approved_run_and_on_record(running_database):
    ops = running_database
    answer = ops.ask(f"stop {DATABASE}")
    assert answer.kind == "plan", answer.text
    plan = answer.plan
    assert plan.playbook.id == "rds-stop"
    assert plan.environment == "staging"
    assert not plan.production

    with pytest.raises(ApprovalRequired):
        ops.apply(plan)
    approval = ops.approve(plan, reason="a test")
    assert approval.channel is Channel.API

    events = [event.kind for event in ops.apply(plan)]
    assert events[0] == "started"
    assert events[-1] == "completed"
    assert database_state(ops, plan) == "stopped"

    with pytest.raises(ApprovalRefusedError):
        ops.apply(plan)
    assert ops.history().iloc[-1].status == "completed"
    assert ops.storage.journal.verify().count > 0

    assert ops.resources(name=DATABASE).iloc[0].state == "stopped"
    again = ops.ask("now start it again")
    assert again.plan.playbook.id == "rds-start", again.text


@pytest.mark.parametrize(
    "change",
    [
        {"region": "us-east-1"},
        {"title": "Something harmless"},
        {"parameters": {"DBInstanceIdentifier": "pg-instance-main1"}},
        {"steps": ()},
        {"expires": datetime(2100, 1, 1, tzinfo=UTC)},
    ],
)
def test_an_edited_plan_is_neither_approved_nor_run(running_database, change):
    ops = running_database
    plan = ops.ask(f"stop {DATABASE}").plan
    ops.approve(plan, reason="a test")
    edited = replace(plan, **change)
    with pytest.raises(ApprovalRefusedError, match="edited"):
        ops.apply(edited)
    with pytest.raises(ApprovalRefusedError, match="edited"):
        ops.approve(edited, reason="a test")
    assert database_state(ops, plan) == "available"


def test_an_expired_approval_is_refused(staging_database, open_ops, monkeypatch):
    ops = open_ops(approval_minutes=7)
    ops.scan(accounts=["staging"], services=["rds"])
    plan = ops.ask(f"stop {DATABASE}").plan
    ops.approve(plan, reason="a test")
    assert plan.expires - plan.created == timedelta(minutes=7)
    monkeypatch.setattr(ops.engine._approvals, "_clock", lambda: plan.expires)
    with pytest.raises(ApprovalRefusedError, match="expired"):
        ops.apply(plan)
    assert staging_database() == "available"


def test_a_journal_that_was_tampered_with_runs_nothing(running_database):
    ops = running_database
    plan = ops.ask(f"stop {DATABASE}").plan
    ops.approve(plan, reason="a test")
    with sqlite3.connect(ops.settings.data_path / "journal.db") as connection:
        connection.execute("DELETE FROM records WHERE sequence = 2")
    connection.close()
    with pytest.raises(JournalError):
        ops.apply(plan)
    assert database_state(ops, plan) == "available"


def test_the_way_back_is_a_plan_of_its_own(running_database):
    ops = running_database
    plan = ops.ask(f"stop {DATABASE}").plan
    ops.approve(plan, reason="a test")
    execution = ops.apply(plan)
    execution.wait()
    back = ops.rollback(execution)
    assert back.playbook.id == "rds-start"
    with pytest.raises(ApprovalRequired):
        ops.apply(back)
    ops.approve(back, reason="undo")
    ops.apply(back).wait()
    assert database_state(ops, back) == "available"


def test_what_leaves_is_what_was_previewed_and_in_the_ledger(running_database):
    ops = running_database
    before = len(ops.ledger())
    body = json.loads(ops.preview(f"stop {DATABASE}"))
    assert len(ops.ledger()) == before
    answer = ops.ask(f"stop {DATABASE}")
    sent = json.loads(ops.ledger().iloc[-1].body)
    assert {**sent, "request_id": ""} == {**body, "request_id": ""}
    assert answer.bytes_sent == ops.ledger().iloc[-1].bytes
    assert DATABASE not in ops.ledger().iloc[-1].body
    assert len(ops.ledger(destination="in-process", purpose="plan")) == len(ops.ledger())
    assert ops.ledger(destination="elsewhere").empty
    assert ops.ledger(since=datetime.now(UTC)).empty


def test_a_change_since_the_card_stops_as_drift(running_database):
    ops = running_database
    plan = ops.ask(f"stop {DATABASE}").plan
    ops.approve(plan, reason="a test")
    rds(ops, plan).stop_db_instance(DBInstanceIdentifier=DATABASE)
    with pytest.raises(DriftError, match="available"):
        ops.apply(plan)


def test_production_is_not_approved_by_code(open_ops):
    ops = open_ops()
    ops.scan(accounts=["production"], services=["rds"])
    plan = ops.ask("reboot pg-instance-main1").plan
    assert plan.production
    with pytest.raises(ApprovalRefusedError, match="approval from code is not enough"):
        ops.approve(plan, reason="a script")


def test_what_is_already_stopped_is_refused_in_words(running_database):
    ops = running_database
    plan = ops.ask(f"stop {DATABASE}").plan
    ops.approve(plan, reason="a test")
    ops.apply(plan).wait()
    answer = ops.ask(f"stop {DATABASE}")
    assert answer.kind == "refusal"
    assert "stopped" in answer.text


def test_an_ambiguous_change_is_asked_back_and_nothing_leaves(scanned):
    answer = scanned.ask("stop the instance")
    assert answer.kind == "clarification"
    assert len(answer.candidates) > 1
    assert answer.bytes_sent == 0
    assert scanned.ledger().empty


def test_a_question_is_answered_on_the_host(scanned):
    answer = scanned.ask("which databases are in staging")
    assert answer.kind == "information"
    assert DATABASE in set(answer.frame["name"])
    assert scanned.ledger().empty


def test_it_means_what_the_conversation_was_about(running_database):
    ops = running_database
    first = ops.ask(f"stop {DATABASE}")
    second = ops.ask("no wait, take a snapshot of it")
    assert second.kind in {"plan", "clarification"}
    assert second.conversation == first.conversation


def test_a_plan_made_in_one_client_runs_in_another(running_database, open_ops):
    plan = running_database.ask(f"stop {DATABASE}").plan
    other = open_ops()
    same = other.plan(plan.id)
    assert same == plan
    other.approve(same, reason="from the other one")
    other.apply(same).wait()
    assert running_database.history().iloc[-1].status == "completed"


def test_an_unknown_plan_is_one_line(ops):
    with pytest.raises(PlanError, match="there is no plan nonsense"):
        ops.plan("nonsense")


def test_the_preview_is_exactly_what_the_conversation_would_send(running_database):
    ops = running_database
    ops.ask("list databases in staging")
    ops.ask(f"reboot {DATABASE}")
    prompt = "stop it"
    body = json.loads(ops.preview(prompt))
    ops.ask(prompt)
    sent = json.loads(ops.ledger().iloc[-1].body)
    assert {**sent, "request_id": ""} == {**body, "request_id": ""}
    assert [exchange["intent"] for exchange in sent["history"]] == ["reboot"]


def test_it_does_not_reach_back_over_a_request_that_ended_in_a_question(running_database):
    ops = running_database
    assert ops.ask(f"reboot {DATABASE}").kind == "plan"
    assert ops.ask("stop the billing-of-nobody database").kind == "clarification"
    assert ops.ask("stop it").kind == "clarification"


def test_an_account_keeps_its_environment_when_its_name_changes(open_ops):
    accounts = [{"name": "before", "profile": "production", "environment": "production"}]
    first = open_ops(accounts=accounts)
    first.scan(services=["rds"])
    renamed = open_ops(accounts=[{**accounts[0], "name": "after"}])
    plan = renamed.ask("reboot pg-instance-main1").plan
    assert plan.environment == "production"
    assert plan.account_name == "after"


def test_resources_of_an_account_that_is_not_configured_are_not_planned(open_ops):
    open_ops().scan(accounts=["production", "staging"], services=["rds"])
    only_staging = open_ops(accounts=[{"name": "staging", "profile": "staging"}])
    with pytest.raises(ConfigurationError, match="is not configured"):
        only_staging.ask("reboot pg-instance-main1")
