"""What a killed process must leave, compared with what the next one sees and with what AWS was asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.journal_kinds import CONSUMED, EXECUTION_ENDED, STEP_INTENT, STEP_RESULT
from tests.plan_crash.points import CALLED, CALLING, SEALED, WRITING, WRITTEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.plan_crash.points import Moment
    from tests.plan_crash.scenarios import Place
    from tests.plan_crash.worker import Seen

#: Exactly what history and steps say of a process that died.
ENDED, UNRECORDED = "its process ended", "the answer was not recorded"
_UNKNOWN = "outcome_unknown"


@dataclass
class Told:
    """What killed processes said of one plan: the records that are written for sure, and those that may be."""

    sure: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    open: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    begun: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)

    def take(self, moments: Sequence[Moment], *, exact: bool) -> None:
        """Take what one process said; ``exact`` if it died at its last moment, not some time after it."""
        for number, moment in enumerate(moments):
            record = moment.kind, moment.body
            died_here = exact and number == len(moments) - 1
            if moment.phase == WRITING and not died_here:
                self.open.append(record)
            elif moment.phase == WRITTEN or (moment.phase == SEALED and record in self.open):
                self.open.remove(record)
                self.sure.append(record)
            elif moment.kind and moment.phase == CALLING and not died_here:
                self.begun[moment.what] += 1
            elif moment.kind and moment.phase == CALLED:
                self.answered[moment.what] += 1

    def written(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return the bodies of the records of a kind that are written for sure."""
        return [body for found, body in self.sure if found == kind]

    def possible(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return the bodies of the records of a kind that may be written."""
        return [body for found, body in self.open if found == kind]


def faults(before: Told, told: Told, seen: Seen, changes: Mapping[Place, str], received: Counter[str]) -> list[str]:
    """Return what is wrong after a kill.

    Args:
        before: What the killed processes said.
        told: The same, and what the recovery of the next process said.
        seen: What the next process saw.
        changes: The ledger's key of each change of the plan, by unit and path.
        received: The changing calls that AWS received.
    """
    problems = list(seen.problems)
    if not told.written(CONSUMED) and (not told.possible(CONSUMED) or not seen.execution_id):
        return [*problems, *_not_begun(seen, received)]
    problems += _state(told, seen)
    problems += _recovery(before, told, seen)
    problems += _steps(before, seen)
    problems += _on_aws(told, seen, changes, received)
    if "is used" not in seen.refusal:
        problems.append(f"the approval is not used up: {seen.refusal or 'a second apply ran'}")
    return problems


def _not_begun(seen: Seen, received: Counter[str]) -> list[str]:
    found = seen.status, seen.execution_id, len(seen.steps), len(seen.recovered), received.total()
    return [] if found == ("approved", "", 0, 0, 0) else [f"the plan was not begun, but {found}"]


def _state(told: Told, seen: Seen) -> list[str]:
    """The history shows the recorded end: the run's own, or the one that a recovery recorded."""
    found = seen.status, seen.detail
    ends = told.written(EXECUTION_ENDED) or told.possible(EXECUTION_ENDED)
    recorded = [(body["status"], body["reason"]) for body in ends]
    return [] if recorded == [found] else [f"the history says {found}, and recorded is {recorded}"]


def _recovery(before: Told, told: Told, seen: Seen) -> list[str]:
    """The recovery closes the run if its end was not recorded before, and names and records its unknown calls."""
    unknown = Counter(
        " on ".join(filter(None, (path, unit))) for unit, path, status, _ in seen.steps if status == _UNKNOWN
    )
    recovered = [(execution_id, Counter(names)) for execution_id, names in seen.recovered]
    closed = [(seen.execution_id, unknown)]
    allowed = [[]] if before.written(EXECUTION_ENDED) else [closed]
    if before.possible(EXECUTION_ENDED):
        allowed = [[], closed]
    problems = [] if recovered in allowed else [f"the recovery closed {recovered}, not one of {allowed}"]
    if recovered and (seen.status, seen.detail) != ("failed", ENDED):
        problems.append(f"a dead run is shown as {seen.status}: {seen.detail}")
    if recovered and unknown.total() != sum(body["status"] == _UNKNOWN for body in told.written(STEP_RESULT)):
        problems.append(f"the recovery did not record each of {unknown}")
    return problems


def _steps(before: Told, seen: Seen) -> list[str]:
    """Each recorded result is shown, each call whose answer was not recorded is unknown, and nothing else."""
    shown = Counter(seen.steps)
    sure, maybe = ([_row(body) for body in bodies] for bodies in _bodies(before, STEP_RESULT))
    problems = [f"{row} is recorded and not shown" for row in (Counter(sure) - shown)]
    rest = shown - Counter(sure)
    intended, may_be_intended = ({_place(body) for body in bodies} for bodies in _bodies(before, STEP_INTENT))
    answered = {row[:2] for row in sure} | {row[:2] for row in rest if row in maybe}
    problems += [
        f"{place} has no recorded answer and is not shown as unknown once"
        for place in intended - answered
        if rest[*place, _UNKNOWN, UNRECORDED] != 1
    ]
    for row, count in rest.items():
        unknown = row[2:] == (_UNKNOWN, UNRECORDED) and row[:2] in intended | may_be_intended
        if count > 1 or not (row in maybe or unknown):
            problems.append(f"{row} is shown {count} times, and was not recorded")
    return problems


def _on_aws(told: Told, seen: Seen, changes: Mapping[Place, str], received: Counter[str]) -> list[str]:
    """AWS was asked for each change at most once: for those with a result once, for those without a row never."""
    problems = [f"AWS received {key} {count} times" for key, count in received.items() if count > 1]
    problems += [f"AWS received {key}, which no step makes" for key in received.keys() - set(changes.values())]
    statuses = {(unit, path): status for unit, path, status, _ in seen.steps}
    for place, key in changes.items():
        status, count = statuses.get(place), received[key]
        if status is None and count:
            problems.append(f"AWS received {key}, and {place} is not shown")
        if status not in (None, _UNKNOWN, "cancelled") and count != 1:
            problems.append(f"{place} is {status}, and AWS received {key} {count} times")
    made = received.total()
    if not told.answered.total() <= made <= told.begun.total():
        problems.append(f"AWS received {made} changes, of {told.begun.total()} begun, {told.answered.total()} answered")
    return problems


def _bodies(told: Told, kind: str) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    return told.written(kind), told.possible(kind)


def _place(body: Mapping[str, Any]) -> Place:
    return body["target"], body["step"]


def _row(body: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return *_place(body), body["status"], body["message"]
