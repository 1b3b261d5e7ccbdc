"""The widgets of an approval card: static HTML, input fields and buttons. They contain no secret and decide nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from cloudops_nb.presentation.escape import marked_html
from cloudops_nb.presentation.mime_types import WIDGET
from cloudops_nb.presentation.plan_card import environment_badge

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.execution.plan import Plan

_NOTICE_LIMIT = 1000


class CardView:
    """The widgets of one card: the body, the reason, the phrase (only for a destructive plan), Reject and Approve.

    The card never takes the focus: a person who types on in the next cell must not press a button with the next space.
    Reject comes before Approve. If the plan has a phrase, Approve is disabled until the typed text matches. The card
    checks the phrase again when the click arrives, so that a front end cannot skip the check.

    Args:
        plan: The plan on the card.
        body: The card as static HTML.
        approve: Called with the reason and the phrase when Approve is clicked.
        reject: Called with the reason when Reject is clicked.
        phrase_fits: Returns whether the typed text is the phrase of the plan.
    """

    def __init__(
        self,
        plan: Plan,
        body: str,
        *,
        approve: Callable[[str, str], None],
        reject: Callable[[str], None],
        phrase_fits: Callable[[str], bool],
    ) -> None:
        self._phrase_fits = phrase_fits
        self._reason = _text_field("Reason", "Why? The reason is recorded in the journal.", "cloudops-reason")
        # Sends the whole text when the field loses the focus. If each letter were sent, JupyterLab 4.6 would delay the
        # letters, but not the click, while the kernel is busy. Then only the first letter would be recorded (observed).
        self._reason.continuous_update = False
        self._phrase = _text_field("Phrase", "", "cloudops-phrase")
        self._reject = _button("Reject", "Nothing will run; the rejection is recorded.", "cloudops-reject")
        self._reject._view_count = 0  # noqa: SLF001 - ipywidgets has no public way to learn that a widget was drawn
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
        self._reject.on_click(lambda _: reject(self._reason.value))
        self._approve.on_click(lambda _: approve(self._reason.value, self._phrase.value))
        self._phrase.observe(self._phrase_typed, names="value")

    def bundle(self) -> dict[str, Any]:
        """Return the part of a MIME bundle with which a front end draws the widgets."""
        return {WIDGET: self._root._repr_mimebundle_()[WIDGET]}

    def keep_order_once_drawn(self) -> None:
        """Let no click overtake the reason, from the moment at which the front end draws the controls."""

        def drawn(_: object) -> None:
            self._reject.unobserve(drawn, names="_view_count")
            self._keep_order()

        self._reject.observe(drawn, names="_view_count")

    def show_notice(self, text: str) -> None:
        """Show below the buttons why something failed, or what is missing for an approval."""
        self._notice.value = f'<p class="co-notice co-danger" role="alert">{marked_html(text, limit=_NOTICE_LIMIT)}</p>'

    def remove_buttons(self) -> None:
        """Remove the buttons and the input fields."""
        self._controls.children = (self._notice,)

    def show_record(self, html: str) -> None:
        """Show only ``html``, the decided card, in the widgets, because a reloaded page keeps showing the widgets."""
        self._body.value = html
        self._root.children = (self._body,)

    def close(self) -> None:
        """Close every widget, so that the saved notebook contains no widget state."""
        for widget in (*self._all, self._controls, self._body, self._root):
            # A widget's layout and style are separate widgets, which the notebook also saves.
            for owned in (widget.layout, getattr(widget, "style", None)):
                if owned is not None:
                    owned.close()
            widget.close()

    def _phrase_typed(self, change: dict[str, Any]) -> None:
        disabled = not self._phrase_fits(change["new"])
        if disabled != self._approve.disabled:
            self._approve.disabled = disabled
            self._keep_order()

    def _keep_order(self) -> None:
        """Let the kernel handle the messages of all controls in one thread, so that no click overtakes the reason.

        ipykernel 7.4 handles a widget's messages in the subshell (a thread of the kernel) from which that widget last
        sent a message (observed). So each control sends an empty message from the current subshell.
        """
        for control in (self._reason, self._phrase, self._reject, self._approve):
            control.send({})


def _text_field(label: str, placeholder: str, css_class: str) -> Any:
    field = ipywidgets.Text(description=label, placeholder=placeholder, style={"description_width": "64px"})
    return field.add_class(css_class)


def _button(label: str, tooltip: str, css_class: str) -> Any:
    return ipywidgets.Button(description=label, tooltip=tooltip).add_class(css_class)


def _question_html(phrase: str) -> str:
    return f'<p class="co-notice">To approve, type <code>{marked_html(phrase)}</code></p>'
