"""The history as rows for a table: one a plan, with what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.journal_kinds import EXECUTION_ENDED, EXECUTION_STARTED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cloudops_nb.execution.journal_view import JournalView, PlanView

#: The columns of a row, in the order in which they are shown.
HISTORY_COLUMNS = (
    "created", "title", "status", "effect", "level", "account_name", "account_id", "region", "environment", "resources",
    "approver", "channel", "reason", "approved", "started", "ended", "detail", "playbook", "version", "plan_id",
    "plan_hash", "execution_id", "rolls_back",
)  # fmt: skip


def rows(
    picture: JournalView,
    now: datetime,
    *,
    status: str = "",
    level: str = "",
    effect: str = "",
    resource: str = "",
    account: str = "",
    text: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[dict[str, Any]]:
    """Return one row for each plan, the newest last; filters that are given must all fit.

    Args:
        picture: A fresh reading of the journal.
        now: The time, in UTC; it decides what has expired.
        status: As in :class:`cloudops_nb.execution.plan.PlanStatus`.
        level: ``low``, ``medium``, ``high`` or ``critical``.
        effect: ``read``, ``modify`` or ``destructive``.
        resource: Part of a target's identifier, name or ARN, without regard to case.
        account: The account's id or name.
        text: Part of the title, the reason or the detail, without regard to case.
        since: The earliest time of planning.
        until: The latest time of planning.
    """
    found = [_row(picture, view, now) for view in picture.plans() if _touches(view, resource)]
    wanted = {"status": status, "level": level, "effect": effect}
    return [
        row
        for row in found
        if all(not value or row[column] == value for column, value in wanted.items())
        and (not account or account in (row["account_id"], row["account_name"]))
        and _mentions(text, (row["title"], row["reason"], row["detail"]))
        and (since is None or row["created"] >= since)
        and (until is None or row["created"] <= until)
    ]


def _row(picture: JournalView, view: PlanView, now: datetime) -> dict[str, Any]:
    plan, run = view.plan, view.run
    decision = (view.rejection or view.approval) if run is None else view.approval
    decided = decision.body if decision else {}
    started = run.last(EXECUTION_STARTED) if run else None
    ended = run.last(EXECUTION_ENDED) if run else None
    row = {
        "created": plan.created,
        "title": plan.title,
        "status": picture.status_of(view, now).value,
        "effect": plan.effect.value,
        "level": plan.level.value,
        "account_name": plan.account_name,
        "account_id": plan.account_id,
        "region": plan.region,
        "environment": plan.environment,
        "resources": [target.name or target.identifier for target in plan.target_states],
        "approver": decided.get("by", ""),
        "channel": decided.get("channel", ""),
        "reason": decided.get("reason", ""),
        "approved": view.approval.at if view.approval else None,
        "started": started.at if started else None,
        "ended": ended.at if ended else None,
        "detail": run.reason if run else "",
        "playbook": plan.playbook.id,
        "version": plan.playbook.version,
        "plan_id": plan.id,
        "plan_hash": plan.hash,
        "execution_id": run.id if run else "",
        "rolls_back": plan.rolls_back,
    }
    return {column: row[column] for column in HISTORY_COLUMNS}


def _touches(view: PlanView, resource: str) -> bool:
    if not resource:
        return True  # also a plan without targets
    return any(_mentions(resource, (each.identifier, each.name, each.arn)) for each in view.plan.target_states)


def _mentions(part: str, texts: Iterable[str]) -> bool:
    return any(part.casefold() in text.casefold() for text in texts)
