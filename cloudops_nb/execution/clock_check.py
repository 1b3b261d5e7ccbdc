"""Checks that the clock was not set back: with an earlier time, an expired plan would look valid."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudops_nb.errors import ApprovalRefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.execution.ports import JournalPort
    from cloudops_nb.model import JournalRecord

#: The clock may be this much behind a recorded time, because time synchronisation corrects a clock in small steps. An
#: expired plan can look valid for this long at most, if any record was written after it had expired.
TOLERANCE = timedelta(seconds=60)


def require_true_clock(journal: JournalPort, plan: Plan, now: datetime) -> None:
    """Check that neither a journal record nor the plan is from the future.

    Raises:
        ApprovalRefusedError: The clock is more than :data:`TOLERANCE` behind the journal's latest time, or behind the
            plan's creation; the error names both times.
    """
    latest = journal.latest_time()
    if latest is not None and latest > now + TOLERANCE:
        raise ApprovalRefusedError(
            "the clock was set back",
            f"it says {_utc(now)}, but the journal has a record of {_utc(latest)}",
            "Correct the clock. If it is right, accept it in a terminal: cloudops-nb accept-clock.",
        )
    if plan.created > now + TOLERANCE:
        raise ApprovalRefusedError(
            f"{plan.title} is from the future",
            f"it was made at {_utc(plan.created)}, and the clock says {_utc(now)}",
            "Ask again for a plan.",
        )


def accept_clock(journal: JournalPort, now: datetime, *, by: str, reason: str) -> JournalRecord:
    """Record that a person takes the present time for right; the journal's latest time starts again from it."""
    latest = journal.latest_time() or now
    return journal.accept_clock({"by": by, "reason": reason, "latest": latest.isoformat(), "accepted": now.isoformat()})


def _utc(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
