"""``aws:sleep``: wait for a duration or until a time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.actions.step_run import Outcome
from cloudops_nb.execution.plan import StepStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.execution.actions.step_run import StepRun

#: In seconds: automation-action-sleep.
LONGEST_SLEEP = 604_800
#: ISO 8601 durations without years and months, whose length is not fixed.
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


def run(step: StepRun) -> Outcome:
    """Wait as long as the step says: a timeout of its own does not shorten it, that of a step around it does."""
    seconds = _length(step.input("Duration"), step.input("Timestamp"))
    if isinstance(seconds, str):
        return Outcome(StepStatus.FAILED, seconds)
    left = max(0.0, step.deadline - time.monotonic())
    if step.cancelled.wait(min(seconds, left)):
        return Outcome(StepStatus.CANCELLED, "cancelled while waiting")
    if seconds > left:
        return Outcome(StepStatus.TIMEOUT, f"the time of the steps around it was up after {left:g} s")
    return Outcome(StepStatus.COMPLETED, "waited" if step.hidden else f"waited {seconds:g} s")


def sleep_problem(inputs: Mapping[str, Any]) -> str:
    """Say in a clause what is wrong with the inputs, or return an empty string; references are not judged."""
    given = [inputs.get("Duration"), inputs.get("Timestamp")]
    if any("{{" in str(value) for value in given):
        return ""
    found = _length(*given)
    return found if isinstance(found, str) else ""


def _length(duration: Any, timestamp: Any) -> float | str:
    """Return how long to sleep in seconds, or what is wrong."""
    if duration:
        seconds = duration_seconds(str(duration))
        if seconds is None:
            return "Duration is no ISO 8601 duration such as PT10M"
    else:
        try:
            until = datetime.fromisoformat(str(timestamp))
        except ValueError:
            return "Timestamp is no ISO 8601 time such as 2030-01-01T01:00:00Z"
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        seconds = max(0.0, (until - datetime.now(UTC)).total_seconds())
    return seconds if seconds <= LONGEST_SLEEP else "the longest sleep is seven days"


def duration_seconds(text: str) -> float | None:
    """Return the seconds of an ISO 8601 duration such as ``PT10M``, ``None`` when it is not one."""
    match = _DURATION.fullmatch(text.strip())
    parts = {unit: value for unit, value in match.groupdict().items() if value} if match else {}
    return sum(float(value) * _SECONDS[unit] for unit, value in parts.items()) if parts else None
