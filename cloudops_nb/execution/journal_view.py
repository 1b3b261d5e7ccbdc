"""What the journal says about plans and executions, put together; right at any moment, also after a killed process."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.journal_kinds import (
    APPROVAL,
    CONSUMED,
    EXECUTION_ENDED,
    EXECUTION_STARTED,
    KINDS,
    PLAN,
    REJECTION,
    STEP_INTENT,
    STEP_RESULT,
)
from cloudops_nb.execution.plan import PlanStatus, StepStatus
from cloudops_nb.execution.serialisation import plan_from_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.execution.ports import JournalPort
    from cloudops_nb.model import JournalRecord

PROCESS_ENDED = "its process ended"
ANSWER_UNRECORDED = "the answer was not recorded"

_ROLLED_BACK = {
    PlanStatus.RUNNING: PlanStatus.ROLLING_BACK,
    PlanStatus.COMPLETED: PlanStatus.ROLLED_BACK,
}


@dataclass(frozen=True, slots=True)
class Run:
    """One execution as recorded; ``alive`` says that its process holds its lock."""

    id: str
    records: Sequence[JournalRecord]
    alive: bool

    def last(self, kind: str) -> JournalRecord | None:
        """Return the newest record of a kind."""
        return next((record for record in reversed(self.records) if record.kind == kind), None)

    @property
    def status(self) -> PlanStatus:
        """How it ended, else whether it runs; one that neither ended nor lives has failed."""
        ended = self.last(EXECUTION_ENDED)
        if ended:
            return PlanStatus(ended.body["status"])
        return PlanStatus.RUNNING if self.alive else PlanStatus.FAILED

    @property
    def reason(self) -> str:
        """Why it ended as it did, empty when all is well."""
        ended = self.last(EXECUTION_ENDED)
        if ended:
            return str(ended.body["reason"])
        return "" if self.alive else PROCESS_ENDED

    @property
    def changed_targets(self) -> frozenset[str]:
        """The ARNs on which a changing call was made, or may have been; how the run went on doesn't matter."""
        begun = {(record.body["target"], record.body["step"]) for record in self.records if record.kind == STEP_INTENT}
        done = {
            record.body["target"]
            for record in self.records
            if record.kind == STEP_RESULT
            and record.body["status"] in (StepStatus.COMPLETED, StepStatus.OUTCOME_UNKNOWN)
            and (record.body["target"], record.body["step"]) in begun
        }
        return frozenset(done | {call["target"] for call in self.unanswered})

    @property
    def unanswered(self) -> Sequence[Mapping[str, Any]]:
        """The changing calls that were begun and whose result nobody recorded."""
        open_calls: dict[tuple[str, str], Mapping[str, Any]] = {}
        for record in self.records:
            if record.kind == STEP_INTENT:
                open_calls[record.body["target"], record.body["step"]] = record.body
            elif record.kind == STEP_RESULT:
                open_calls.pop((record.body["target"], record.body["step"]), None)
        return tuple(open_calls.values())

    def steps(self) -> list[dict[str, Any]]:
        """Return one row for each step that ran or was under way."""
        rows = [
            {
                "target": record.body["target"],
                "step": record.body["step"],
                "status": record.body["status"],
                "message": record.body["message"],
                "at": record.at,
            }
            for record in self.records
            if record.kind == STEP_RESULT
        ]
        status = StepStatus.RUNNING if self.alive else StepStatus.OUTCOME_UNKNOWN
        note = "" if self.alive else ANSWER_UNRECORDED
        rows += [
            {"target": call["target"], "step": call["step"], "status": status.value, "message": note, "at": None}
            for call in self.unanswered
        ]
        return rows


@dataclass(frozen=True, slots=True)
class PlanView:
    """One plan as recorded, with the decisions on it and its run."""

    plan: Plan
    record: JournalRecord
    approval: JournalRecord | None
    rejection: JournalRecord | None
    run: Run | None


class JournalView:
    """Reads the journal once and answers from that reading; of a run that has no end in it, a second time."""

    def __init__(self, journal: JournalPort, alive: Callable[[str], bool]) -> None:
        self._journal = journal
        self._alive = alive
        self._by_subject: dict[str, list[JournalRecord]] = defaultdict(list)
        self._by_kind: dict[str, list[JournalRecord]] = defaultdict(list)
        for record in journal.records(kind=KINDS):
            self._by_subject[record.subject].append(record)
            self._by_kind[record.kind].append(record)

    def plans(self) -> list[PlanView]:
        """Return every plan, oldest first."""
        return [self._view(record) for record in self._by_kind[PLAN]]

    def view(self, plan_id: str) -> PlanView | None:
        """Return one plan, ``None`` when it was never recorded."""
        found = self._newest(plan_id, PLAN)
        return self._view(found) if found else None

    def run(self, execution_id: str) -> Run:
        """Return one execution; without records when it is unknown."""
        records = self._by_subject[execution_id]
        ended = any(record.kind == EXECUTION_ENDED for record in records)
        alive = not ended and self._alive(execution_id)
        if not ended and not alive:
            # It may have ended after the reading: a run records its end first, and only then frees its lock.
            records = self._by_subject[execution_id] = self._journal.records(kind=KINDS, subject=execution_id)
        return Run(execution_id, tuple(records), alive)

    def plan_of(self, execution_id: str) -> PlanView | None:
        """Return the plan that an execution ran."""
        for record in self._by_kind[CONSUMED]:
            if record.body["execution_id"] == execution_id:
                return self.view(record.subject)
        return None

    def status(self, plan_id: str, now: datetime) -> PlanStatus:
        """Return how a plan stands; ``draft`` for one that was never recorded."""
        view = self.view(plan_id)
        return self.status_of(view, now) if view else PlanStatus.DRAFT

    def status_of(self, view: PlanView, now: datetime) -> PlanStatus:
        """Return how a plan stands, its rollback included."""
        if view.run:
            return self._rolled_back(view.run.id) or view.run.status
        if view.rejection:
            return PlanStatus.REJECTED
        if now >= view.plan.expires:
            return PlanStatus.EXPIRED
        return PlanStatus.APPROVED if view.approval else PlanStatus.AWAITING_APPROVAL

    def _rolled_back(self, execution_id: str) -> PlanStatus | None:
        for record in reversed(self._by_kind[EXECUTION_STARTED]):
            if record.body["rolls_back"] == execution_id:
                return _ROLLED_BACK.get(self.run(record.subject).status, PlanStatus.ROLLBACK_FAILED)
        return None

    def _view(self, record: JournalRecord) -> PlanView:
        consumed = self._newest(record.subject, CONSUMED)
        return PlanView(
            plan=plan_from_dict(record.body["plan"]),
            record=record,
            approval=self._newest(record.subject, APPROVAL),
            rejection=self._newest(record.subject, REJECTION),
            run=self.run(consumed.body["execution_id"]) if consumed else None,
        )

    def _newest(self, subject: str, kind: str) -> JournalRecord | None:
        return next((record for record in reversed(self._by_subject[subject]) if record.kind == kind), None)
