"""A person's decision on a plan: the name that is recorded, the status on the card, and the decision by typing."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudops_nb.errors import ApprovalRequired
from cloudops_nb.execution.channels import PersonChannel
from cloudops_nb.execution.plan import Channel, PlanStatus
from cloudops_nb.presentation.escape import visible
from cloudops_nb.presentation.section import CardStatus, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from cloudops_nb.client.cloudops import CloudOps
    from cloudops_nb.execution.plan import Approval, Plan
    from cloudops_nb.notebook.output import Screen

REJECT = "reject"
APPROVE = "approve"
#: Jupyter front ends send these names if they do not know the user.
_NO_NAME = frozenset({"", "username"})
_TERMINAL = PersonChannel(Channel.TERMINAL)


@dataclass(frozen=True, slots=True)
class CardServices:
    """What a decision needs from the notebook.

    Attributes:
        screen: Shows the card and asks questions.
        cloudops: Records the decision.
        approver: Returns the name of the person who decides.
        clock: Returns the current time in UTC.
    """

    screen: Screen
    cloudops: CloudOps
    approver: Callable[[], str]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def kernel_user() -> str:
    """Return the name of the operating-system user that runs the notebook kernel."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user id may have no passwd entry
        return f"uid {os.getuid()}"


def approver(shell: InteractiveShell) -> str:
    """Return the name to record for a decision: the kernel's user, and a different name if the front end claims one."""
    user = kernel_user()
    claimed = _front_end_user(shell)
    return user if claimed in _NO_NAME or claimed == user else f"{user} (the front end says {claimed})"


def _front_end_user(shell: InteractiveShell) -> str:
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return ""
    header = kernel.get_parent().get("header", {})
    return str(header.get("username", ""))


def decision_status(
    plan: Plan, approval: Approval | None, *, by: str, reason: str, channel: Channel, at: datetime
) -> CardStatus:
    """Return the status of a decided plan; ``None`` as the approval means that the plan was rejected."""
    if approval is None:
        return CardStatus(PlanStatus.REJECTED, by=by, channel=channel, reason=reason, at=at)
    detail = f"Valid for one run until {utc_text(approval.expires)}: %cloudops_apply {plan.id}"
    return CardStatus(
        PlanStatus.APPROVED,
        by=approval.by,
        channel=str(approval.channel),
        reason=approval.reason,
        at=approval.at,
        detail=detail,
    )


def decide_by_typing(plan: Plan, services: CardServices) -> CardStatus:
    """Ask for the phrase (``approve`` if the plan has no phrase) and a reason, and record the decision.

    The phrase approves, ``reject`` rejects, and any other text leaves the plan undecided.

    Raises:
        ApprovalRequired: The shell takes no input, or the text is neither the phrase nor ``reject``.
        ApprovalRefusedError: The decision is not accepted, for example because the plan has expired or an approval has
            no reason.
    """
    phrase = plan.phrase or APPROVE
    typed = services.screen.question(f"Type “{visible(phrase)}” to approve, “{REJECT}” to reject: ")
    if typed is None:
        raise ApprovalRequired(
            f"plan {plan.id} is not approved",
            "this kernel takes no input",
            f"Decide in a terminal: cloudops-nb approve {plan.id} --reason '…'",
        )
    if typed.strip() not in (phrase, REJECT):
        raise ApprovalRequired(
            f"plan {plan.id} is still undecided", "the typed text does not match", "Run %cloudops_approve again."
        )
    approve = typed.strip() == phrase
    reason = (services.screen.question("Reason, for the journal: ") or "").strip()
    by = services.approver()
    approval = services.cloudops.decide(
        plan,
        approve=approve,
        channel=_TERMINAL,
        by=by,
        reason=reason,
        phrase=plan.phrase if approve and plan.phrase else None,
    )
    return decision_status(plan, approval, by=by, reason=reason, channel=Channel.TERMINAL, at=services.clock())
