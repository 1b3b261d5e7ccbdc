from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.plan_crash.aws import simulated_aws
from tests.plan_crash.driver import Driver, Share
from tests.plan_crash.points import CALLED, CALLING, SEALED, WRITING, WRITTEN, Moment
from tests.plan_crash.verdict import ENDED, UNRECORDED, Told, faults
from tests.plan_crash.worker import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY = "StopInstances i-1"
CHANGES = {("", "loop/stop#2"): KEY}
STOP = {"step": "loop/stop#2", "target": ""}
UNKNOWN = ("", "loop/stop#2", "outcome_unknown", UNRECORDED)
DONE = ("", "loop/stop#2", "completed", "")
DEAD = Seen("failed", ENDED, "run", [UNKNOWN], [("run", ("loop/stop#2",))], "the approval of it is used")
CALL = Moment(CALLING, "ec2:StopInstances {}", "StopInstances")


def record(kind: str, body: Mapping[str, Any]) -> list[Moment]:
    return [Moment(phase, kind, kind, body) for phase in (WRITING, WRITTEN, SEALED)]


CONSUMED = record("approval_consumed", {"execution_id": "run"})
INTENT = record("step_intent", STOP)
CALLED_TOO = [CALL, replace(CALL, phase=CALLED)]
RESULT = record("step_result", {**STOP, "status": "completed", "message": ""})
UNRECORDED_TOO = record("step_result", {**STOP, "status": "outcome_unknown", "message": UNRECORDED})
END = record("execution_ended", {"status": "failed", "reason": ENDED})


def verdict(moments: list[Moment], seen: Seen, received: int, *, exact: bool = True) -> list[str]:
    before, told = Told(), Told()
    before.take(moments, exact=exact)
    told.take(moments, exact=exact)
    if seen.recovered:
        told.take([*END, *(UNRECORDED_TOO if UNKNOWN in seen.steps else [])], exact=False)
    return faults(before, told, seen, CHANGES, Counter({KEY: received} if received else {}))


def test_plans_that_are_killed_leave_the_truth_and_no_change_made_twice(tmp_path: Path) -> None:
    with simulated_aws() as aws:
        share = Share(every=12, at_random=1, in_recovery=1)
        outcome = Driver(tmp_path, aws, random.Random(3), share).run(plans=3)  # noqa: S311 - repeatable
    assert outcome.faults == []
    assert outcome.plans.total() == 3
    assert outcome.kills.total() > 15
    assert outcome.unknown.total() >= 3


@pytest.mark.fast
@pytest.mark.parametrize(
    ("moments", "seen", "received"),
    [
        (CONSUMED[:1], Seen("approved", "", "", (), (), ""), 0),
        ([*CONSUMED, *INTENT, CALL], DEAD, 0),
        ([*CONSUMED, *INTENT, *CALLED_TOO], DEAD, 1),
        ([*CONSUMED, *INTENT, *CALLED_TOO, *RESULT[:1]], DEAD, 1),
        ([*CONSUMED, *INTENT, *CALLED_TOO, *RESULT], replace(DEAD, steps=[DONE], recovered=[("run", ())]), 1),
        ([*CONSUMED, *END], replace(DEAD, steps=(), recovered=()), 0),
    ],
)
def test_what_a_kill_may_leave_is_no_fault(moments: list[Moment], seen: Seen, received: int) -> None:
    assert verdict(moments, seen, received) == []


@pytest.mark.fast
@pytest.mark.parametrize("seen", [replace(DEAD, steps=[DONE], recovered=[("run", ())]), DEAD])
def test_a_record_that_was_being_written_at_a_random_kill_may_be_there_or_not(seen: Seen) -> None:
    assert verdict([*CONSUMED, *INTENT, *CALLED_TOO, *RESULT[:1]], seen, 1, exact=False) == []


@pytest.mark.fast
@pytest.mark.parametrize(
    ("moments", "seen", "received", "fault"),
    [
        ([], Seen("approved", "", "", (), (), ""), 1, "was not begun"),
        ([*CONSUMED, *INTENT, *CALLED_TOO], DEAD, 2, "2 times"),
        ([*CONSUMED, *INTENT, *CALLED_TOO], DEAD, 0, "0 changes"),
        ([*CONSUMED, *INTENT, CALL], DEAD, 1, "1 changes"),
        ([*CONSUMED, *INTENT, CALL], replace(DEAD, steps=(), recovered=[("run", ())]), 0, "not shown as unknown"),
        ([*CONSUMED, *INTENT, CALL], replace(DEAD, steps=[UNKNOWN] * 2), 0, "shown 2 times"),
        ([*CONSUMED, *INTENT, *CALLED_TOO, *RESULT], DEAD, 1, "recorded and not shown"),
        (CONSUMED, DEAD, 0, "was not recorded"),
        ([*CONSUMED, *INTENT, CALL], replace(DEAD, recovered=()), 0, "history says"),
        ([*CONSUMED, *INTENT, CALL], replace(DEAD, recovered=[("run", ("stop",))]), 0, "recovery closed"),
        ([*CONSUMED, *INTENT, CALL], replace(DEAD, refusal=""), 0, "not used up"),
        ([*CONSUMED, *INTENT, CALL], replace(DEAD, status="completed", detail=""), 0, "history says"),
        ([*CONSUMED, *INTENT, CALL], replace(DEAD, problems=["a lock is not free"]), 0, "a lock"),
    ],
)
def test_what_was_lost_repeated_or_told_wrongly_is_a_fault(
    moments: list[Moment], seen: Seen, received: int, fault: str
) -> None:
    assert fault in "; ".join(verdict(moments, seen, received))
