"""The live card: ipywidgets around the static body. It holds no decision of its own and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets

from cloudops_nb.notebook.card_content import environment_badge
from cloudops_nb.notebook.escape import marked_html
from cloudops_nb.notebook.screen import WIDGET

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.execution.plan import Plan

_NOTICE_LIMIT = 1000


class Decisions(Protocol):
    """Who takes the clicks."""

    plan: Plan

    def approve(self, reason: str, phrase: str) -> None:
        """Take a click on Approve."""

    def reject(self, reason: str, phrase: str = "") -> None:
        """Take a click on Reject."""

    def phrase_fits(self, phrase: str) -> bool:
        """Whether the phrase typed is the one asked for."""


class CardView:
    """The widgets of one card: body, reason, phrase for a destructive plan, Reject and Approve.

    Reject comes first and has the focus, so that a stray Enter or space rejects. Approve is disabled until the phrase
    fits; whether it fits is decided again when the click arrives, so a front end cannot skip it.
    """

    def __init__(self, card: Decisions, body: str) -> None:
        self._card = card
        plan = card.plan
        self._reason = _text("Reason", "Why? It goes into the journal.", "cloudops-reason")
        # Sent in one piece when the field is left: a front end holds back what is typed while the kernel is busy, but
        # not a click, which would then be recorded with the first letter alone.
        self._reason.continuous_update = False
        self._phrase = _text("Phrase", "", "cloudops-phrase")
        self._reject = _button("Reject", "Nothing will run; the rejection is recorded.", "cloudops-reject")
        self._reject._view_count = 0  # noqa: SLF001 - ipywidgets has no other way to learn that a widget was drawn
        self._approve = _button("Approve", f"Allow one run of plan {plan.id}.", "cloudops-approve")
        if plan.phrase:
            self._approve.add_class("cloudops-destroys")
            self._approve.disabled = True
        self._notice = ipywidgets.HTML()
        self._notice.add_class("cloudops-notice")
        buttons = ipywidgets.HBox([self._reject, self._approve])
        question = ipywidgets.HTML(_question_html(plan.phrase))
        fields = [self._reason, *([question, self._phrase] if plan.phrase else [])]
        self._controls = ipywidgets.VBox([*fields, buttons, self._notice])
        self._all = [question, self._reason, self._phrase, buttons, self._reject, self._approve, self._notice]
        self._controls.add_class("cloudops-controls").add_class(f"co-edge-{environment_badge(plan).tone}")
        self._body = ipywidgets.HTML(body)
        self._root = ipywidgets.VBox([self._body, self._controls])
        self._root.add_class("cloudops-card")
        self._reject.on_click(lambda _: card.reject(self._reason.value))
        self._approve.on_click(lambda _: card.approve(self._reason.value, self._phrase.value))
        self._phrase.observe(self._typed, names="value")

    def bundle(self) -> dict[str, Any]:
        """Return the part of a MIME bundle that makes a front end draw the widgets."""
        return {WIDGET: self._root._repr_mimebundle_()[WIDGET]}

    def focus_when_drawn(self, still_wanted: Callable[[], bool]) -> None:
        """Give Reject the focus once the front end has drawn it, unless the person has gone on by then."""

        # A request that comes before the widget was drawn is lost.
        def drawn(_: object) -> None:
            self._reject.unobserve(drawn, names="_view_count")
            self._keep_order()
            if still_wanted():
                self._reject.focus()

        self._reject.observe(drawn, names="_view_count")

    def notice(self, text: str) -> None:
        """Write a failure on the card."""
        self._notice.value = f'<p class="co-notice co-danger" role="alert">{marked_html(text, limit=_NOTICE_LIMIT)}</p>'

    def remove_buttons(self) -> None:
        """Take away everything that can be clicked or typed into."""
        self._controls.children = (self._notice,)

    def record(self, html: str) -> None:
        """Show the record and nothing else, for a page that was reloaded since and cannot replace its output."""
        self._body.value = html
        self._root.children = (self._body,)

    def close(self) -> None:
        """Close every widget, so that none is saved with the notebook."""
        for widget in (*self._all, self._controls, self._body, self._root):
            for owned in (widget.layout, getattr(widget, "style", None)):
                if owned is not None:
                    owned.close()
            widget.close()

    def _typed(self, change: dict[str, Any]) -> None:
        disabled = not self._card.phrase_fits(change["new"])
        if disabled != self._approve.disabled:
            self._approve.disabled = disabled
            self._keep_order()

    def _keep_order(self) -> None:
        """Have the kernel handle what the controls send in one thread, so that no click overtakes the reason.

        ipykernel, from 7.4 on, handles a widget's messages in the shell from which that widget last sent one: each
        control sends an empty message from the shell of this call.
        """
        for control in (self._reason, self._phrase, self._reject, self._approve):
            control.send({})


def _text(label: str, placeholder: str, css_class: str) -> Any:
    field = ipywidgets.Text(description=label, placeholder=placeholder, style={"description_width": "64px"})
    return field.add_class(css_class)


def _button(label: str, tooltip: str, css_class: str) -> Any:
    return ipywidgets.Button(description=label, tooltip=tooltip).add_class(css_class)


def _question_html(phrase: str) -> str:
    return f'<p class="co-notice">To approve, type <code>{marked_html(phrase)}</code></p>'
