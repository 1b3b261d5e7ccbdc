"""Consent: who may approve what by which channel, and that each approval serves once.

An approval names a plan's hash. The hash is computed anew from the plan at hand each time, and the plan must equal the
one the journal recorded when it was made, in every field, shown or acting. What a person approved is thus what runs.

The channel is what the caller says it is: this guards against accident and against an automated caller that follows the
rules, not against hostile code in the same kernel.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import AlreadyRecordedError, ApprovalRefusedError, ApprovalRequired
from cloudops_nb.execution.journal_kinds import APPROVAL, CONSUMED, PLAN, REJECTION
from cloudops_nb.execution.plan import (
    Approval,
    Channel,
    Effect,
    Plan,
    canonical_json,
    intent_hash,
    plan_hash,
)
from cloudops_nb.execution.serialisation import approval_from_dict, approval_to_dict, plan_to_dict

if TYPE_CHECKING:
    from cloudops_nb.execution.ports import Clock, JournalPort
    from cloudops_nb.model import JournalRecord


class Approvals:
    """Records decisions on plans; safe from several threads and processes as far as the journal is."""

    def __init__(self, journal: JournalPort, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def approve(self, plan: Plan, *, channel: Channel, by: str, reason: str, phrase: str | None) -> Approval:
        """Record a person's consent.

        Raises:
            ApprovalRefusedError: The plan is edited, decided, expired or run already; the channel is too weak; the
                reason, the name or the typed phrase is missing or wrong.
        """
        self.require_recorded(plan)
        self.require_open(plan)
        _require_channel(plan, channel)
        _require_words(by=by, reason=reason)
        if plan.phrase and phrase != plan.phrase:
            raise ApprovalRefusedError(
                "the typed phrase is not the plan's", "a destructive plan needs it exactly", f"Type: {plan.phrase}"
            )
        approval = Approval(
            id=str(uuid.uuid4()),
            plan_id=plan.id,
            plan_hash=plan.hash,
            channel=channel,
            by=by.strip(),
            reason=reason.strip(),
            at=self._clock(),
            expires=plan.expires,
        )
        self._journal.append(APPROVAL, plan.id, approval_to_dict(approval), power_safe=True)
        return approval

    def reject(self, plan: Plan, *, channel: Channel, by: str, reason: str) -> None:
        """Record that a person said no; nothing can undo it but a new plan.

        Raises:
            ApprovalRefusedError: The plan is edited or was run already; the name is missing. No reason is asked for:
                saying no must never be harder than saying yes.
        """
        self.require_recorded(plan)
        self._require_unused(plan)
        _require_words(by=by)
        body = {"channel": channel.value, "by": by.strip(), "reason": reason.strip(), "plan_hash": plan.hash}
        self._journal.append(REJECTION, plan.id, body, power_safe=True)

    def supersede(self, plan_id: str, by: Plan) -> None:
        """Record that a newer plan takes the place of an undecided or approved one."""
        body = {"channel": "", "by": "", "reason": "superseded by a new plan", "superseded_by": by.id}
        self._journal.append(REJECTION, plan_id, body, power_safe=True)

    def require_recorded(self, plan: Plan) -> JournalRecord:
        """Return the journal's record of exactly this plan.

        Raises:
            ApprovalRefusedError: The plan is not what its hash says, or not what was recorded.
        """
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
            ApprovalRequired: Nobody approved it yet.
            ApprovalRefusedError: It is rejected, superseded, expired or used.
        """
        self.require_open(plan)
        approvals = [
            approval_from_dict(record.body)
            for record in self._journal.records(kind=APPROVAL, subject=plan.id)
            if record.body["plan_hash"] == plan.hash
        ]
        if not approvals:
            raise ApprovalRequired(
                f"{plan.title} needs an approval",
                f"nobody has approved plan {plan.hash[:12]}",
                "Approve it on its card or with %cloudops_approve, then apply again.",
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
        """Raise :class:`ApprovalRefusedError` when the plan was run, rejected or superseded, or has expired."""
        self._require_unused(plan)
        for record in self._journal.records(kind=REJECTION, subject=plan.id):
            if record.body.get("superseded_by"):
                raise ApprovalRefusedError(f"{plan.title} is superseded", "a newer plan took its place")
            raise ApprovalRefusedError(f"{plan.title} was rejected", record.body["reason"], "Ask again for a plan.")
        if self._clock() >= plan.expires:
            raise ApprovalRefusedError(
                f"{plan.title} expired", f"it was valid until {plan.expires:%H:%M} UTC", "Ask again for a plan."
            )

    def _require_unused(self, plan: Plan) -> None:
        if self._journal.records(kind=CONSUMED, subject=plan.id):
            raise _used(plan)


def _used(plan: Plan) -> ApprovalRefusedError:
    return ApprovalRefusedError(
        f"the approval of {plan.title} is used", "an approval serves once", "Ask again for a plan."
    )


def _edited(plan: Plan) -> ApprovalRefusedError:
    return ApprovalRefusedError(
        f"plan {plan.id} was edited", "it is not what the journal recorded", "Ask again for a plan."
    )


def _require_channel(plan: Plan, channel: Channel) -> None:
    """Let only a person decide on production and on what destroys; nothing here can verify a signature."""
    if channel is Channel.SIGNATURE:
        raise ApprovalRefusedError("signatures cannot be verified yet", fix="Approve on the card or in a terminal.")
    if channel is not Channel.API:
        return
    why = "production" if plan.production else "destructive" if plan.effect is Effect.DESTRUCTIVE else ""
    if why:
        raise ApprovalRefusedError(
            "an approval from code is not enough",
            f"the plan is {why}" if why == "destructive" else "the plan acts on production",
            "Approve it on its card (channel card) or in a terminal (channel terminal).",
        )


def _require_words(**words: Any) -> None:
    for name, text in words.items():
        if not str(text or "").strip():
            raise ApprovalRefusedError(f"{name} is missing", "the journal keeps who decided and why", f"Give {name}.")
