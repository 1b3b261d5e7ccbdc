"""The live card: clicks, phrase, failure, and what stays behind."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances as live_widgets

from cloudops_nb.errors import ApprovalRefusedError
from cloudops_nb.execution.plan import Channel
from cloudops_nb.notebook.cards.card import Card
from cloudops_nb.notebook.cards.decision import CardServices
from cloudops_nb.presentation.mime_types import HTML, PLAIN, WIDGET
from cloudops_nb.presentation.section import CardStatus
from tests.sample_plans import NOW, delete_volume, stop_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.notebook.conftest import ShownScreen
    from tests.notebook.fake_cloudops import FakeCloudOps

pytestmark = pytest.mark.fast
PHRASE = "delete vol-0a1b2c3d"


@pytest.fixture(autouse=True)
def no_widgets_left() -> Iterator[None]:
    Widget.close_all()
    yield
    Widget.close_all()


def part(card: Card, name: str) -> Any:
    """A widget of the card by its CSS class, as a front end would find it."""
    return next(
        widget for widget in list(live_widgets.values()) if f"cloudops-{name}" in getattr(widget, "_dom_classes", ())
    )


@pytest.fixture
def show_card(show_card: Callable[..., Card]) -> Callable[..., Card]:
    """Show a card into which a reason is typed already."""

    def show(*arguments: Any, **options: Any) -> Card:
        card = show_card(*arguments, **options)
        part(card, "reason").value = "a test"
        return card

    return show


def shown(screen: ShownScreen) -> dict[str, Any]:
    (bundle,) = screen.displays.values()
    return bundle


def test_the_card_is_a_widget_with_a_static_twin(show_card: Callable[..., Card], screen: ShownScreen) -> None:
    show_card(stop_database())
    assert set(shown(screen)) == {"text/plain", "text/markdown", "text/html", WIDGET}


def test_reject_comes_before_approve(show_card: Callable[..., Card]) -> None:
    card = show_card(stop_database())
    row = next(w for w in list(live_widgets.values()) if part(card, "reject") in getattr(w, "children", ()))
    assert list(row.children) == [part(card, "reject"), part(card, "approve")]


def test_the_card_never_takes_the_focus(show_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch) -> None:
    focused: list[str] = []
    monkeypatch.setattr("ipywidgets.DOMWidget.focus", lambda widget: focused.append(type(widget).__name__))
    reject = part(show_card(stop_database()), "reject")
    for views in (1, 2):  # a page that is reloaded draws it again
        reject.set_state({"_view_count": views})
    assert focused == []


def test_a_reason_is_sent_whole(show_card: Callable[..., Card]) -> None:
    assert not part(show_card(stop_database()), "reason").continuous_update


def test_approving_records_once_and_leaves_the_record(
    show_card: Callable[..., Card], screen: ShownScreen, cloudops: FakeCloudOps
) -> None:
    card = show_card(stop_database())
    part(card, "reason").value = " nightly saving "
    part(card, "approve").click()
    (decision,) = cloudops.called("decide")
    assert decision == (
        card.plan,
        {"approve": True, "channel": Channel.CARD, "by": "alice", "reason": "nightly saving", "phrase": None},
    )
    record = shown(screen)
    assert WIDGET not in record
    assert "APPROVED by alice (card)" in record[PLAIN]
    assert "nightly saving" in record[HTML]
    assert not card.open


def test_approving_without_a_reason_is_not_recorded_and_can_be_made_good(
    show_card: Callable[..., Card], cloudops: FakeCloudOps
) -> None:
    card = show_card(stop_database())
    part(card, "reason").value = "  "
    part(card, "approve").click()
    assert cloudops.called("decide") == []
    assert "Give a reason" in part(card, "notice").value
    part(card, "reason").value = "nightly saving"
    part(card, "approve").click()
    assert cloudops.decisions == {"plan-7f3a": True}


def test_rejecting_needs_no_reason(show_card: Callable[..., Card], cloudops: FakeCloudOps) -> None:
    card = show_card(stop_database())
    part(card, "reason").value = ""
    part(card, "reject").click()
    assert cloudops.decisions == {"plan-7f3a": False}


def test_rejecting_is_recorded_too(show_card: Callable[..., Card], screen: ShownScreen, cloudops: FakeCloudOps) -> None:
    card = show_card(delete_volume())
    part(card, "reason").value = "wrong volume"
    part(card, "reject").click()
    ((_, given),) = cloudops.called("decide")
    assert (given["approve"], given["reason"]) == (False, "wrong volume")
    assert "REJECTED by alice" in shown(screen)[PLAIN]


def test_the_buttons_go_before_the_decision_is_recorded(
    show_card: Callable[..., Card], cloudops: FakeCloudOps, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = show_card(stop_database())
    controls = next(w for w in list(live_widgets.values()) if "cloudops-controls" in getattr(w, "_dom_classes", ()))
    seen: list[int] = []
    decide = cloudops.decide

    def watch(*arguments: Any, **options: Any) -> Any:
        seen.append(len(controls.children))
        return decide(*arguments, **options)

    monkeypatch.setattr(cloudops, "decide", watch)
    part(card, "approve").click()
    assert seen == [1]


def test_a_double_click_decides_once(show_card: Callable[..., Card], cloudops: FakeCloudOps) -> None:
    card = show_card(stop_database())
    approve, reject = part(card, "approve"), part(card, "reject")
    approve.click()
    approve.click()
    reject.click()
    assert len(cloudops.called("decide")) == 1
    assert cloudops.decisions == {"plan-7f3a": True}


def test_of_many_clicks_at_once_one_decides(show_card: Callable[..., Card], cloudops: FakeCloudOps) -> None:
    card = show_card(stop_database())
    buttons = [part(card, "approve"), part(card, "reject")] * 8
    start = threading.Barrier(len(buttons))

    def click(button: Any) -> None:
        start.wait()
        button.click()

    threads = [threading.Thread(target=click, args=(button,)) for button in buttons]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(cloudops.called("decide")) == 1


def test_approve_is_disabled_until_the_phrase_is_exact(show_card: Callable[..., Card]) -> None:
    card = show_card(delete_volume())
    approve, phrase = part(card, "approve"), part(card, "phrase")
    assert approve.disabled
    for typed in (PHRASE[:-1], PHRASE.upper(), f" {PHRASE}", f"{PHRASE} "):
        phrase.value = typed
        assert approve.disabled, typed
    phrase.value = PHRASE
    assert not approve.disabled
    phrase.value = ""
    assert approve.disabled


def test_a_front_end_that_enables_approve_gets_nowhere_without_the_phrase(
    show_card: Callable[..., Card], cloudops: FakeCloudOps
) -> None:
    card = show_card(delete_volume())
    part(card, "approve").disabled = False
    part(card, "approve").click()
    assert not cloudops.called("decide")
    assert card.open
    part(card, "phrase").value = PHRASE
    part(card, "approve").click()
    ((_, given),) = cloudops.called("decide")
    assert given["phrase"] == PHRASE


def test_a_failing_journal_is_shown_on_the_card_and_nothing_is_approved(
    show_card: Callable[..., Card], screen: ShownScreen, cloudops: FakeCloudOps
) -> None:
    cloudops.decide_error = ApprovalRefusedError("the approval was not recorded", "the disk is full", "Free space.")
    card = show_card(stop_database())
    approve = part(card, "approve")
    approve.click()
    assert "Nothing was approved. the approval was not recorded: the disk is full." in shown(screen)[PLAIN]
    cloudops.decide_error = None
    approve.click()
    assert not cloudops.decisions
    assert not card.open


def test_of_an_unexpected_error_only_the_type_is_shown(
    show_card: Callable[..., Card], screen: ShownScreen, cloudops: FakeCloudOps
) -> None:
    cloudops.decide_error = RuntimeError("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    card = show_card(stop_database())
    part(card, "approve").click()
    told = json.dumps([bundle for bundle, _, _ in screen.bundles])
    assert "unexpected RuntimeError" in told
    assert "wJalrXUtnFEMI" not in told


def test_an_expired_plan_cannot_be_approved(
    show_card: Callable[..., Card], screen: ShownScreen, cloudops: FakeCloudOps
) -> None:
    card = show_card(stop_database(created=NOW - timedelta(minutes=15)))
    part(card, "approve").click()
    assert not cloudops.called("decide")
    assert "EXPIRED" in shown(screen)[PLAIN]


def test_a_plan_altered_since_it_was_made_cannot_be_approved(
    show_card: Callable[..., Card], screen: ShownScreen, cloudops: FakeCloudOps
) -> None:
    card = show_card(replace(stop_database(), region="us-east-1"))
    part(card, "approve").click()
    assert not cloudops.called("decide")
    assert "its hash has changed" in shown(screen)[PLAIN]


def test_a_decided_card_leaves_no_widget_behind(show_card: Callable[..., Card]) -> None:
    before = set(live_widgets)
    card = show_card(delete_volume())
    assert set(live_widgets) > before
    part(card, "reject").click()
    card.close_widgets()
    assert set(live_widgets) == before


def test_tidying_an_open_card_keeps_its_buttons(show_card: Callable[..., Card]) -> None:
    card = show_card(stop_database())
    card.close_widgets()
    part(card, "approve").click()
    assert not card.open


def test_after_a_decision_the_widget_itself_shows_the_record(show_card: Callable[..., Card]) -> None:
    card = show_card(stop_database())
    root = next(w for w in list(live_widgets.values()) if "cloudops-card" in getattr(w, "_dom_classes", ()))
    part(card, "approve").click()
    (body,) = root.children
    assert "approved" in body.value


def test_a_decision_taken_elsewhere_replaces_the_buttons(
    show_card: Callable[..., Card], screen: ShownScreen, cloudops: FakeCloudOps
) -> None:
    card = show_card(stop_database())
    approve = part(card, "approve")
    card.settle(CardStatus("approved", by="alice", channel="terminal"))
    approve.click()
    assert "APPROVED by alice (terminal)" in shown(screen)[PLAIN]
    assert not cloudops.called("decide")


def test_what_widgets_sync_holds_no_secret(show_card: Callable[..., Card]) -> None:
    secret = "correct-horse-battery"
    plan = stop_database()
    step = replace(plan.steps[1], parameters={"MasterUserPassword": secret}, cli=f"aws rds x --password {secret}")
    show_card(stop_database(parameters={"MasterUserPassword": secret}, steps=(step,)))
    state = json.dumps([widget.get_state() for widget in list(live_widgets.values())], default=str)
    assert "Stop RDS instance" in state
    assert secret not in state


@pytest.mark.parametrize(
    ("rich", "attended", "command"),
    [
        (False, True, "%cloudops_approve plan-7f3a"),
        (True, False, "cloudops-nb approve plan-7f3a"),
        (False, False, "cloudops-nb approve plan-7f3a"),
    ],
)
def test_an_unattended_card_has_no_widgets_and_names_the_command(
    screen: ShownScreen, cloudops: FakeCloudOps, command: str, *, rich: bool, attended: bool
) -> None:
    screen.rich, screen.attended = rich, attended
    before = set(live_widgets)
    services = CardServices(screen=screen, cloudops=cloudops, approver=lambda: "alice", clock=lambda: NOW)
    Card(stop_database(), services).show()
    assert set(live_widgets) == before
    assert WIDGET not in shown(screen)
    assert command in shown(screen)[PLAIN]


def test_a_card_that_cannot_be_drawn_does_not_deny_the_decision(
    show_card: Callable[..., Card], screen: ShownScreen, cloudops: FakeCloudOps, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = show_card(stop_database())
    publish = screen.publish
    failed: list[bool] = []

    def fail_once(*arguments: Any, **options: Any) -> None:
        if not failed:
            failed.append(True)
            raise OSError("the connection is gone")
        publish(*arguments, **options)

    monkeypatch.setattr(screen, "publish", fail_once)
    part(card, "approve").click()

    assert cloudops.decisions == {card.plan.id: True}
    text = shown(screen)[PLAIN]
    assert "The decision was recorded, but the card could not be drawn; see %cloudops_history" in text
    assert "Nothing was approved" not in text
