"""The approval card: shows one plan, takes one decision on it, and leaves a record where the buttons were."""

from __future__ import annotations

import logging
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from cloudops_nb.errors import ApprovalRefusedError, CloudOpsError
from cloudops_nb.execution.plan import Channel, PlanStatus, plan_hash
from cloudops_nb.notebook.card_content import card_sections
from cloudops_nb.notebook.card_html import card_html, record_html
from cloudops_nb.notebook.card_text import card_markdown, card_text
from cloudops_nb.notebook.person import kernel_user
from cloudops_nb.notebook.screen import HTML, MARKDOWN, PLAIN, Screen
from cloudops_nb.notebook.section import Outcome, Section, utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.execution.plan import Approval, Plan
    from cloudops_nb.notebook.card_view import CardView

_LOGGER = logging.getLogger(__name__)
_REASON_LIMIT = 1000


class Decide(Protocol):
    """Records a decision; ``CloudOps.decide`` does."""

    def __call__(
        self, plan: Plan, *, approve: bool, channel: Channel, by: str, reason: str, phrase: str | None = None
    ) -> Approval | None:
        """Record the decision on exactly the plan that was shown; return the approval, ``None`` for a rejection."""


@dataclass(frozen=True, slots=True)
class CardServices:
    """What a card needs of its surroundings: where to show, who records, who decides, what time it is."""

    screen: Screen
    decide: Decide
    approver: Callable[[], str]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


class Card:
    """One plan on the screen.

    A click arrives in the kernel's main thread, or in another one while a cell runs; two may arrive at once. Each takes
    the card's lock, validates, records and returns within milliseconds: no AWS call, no waiting. One decision is ever
    recorded, on exactly the plan that was shown. A failure is written on the card, which then takes no further
    decision: nothing is approved that was not recorded.
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
        """Whether the card still takes a decision."""
        return not self._spent

    def show(self) -> None:
        """Put the card on the screen: with buttons where somebody can click, else with the command to decide by."""
        services = self._services
        clickable = services.screen.rich and services.screen.attended
        outcome = Outcome(PlanStatus.AWAITING_APPROVAL, detail=self._how_to_decide(clickable=clickable))
        bundle = bundle_of(self._shown, outcome)
        if clickable:
            bundle |= self._with_buttons(outcome)
        if self._view is not None:
            before = services.screen.cells_started
            self._view.focus_when_drawn(lambda: self.open and services.screen.cells_started == before)
        services.screen.publish(bundle, display_id=self._display_id)

    def settle(self, outcome: Outcome) -> None:
        """Close the card for decisions from elsewhere (the terminal, a newer plan) and leave the record."""
        with self._lock:
            if not self._spent:
                self._settle(outcome)

    def tidy(self) -> None:
        """Close the widgets of a decided card; its static record stands in their place.

        Not done by the click itself: a page that was reloaded since the card was shown cannot replace the output, and
        would show nothing at all where the decision was.
        """
        with self._lock:
            view, self._view = (self._view, None) if self._spent else (None, self._view)
        if view is not None:
            view.close()

    def withdraw(self) -> None:
        """Close the card undecided, because what took its decision is going away."""
        self.settle(Outcome("withdrawn", detail=f"Nobody decided. Plan {self.plan.id} can still be decided elsewhere."))

    def approve(self, reason: str, phrase: str) -> None:
        """Take a click on Approve."""
        self._guarded(lambda: self._decide(approve=True, reason=reason, phrase=phrase))

    def reject(self, reason: str, phrase: str = "") -> None:
        """Take a click on Reject."""
        self._guarded(lambda: self._decide(approve=False, reason=reason, phrase=phrase))

    def phrase_fits(self, phrase: str) -> bool:
        """Whether what was typed is exactly the phrase that this plan asks for; without one, anything fits."""
        return not self.plan.phrase or phrase == self.plan.phrase

    def _how_to_decide(self, *, clickable: bool) -> str:
        if clickable:
            return "Nothing runs before somebody approves."
        if self._services.screen.attended:
            return f"Decide with %cloudops_approve {self.plan.id}"
        return f"Nobody can decide here; in a terminal: cloudops-nb approve {self.plan.id}"

    def _with_buttons(self, outcome: Outcome) -> dict[str, Any]:
        from cloudops_nb.notebook.card_view import CardView

        self._view = CardView(self, card_html(self._shown, outcome))
        return self._view.bundle()

    def _guarded(self, handler: Callable[[], None]) -> None:
        """Run a click's handler under the lock. ipywidgets would swallow its exception: here it lands on the card."""
        with self._lock:
            if self._spent:
                return
            try:
                handler()
            except Exception as error:  # noqa: BLE001 - recorded on the card and in the log
                self._spent = True
                _LOGGER.warning("a decision on plan %s failed: %s", self.plan.id, type(error).__name__)
                self._fail(error)

    def _decide(self, *, approve: bool, reason: str, phrase: str) -> None:
        services, plan = self._services, self.plan
        if approve and not self.phrase_fits(phrase):
            if self._view is not None:
                self._view.notice("The phrase does not match; nothing was approved.")
            return
        if services.clock() >= plan.expires:
            self._settle(Outcome(PlanStatus.EXPIRED, detail=f"It expired at {utc(plan.expires)}; ask again."))
            return
        if plan_hash(plan) != plan.hash:
            raise ApprovalRefusedError("the plan is not the one that was shown", "its hash differs", "Ask again.")
        if approve and not reason.strip():
            if self._view is not None:
                self._view.notice("Say why: the journal keeps the reason. Nothing was approved yet.")
            return
        self._spent = True  # from here on even an interrupt leaves a card that takes no second decision
        if self._view is not None:
            self._view.remove_buttons()
        by, reason = services.approver(), reason.strip()[:_REASON_LIMIT]
        approval = services.decide(
            plan,
            approve=approve,
            channel=Channel.CARD,
            by=by,
            reason=reason,
            phrase=phrase if approve and plan.phrase else None,
        )
        self._recorded = True
        self._settle(decided(plan, approval, by=by, reason=reason, channel=Channel.CARD, at=services.clock()))

    def _settle(self, outcome: Outcome) -> None:
        self._spent = True
        record = record_html(self._shown, outcome)
        if self._view is not None:
            self._view.record(record)
        bundle = bundle_of(self._shown, outcome, html=record)
        self._services.screen.publish(bundle, display_id=self._display_id, update=True)

    def _fail(self, error: Exception) -> None:
        if self._recorded:
            word, text = "decided", "The decision was recorded, but the card could not be drawn; see %cloudops_history."
        else:
            told = str(error) if isinstance(error, CloudOpsError) else f"unexpected {type(error).__name__}."
            word, text = "not approved", f"Nothing was approved. {told} Ask again for a new card."
        if self._view is not None:
            self._view.remove_buttons()
            self._view.notice(text)
        self._settle(Outcome(word, detail=text))


def decided(plan: Plan, approval: Approval | None, *, by: str, reason: str, channel: Channel, at: datetime) -> Outcome:
    """Return what a decision made of a plan; no approval means a rejection."""
    if approval is None:
        return Outcome(PlanStatus.REJECTED, by=by, channel=channel, reason=reason, at=at)
    detail = f"Good for one run until {utc(approval.expires)}: %cloudops_apply {plan.id}"
    return Outcome(
        PlanStatus.APPROVED,
        by=approval.by,
        channel=str(approval.channel),
        reason=approval.reason,
        at=approval.at,
        detail=detail,
    )


def bundle_of(sections: list[Section], outcome: Outcome, *, html: str = "") -> dict[str, Any]:
    """Return a card in every static form, for front ends of every kind."""
    return {
        PLAIN: card_text(sections, outcome),
        MARKDOWN: card_markdown(sections, outcome),
        HTML: html or card_html(sections, outcome),
    }
