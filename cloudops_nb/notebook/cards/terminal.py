"""Decide on a plan by typing: in a terminal, or in a front end's input line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import ApprovalRequired
from cloudops_nb.execution.plan import Channel
from cloudops_nb.notebook.cards.card import decided
from cloudops_nb.presentation.escape import visible

if TYPE_CHECKING:
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.notebook.cards.card import CardServices
    from cloudops_nb.presentation.section import CardStatus

REJECT = "reject"
APPROVE = "approve"


def decide_by_typing(plan: Plan, services: CardServices) -> CardStatus:
    """Ask for the phrase (``approve`` where the plan asks for none) and a reason, record the decision and return it.

    Anything but the phrase or ``reject`` leaves the plan undecided.

    Raises:
        ApprovalRequired: Nobody can answer here, or what was typed is neither.
        ApprovalRefusedError: The plan cannot be approved any more.
    """
    phrase = plan.phrase or APPROVE
    typed = services.screen.question(f"Type “{visible(phrase)}” to approve, “{REJECT}” to reject: ")
    if typed is None:
        raise ApprovalRequired(
            f"plan {plan.id} is not approved",
            "nobody can answer here",
            f"In a terminal, decide with: cloudops-nb approve {plan.id}",
        )
    if typed.strip() not in (phrase, REJECT):
        raise ApprovalRequired(
            f"plan {plan.id} is still undecided", "what was typed does not match", "Run %cloudops_approve again."
        )
    approve = typed.strip() == phrase
    reason = (services.screen.question("Reason, for the journal: ") or "").strip()
    by = services.approver()
    approval = services.cloudops.decide(
        plan,
        approve=approve,
        channel=Channel.TERMINAL,
        by=by,
        reason=reason,
        phrase=plan.phrase if approve and plan.phrase else None,
    )
    return decided(plan, approval, by=by, reason=reason, channel=Channel.TERMINAL, at=services.clock())
