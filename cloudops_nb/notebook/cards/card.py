"""The approval card: shows one plan, accepts one decision, and then shows the decision in place of the buttons."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import ApprovalRefusedError, CloudOpsError
from cloudops_nb.execution.channels import PersonChannel
from cloudops_nb.execution.plan import Channel, PlanStatus, plan_hash
from cloudops_nb.notebook.cards.decision import decision_status, kernel_user
from cloudops_nb.presentation.as_html import card_html, record_html
from cloudops_nb.presentation.mime_types import card_bundle
from cloudops_nb.presentation.plan_card import card_sections
from cloudops_nb.presentation.section import CardStatus, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.notebook.cards.card_view import CardView
    from cloudops_nb.notebook.cards.decision import CardServices

_LOGGER = logging.getLogger(__name__)
_REASON_LIMIT = 1000
_CARD = PersonChannel(Channel.CARD)


class Card:
    """One plan on the screen.

    A click arrives in the main thread of the notebook kernel, or in another thread while a notebook cell runs; two
    clicks may arrive at the same time. Each click takes the card's lock, validates the decision and records it in the
    journal, without an AWS call. At most one decision is recorded, on exactly the plan that was shown. If recording
    fails, the card shows the failure and accepts no further decision, so that no plan is approved without an entry.

    After the decision, the card shows a *record*: static HTML with the plan and the decision, and without widgets.

    Args:
        plan: The plan.
        services: What the card needs from the notebook.
        bytes_sent: The size of the request that left the host for the plan; ``None`` if unknown.
    """

    def __init__(self, plan: Plan, services: CardServices, *, bytes_sent: int | None = None) -> None:
        self.plan = plan
        self._services = services
        self._shown = card_sections(plan, kernel_user=kernel_user(), now=services.clock(), bytes_sent=bytes_sent)
        self._lock = threading.Lock()
        self._spent = False
        self._recorded = False
        self._view: CardView | None = None
        self._display_id = f"cloudops-card-{uuid.uuid4()}"

    @property
    def open(self) -> bool:
        """Whether the card still accepts a decision."""
        return not self._spent

    def show(self) -> None:
        """Show the card: with buttons if a person can click, else with the command that decides."""
        services = self._services
        clickable = services.screen.rich and services.screen.attended
        status = CardStatus(PlanStatus.AWAITING_APPROVAL, detail=self._how_to_decide(clickable=clickable))
        bundle = card_bundle(self._shown, status)
        if clickable:
            bundle |= self._with_buttons(status)
        if self._view is not None:
            self._view.keep_order_once_drawn()
        services.screen.publish(bundle, display_id=self._display_id)

    def settle(self, status: CardStatus) -> None:
        """Show a decision that was made elsewhere (in a terminal, or by a newer plan); accept no further decision.

        A card that is already decided does not change.
        """
        with self._lock:
            if not self._spent:
                self._settle(status)

    def close_widgets(self) -> None:
        """Close the widgets of a decided card, whose output is now the record.

        A click does not close the widgets at once. If the page was reloaded after the card was shown, JupyterLab cannot
        replace the card's output. Such a page shows the record in the widgets, and would show nothing without them.
        """
        with self._lock:
            view, self._view = (self._view, None) if self._spent else (None, self._view)
        if view is not None:
            view.close()

    def withdraw(self) -> None:
        """Mark an undecided card as withdrawn, because the notebook closes the store."""
        self.settle(CardStatus("withdrawn", detail=f"Undecided. Plan {self.plan.id} can still be decided elsewhere."))

    def approve(self, reason: str, phrase: str) -> None:
        """Handle a click on Approve."""
        self._guarded(lambda: self._decide(approve=True, reason=reason, phrase=phrase))

    def reject(self, reason: str) -> None:
        """Handle a click on Reject."""
        self._guarded(lambda: self._decide(approve=False, reason=reason, phrase=""))

    def phrase_fits(self, phrase: str) -> bool:
        """Return whether the text is the phrase that approves the plan; true for any text if the plan has no phrase."""
        return not self.plan.phrase or phrase == self.plan.phrase

    def _how_to_decide(self, *, clickable: bool) -> str:
        if clickable:
            return "The plan runs only after it is approved."
        if self._services.screen.attended:
            return f"Decide with %cloudops_approve {self.plan.id}"
        return f"This kernel takes no input. Decide in a terminal: cloudops-nb approve {self.plan.id} --reason '…'"

    def _with_buttons(self, status: CardStatus) -> dict[str, Any]:
        from cloudops_nb.notebook.cards.card_view import CardView

        self._view = CardView(
            self.plan,
            card_html(self._shown, status),
            approve=self.approve,
            reject=self.reject,
            phrase_fits=self.phrase_fits,
        )
        return self._view.bundle()

    def _guarded(self, handler: Callable[[], None]) -> None:
        """Run a click's handler under the lock; show an exception on the card, because ipywidgets would hide it."""
        with self._lock:
            if self._spent:
                return
            try:
                handler()
            except Exception as error:  # noqa: BLE001 - shown on the card, and logged
                self._spent = True
                # Only the type is logged, because the text of another library's exception may contain a secret.
                _LOGGER.warning("a decision on plan %s failed: %s", self.plan.id, type(error).__name__)
                self._fail(error)

    def _decide(self, *, approve: bool, reason: str, phrase: str) -> None:
        services, plan = self._services, self.plan
        if approve and not self.phrase_fits(phrase):
            if self._view is not None:
                self._view.show_notice("The phrase does not match; nothing was approved.")
            return
        if services.clock() >= plan.expires:
            self._settle(
                CardStatus(PlanStatus.EXPIRED, detail=f"The plan expired at {utc_text(plan.expires)}; ask again.")
            )
            return
        # The hash is recomputed from the plan in this kernel, because nothing that a front end sends is trusted.
        if plan_hash(plan) != plan.hash:
            raise ApprovalRefusedError("the plan is not the one that was shown", "its hash has changed", "Ask again.")
        if approve and not reason.strip():
            if self._view is not None:
                self._view.show_notice("Give a reason: the journal keeps it. Nothing was approved yet.")
            return
        self._spent = True  # set before recording, so that an interrupted card accepts no second decision
        if self._view is not None:
            self._view.remove_buttons()
        by, reason = services.approver(), reason.strip()[:_REASON_LIMIT]
        approval = services.cloudops.decide(
            plan,
            approve=approve,
            channel=_CARD,
            by=by,
            reason=reason,
            phrase=phrase if approve and plan.phrase else None,
        )
        self._recorded = True
        self._settle(decision_status(plan, approval, by=by, reason=reason, channel=Channel.CARD, at=services.clock()))

    def _settle(self, status: CardStatus) -> None:
        self._spent = True
        record = record_html(self._shown, status)
        if self._view is not None:
            self._view.show_record(record)
        bundle = card_bundle(self._shown, status, html=record)
        self._services.screen.publish(bundle, display_id=self._display_id, update=True)

    def _fail(self, error: Exception) -> None:
        if self._recorded:
            word, text = "decided", "The decision was recorded, but the card could not be drawn; see %cloudops_history."
        else:
            cause = str(error) if isinstance(error, CloudOpsError) else f"unexpected {type(error).__name__}."
            word, text = "not approved", f"Nothing was approved. {cause} Ask again for a new card."
        if self._view is not None:
            self._view.remove_buttons()
            self._view.show_notice(text)
        self._settle(CardStatus(word, detail=text))
