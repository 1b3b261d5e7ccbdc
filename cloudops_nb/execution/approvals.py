"""Consent: who may approve what by which channel, and that each approval serves once.

An approval names a plan's hash. The hash is computed anew from the plan at hand each time, and the plan must equal the
one the journal recorded when it was made, in every field, shown or acting. What a person approved is thus what runs.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import AlreadyRecordedError, ApprovalRefusedError, ApprovalRequired
from cloudops_nb.execution.channels import recorded_channel, require_channel
from cloudops_nb.execution.clock_check import accept_clock, require_true_clock
from cloudops_nb.execution.journal_kinds import APPROVAL, CONSUMED, PLAN, REJECTION
from cloudops_nb.execution.plan import PLAN_FORMAT, Approval, Channel, Plan, canonical_json, intent_hash, plan_hash
from cloudops_nb.execution.serialisation import approval_from_dict, approval_to_dict, plan_to_dict

if TYPE_CHECKING:
    from cloudops_nb.execution.channels import PersonChannel
    from cloudops_nb.execution.ports import Clock, JournalPort
    from cloudops_nb.model import JournalRecord


class Approvals:
    """Records decisions on plans; safe from several threads and processes as far as the journal is."""

    def __init__(self, journal: JournalPort, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def approve(
        self, plan: Plan, *, channel: PersonChannel | str, by: str, reason: str, phrase: str | None
    ) -> Approval:
        """Record a person's consent.

        Raises:
            ApprovalRefusedError: The plan is edited, decided, expired or run already; the channel is too weak; the
                reason, the name or the typed phrase is missing or wrong.
        """
        decided_through = recorded_channel(channel)
        self.require_recorded(plan)
        self.require_open(plan)
        require_channel(plan, decided_through)
        _require_words(by=by, reason=reason)
        if plan.phrase and phrase != plan.phrase:
            raise ApprovalRefusedError(
                "the typed phrase is not the plan's", "a destructive plan needs it exactly", f"Type: {plan.phrase}"
            )
        approval = Approval(
            id=str(uuid.uuid4()),
            plan_id=plan.id,
            plan_hash=plan.hash,
            channel=decided_through,
            by=by.strip(),
            reason=reason.strip(),
            at=self._clock(),
            expires=plan.expires,
        )
        self._journal.append(APPROVAL, plan.id, approval_to_dict(approval), power_safe=True)
        return approval

    def reject(self, plan: Plan, *, channel: PersonChannel | str, by: str, reason: str) -> None:
        """Record that a person said no; nothing can undo it but a new plan.

        Raises:
            ApprovalRefusedError: The plan is edited or was run already; the name is missing. No reason is asked for:
                saying no must never be harder than saying yes. The channel is not accepted.
        """
        decided_through = recorded_channel(channel)
        self.require_recorded(plan)
        self._require_unused(plan)
        _require_words(by=by)
        body = {"channel": decided_through.value, "by": by.strip(), "reason": reason.strip(), "plan_hash": plan.hash}
        self._journal.append(REJECTION, plan.id, body, power_safe=True)

    def accept_clock(self, *, channel: PersonChannel | str, by: str, reason: str) -> JournalRecord:
        """Record that a person at a terminal takes the present clock for right, after it was set back.

        Raises:
            ApprovalRefusedError: The channel is not the terminal, or the name or the reason is missing.
            JournalError: The journal was modified from outside.
        """
        if recorded_channel(channel) is not Channel.TERMINAL:
            raise ApprovalRefusedError(
                "the clock is not accepted", "only a person at a terminal accepts it", "Run cloudops-nb accept-clock."
            )
        _require_words(by=by, reason=reason)
        self._journal.verify()
        return accept_clock(self._journal, self._clock(), by=by.strip(), reason=reason.strip())

    def supersede(self, plan_id: str, by: Plan) -> None:
        """Record that a newer plan takes the place of an undecided or approved one."""
        body = {"channel": "", "by": "", "reason": "superseded by a new plan", "superseded_by": by.id}
        self._journal.append(REJECTION, plan_id, body, power_safe=True)

    def require_recorded(self, plan: Plan) -> JournalRecord:
        """Return the journal's record of exactly this plan.

        Raises:
            ApprovalRefusedError: The plan is not what its hash says, or not what was recorded.
        """
        if plan.format != PLAN_FORMAT:
            why = "an earlier version of this package made it, and its hash does not cover all that this one runs"
            raise ApprovalRefusedError(f"{plan.title} cannot be run", why, "Ask again for a plan.")
        if plan.intent_hash != intent_hash(plan) or plan.hash != plan_hash(plan):
            raise _edited(plan)
        records = self._journal.records(kind=PLAN, subject=plan.id)
        if len(records) != 1:
            raise ApprovalRefusedError(f"plan {plan.id} is not in the journal", fix="Ask again for a plan.")
        if canonical_json(records[0].body["plan"]) != canonical_json(plan_to_dict(plan)):
            raise _edited(plan)
        return records[0]

    def usable(self, plan: Plan) -> Approval:
        """Return the newest unused approval of the plan.

        Raises:
            ApprovalRequired: It is not approved yet.
            ApprovalRefusedError: It is rejected, superseded, expired or used, or its channel may not approve the plan.
        """
        self.require_open(plan)
        approvals = [
            _approval_from(record)
            for record in self._journal.records(kind=APPROVAL, subject=plan.id)
            if record.body["plan_hash"] == plan.hash
        ]
        for approval in approvals:
            require_channel(plan, approval.channel)
        if not approvals:
            raise ApprovalRequired(
                f"{plan.title} needs an approval",
                f"plan {plan.id} is not approved yet",
                "Approve it on its card, with %cloudops_approve or with cloudops-nb approve, then apply again.",
            )
        return approvals[-1]

    def consume(self, plan: Plan, approval: Approval, execution_id: str) -> None:
        """Use the approval up, atomically and power-safe.

        Raises:
            ApprovalRefusedError: Somebody used it in the meantime, or it is no longer usable.
        """
        self.require_open(plan)
        body = {"approval_id": approval.id, "plan_hash": plan.hash, "execution_id": execution_id}
        try:
            # Keyed by the plan: a second approval of it must not let it run a second time.
            self._journal.append(CONSUMED, plan.id, body, once=f"{CONSUMED}:{plan.hash}", power_safe=True)
        except AlreadyRecordedError:
            raise _used(plan) from None

    def require_open(self, plan: Plan) -> None:
        """Check that a plan can still be approved and run.

        Raises:
            ApprovalRefusedError: The plan was run, rejected or superseded, or has expired; or the clock was set back.
        """
        now = self._clock()
        require_true_clock(self._journal, plan, now)
        self._require_unused(plan)
        for record in self._journal.records(kind=REJECTION, subject=plan.id):
            if record.body.get("superseded_by"):
                raise ApprovalRefusedError(f"{plan.title} is superseded", "a newer plan took its place")
            raise ApprovalRefusedError(f"{plan.title} was rejected", record.body["reason"], "Ask again for a plan.")
        if now >= plan.expires:
            raise ApprovalRefusedError(
                f"{plan.title} expired", f"it was valid until {plan.expires:%H:%M} UTC", "Ask again for a plan."
            )

    def _require_unused(self, plan: Plan) -> None:
        if self._journal.records(kind=CONSUMED, subject=plan.id):
            raise _used(plan)


def _approval_from(record: JournalRecord) -> Approval:
    try:
        return approval_from_dict(record.body)
    except ValueError:
        raise ApprovalRefusedError(
            f"the approval of plan {record.subject} cannot be read", "its channel is not known", "Ask again for a plan."
        ) from None


def _used(plan: Plan) -> ApprovalRefusedError:
    return ApprovalRefusedError(
        f"the approval of {plan.title} is used", "an approval serves once", "Ask again for a plan."
    )


def _edited(plan: Plan) -> ApprovalRefusedError:
    return ApprovalRefusedError(
        f"plan {plan.id} was edited", "it is not what the journal recorded", "Ask again for a plan."
    )


def _require_words(**words: Any) -> None:
    for name, text in words.items():
        if not str(text or "").strip():
            raise ApprovalRefusedError(f"{name} is missing", "the journal keeps who decided and why", f"Give {name}.")
