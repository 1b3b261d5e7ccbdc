"""``aws:sleep``: wait for a duration or until a time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudops_nb.execution.actions.step_run import Outcome
from cloudops_nb.execution.plan import StepStatus

if TYPE_CHECKING:
    from cloudops_nb.execution.actions.step_run import StepRun

#: ISO 8601 durations without years and months, whose length is not fixed.
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


def run(step: StepRun) -> Outcome:
    """Wait as long as the step says; its length is its own, so the step's timeout does not apply."""
    seconds = _length(step)
    if seconds is None:
        return Outcome(StepStatus.FAILED, "neither an ISO 8601 Duration nor a Timestamp is given")
    end = time.monotonic() + seconds
    if step.cancelled.wait(max(0.0, end - time.monotonic())):
        return Outcome(StepStatus.CANCELLED, "cancelled while waiting")
    return Outcome(StepStatus.COMPLETED, f"waited {seconds:g} s")


def _length(step: StepRun) -> float | None:
    duration, timestamp = step.input("Duration"), step.input("Timestamp")
    if duration:
        return duration_seconds(str(duration))
    try:
        until = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def duration_seconds(text: str) -> float | None:
    """Return the seconds of an ISO 8601 duration such as ``PT10M``, ``None`` when it is not one."""
    match = _DURATION.fullmatch(text.strip())
    parts = {unit: value for unit, value in match.groupdict().items() if value} if match else {}
    return sum(float(value) * _SECONDS[unit] for unit, value in parts.items()) if parts else None
