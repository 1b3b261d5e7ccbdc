"""The history: one row a plan, with what became of it, and filters that add up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cloudops_nb.execution.history import HISTORY_COLUMNS
from tests.sample_plans import TERMINAL


def test_a_row_says_what_was_done_to_what_by_whom_and_why(aws: Any, engine: Any, bind: Any, approved: Any) -> None:
    plan = approved(engine, bind("ec2-stop", aws.instance()))
    execution = engine.apply(plan)
    execution.wait(30)

    (row,) = engine.history()

    assert tuple(row) == HISTORY_COLUMNS
    assert (row["plan_id"], row["execution_id"], row["plan_hash"]) == (plan.id, execution.id, plan.hash)
    assert (row["status"], row["effect"], row["level"]) == ("completed", "modify", "medium")
    assert (row["approver"], row["channel"], row["reason"]) == ("ada", "card", "maintenance")
    assert row["resources"] == ["web-1"]
    assert row["approved"] <= row["started"] <= row["ended"]
    assert [step["status"] for step in engine.steps(execution.id)] == ["completed"] * 5


def test_rejected_expired_and_waiting_plans_are_in_the_history(
    aws: Any, engine: Any, bind: Any, account: Any, clock: Any
) -> None:
    bound = bind("ec2-stop", aws.instance())
    rejected = engine.prepare(bound, account=account)
    engine.prepare(bound, account=account)
    engine.reject(rejected, channel=TERMINAL, by="grace", reason="not now")
    assert [row["status"] for row in engine.history()] == ["rejected", "awaiting_approval"]
    clock.ahead = timedelta(hours=1)
    first, second = engine.history()
    assert (first["status"], first["approver"], first["reason"]) == ("rejected", "grace", "not now")
    assert second["status"] == "expired"


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({}, ["web-1", "pg-main1"]),
        ({"status": "completed"}, ["web-1"]),
        ({"status": "awaiting_approval", "level": "medium"}, ["pg-main1"]),
        ({"level": "critical"}, []),
        ({"effect": "modify"}, ["web-1", "pg-main1"]),
        ({"resource": "PG-MAIN"}, ["pg-main1"]),
        ({"account": "dev"}, ["web-1", "pg-main1"]),
        ({"account": "210987654321"}, []),
        ({"text": "MAINTENANCE"}, ["web-1"]),
        ({"since": timedelta(hours=-1), "until": timedelta(hours=1)}, ["web-1", "pg-main1"]),
        ({"since": timedelta(hours=1)}, []),
        ({"until": timedelta(hours=-1)}, []),
    ],
)
def test_filters_add_up(
    *, aws: Any, engine: Any, bind: Any, approved: Any, account: Any, clock: Any, filters: Any, titles: list[str]
) -> None:
    engine.apply(approved(engine, bind("ec2-stop", aws.instance()))).wait(30)
    engine.prepare(bind("rds-stop", aws.database()), account=account)
    given = {name: clock() + value if isinstance(value, timedelta) else value for name, value in filters.items()}
    assert [row["title"].rsplit(": ")[-1] for row in engine.history(**given)] == titles


@pytest.mark.parametrize("look", ["status", "steps", "rollback"])
def test_a_run_that_ends_while_the_journal_is_read_has_not_failed(
    *, aws: Any, make_engine: Any, bind: Any, approved: Any, journal: Any, look: str
) -> None:
    engine = make_engine()
    plan = approved(engine, bind("ec2-stop", aws.instance()))
    execution = engine.apply(plan)
    execution.wait(30)
    names = [line.kind for line in journal.lines]
    cut = names.index("step_intent") if look == "rollback" else names.index("step_intent") + 1
    early = make_engine(journal=_ReadEarly(journal, cut))

    if look == "status":
        assert early.status(plan).value == "completed"
    elif look == "steps":
        assert {step["status"] for step in early.steps(execution.id)} == {"completed"}
    else:
        assert [target.arn for target in early.rollback(execution.id)[0].targets] == list(plan.targets)


class _ReadEarly:
    """A journal whose first reading stops at a line, because the run wrote the others just afterwards."""

    def __init__(self, journal: Any, cut: int) -> None:
        self._journal = journal
        self._cut: int | None = cut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def records(self, **filters: Any) -> Any:
        found, cut = self._journal.records(**filters), self._cut
        self._cut = None
        return found if cut is None else [record for record in found if record.sequence <= cut]
