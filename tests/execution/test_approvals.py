"""Who may approve what, how, and how often."""

from __future__ import annotations

import threading
from dataclasses import fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import ApprovalRefusedError, ApprovalRequired
from cloudops_nb.execution.approvals import Approvals
from cloudops_nb.execution.channels import PersonChannel
from cloudops_nb.execution.clock_check import TOLERANCE
from cloudops_nb.execution.journal_view import JournalView
from cloudops_nb.execution.plan import (
    Channel,
    Effect,
    Level,
    NestedDocument,
    Observation,
    Plan,
    PlanStatus,
    Rollback,
    StoreParameter,
    intent_hash,
    plan_hash,
)
from cloudops_nb.execution.serialisation import approval_from_dict, approval_to_dict, plan_to_dict
from cloudops_nb.model import PlaybookRef
from tests.sample_plans import CARD, TERMINAL

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.fast

EDITS: dict[str, Any] = {
    "id": "22222222-2222-4222-8222-222222222222",
    "hash": "0" * 64,
    "intent_hash": "0" * 64,
    "playbook": PlaybookRef("ec2-stop", "1.0.0", "cd" * 32),
    "title": "Look at an instance",
    "account_id": "210987654321",
    "account_name": "other",
    "region": "us-east-1",
    "environment": "staging",
    "principal": "arn:aws:iam::123456789012:role/Other",
    "parameters": {"Force": True},
    "allowed_states": ("stopped",),
    "effect": Effect.READ,
    "level": Level.LOW,
    "reasons": (),
    "rollback": Rollback("", "none"),
    "checks": (),
    "explanation": "Nothing happens.",
    "phrase": "yes",
    "not_checked": ("permissions",),
    "max_concurrency": 5,
    "max_errors": 5,
    "replaces": "another plan",
    "rolls_back": "an execution",
    "once": True,
    "automation_id": "22222222-2222-4222-8222-222222222222",
    "store_parameters": (StoreParameter("/app/size", "String", "2", 1),),
    "observations": (Observation("check", "ec2:DescribeInstances", "$.State", "running", "running", holds=True),),
    "nested": (NestedDocument("restart", PlaybookRef("ec2-start", "1.0.0", "cd" * 32)),),
    "format": 3,
}


@pytest.fixture
def approvals(journal: Any, clock: Any) -> Approvals:
    return Approvals(journal, clock)


@pytest.fixture
def recorded(a_plan: Plan, journal: Any, clock: Any) -> Callable[..., Plan]:
    """Change the plan made by hand, seal it, and record it as the engine does."""

    def make(**changes: Any) -> Plan:
        now = clock()
        plan = replace(a_plan, **{"created": now, "expires": now + timedelta(minutes=15), **changes})
        plan = replace(plan, hash=plan_hash(plan), intent_hash=intent_hash(plan))
        journal.append("plan", plan.id, {"plan": plan_to_dict(plan)})
        return plan

    return make


def approve(approvals: Approvals, plan: Plan, channel: PersonChannel | str = CARD, **words: Any) -> Any:
    return approvals.approve(plan, channel=channel, **{"by": "ada", "reason": "maintenance", "phrase": None, **words})


def reject(approvals: Approvals, plan: Plan, channel: PersonChannel | str = CARD) -> None:
    approvals.reject(plan, channel=channel, by="ada", reason="no")


def test_an_approval_names_the_plan_its_author_and_its_channel(approvals: Approvals, recorded: Any) -> None:
    plan = recorded()
    approval = approve(approvals, plan, TERMINAL, by=" ada ", reason=" patch day ")
    assert (approval.plan_id, approval.plan_hash) == (plan.id, plan.hash)
    assert (approval.by, approval.reason, approval.channel) == ("ada", "patch day", Channel.TERMINAL)
    assert approval.expires == plan.expires
    assert approvals.usable(plan) == approval


def test_an_approval_is_in_the_journal_power_safe(approvals: Approvals, journal: Any, recorded: Any) -> None:
    approval = approve(approvals, recorded())
    assert journal.power_safe == ["approval"]
    assert approval_from_dict(journal.records(kind="approval")[0].body) == approval
    assert approval_to_dict(approval) == journal.records(kind="approval")[0].body


@pytest.mark.parametrize("name", [field.name for field in fields(Plan)])
def test_a_plan_edited_in_any_field_is_refused(approvals: Approvals, recorded: Any, name: str) -> None:
    plan = recorded()
    edits = {
        **EDITS,
        "created": plan.created + timedelta(seconds=1),
        "expires": plan.expires + timedelta(days=1),
        "target_states": plan.target_states[:1],
        "steps": plan.steps[:1],
    }
    with pytest.raises(ApprovalRefusedError, match=r"was edited|not in the journal|cannot be run"):
        approve(approvals, replace(plan, **{name: edits[name]}))


@pytest.mark.parametrize("name", [field.name for field in fields(Plan)])
def test_a_plan_edited_and_hashed_anew_is_refused(approvals: Approvals, recorded: Any, name: str) -> None:
    plan = recorded()
    edits = {
        **EDITS,
        "created": plan.created + timedelta(seconds=1),
        "expires": plan.expires + timedelta(days=1),
        "target_states": plan.target_states[:1],
        "steps": plan.steps[:1],
    }
    edited = replace(plan, **{name: edits[name]})
    if name not in ("hash", "intent_hash"):
        edited = replace(edited, hash=plan_hash(edited), intent_hash=intent_hash(edited))
    with pytest.raises(ApprovalRefusedError, match=r"was edited|not in the journal|cannot be run"):
        approve(approvals, edited)


def test_a_plan_that_was_never_recorded_is_refused(approvals: Approvals, a_plan: Plan) -> None:
    with pytest.raises(ApprovalRefusedError, match="not in the journal"):
        approve(approvals, a_plan)


def test_an_expired_plan_cannot_be_approved(approvals: Approvals, recorded: Any, clock: Any) -> None:
    plan = recorded()
    clock.ahead = timedelta(minutes=15)
    with pytest.raises(ApprovalRefusedError, match="expired"):
        approve(approvals, plan)


def test_an_approval_expires_with_its_plan(approvals: Approvals, recorded: Any, clock: Any) -> None:
    plan = recorded()
    approval = approve(approvals, plan)
    clock.ahead = timedelta(minutes=15)
    with pytest.raises(ApprovalRefusedError, match="expired"):
        approvals.usable(plan)
    with pytest.raises(ApprovalRefusedError, match="expired"):
        approvals.consume(plan, approval, "execution")


@pytest.mark.parametrize(("changes", "why"), [({"environment": "production"}, "production"), ({}, "destructive")])
def test_an_approval_from_code_is_never_enough_for_production_or_destruction(
    approvals: Approvals, recorded: Any, changes: dict[str, Any], why: str
) -> None:
    if why == "destructive":
        changes = {"effect": Effect.DESTRUCTIVE, "phrase": "terminate i-1"}
    plan = recorded(**changes)
    with pytest.raises(ApprovalRefusedError, match=f"(?s){why}.*card.*terminal"):
        approve(approvals, plan, "api", phrase=plan.phrase)
    approve(approvals, plan, CARD, phrase=plan.phrase)


def test_an_unknown_environment_counts_as_production_for_code(
    approvals: Approvals, recorded: Any, a_plan: Plan
) -> None:
    unknown = tuple(replace(target, environment="unknown") for target in a_plan.target_states)
    plan = recorded(environment="unknown", target_states=unknown)
    with pytest.raises(ApprovalRefusedError, match=r"not known, so it may be production.*config\.toml"):
        approve(approvals, plan, "api")
    approve(approvals, plan, CARD)


@pytest.mark.parametrize("name", ["hash", "intent_hash"])
def test_a_plan_whose_hash_is_not_its_own_is_refused_even_if_it_was_recorded_so(
    approvals: Approvals, recorded: Any, journal: Any, name: str
) -> None:
    plan = replace(recorded(), id=EDITS["id"])
    plan = replace(plan, hash=plan_hash(plan), intent_hash=intent_hash(plan))
    plan = replace(plan, **{name: "0" * 64})
    journal.append("plan", plan.id, {"plan": plan_to_dict(plan)})
    with pytest.raises(ApprovalRefusedError, match="was edited"):
        approve(approvals, plan)


def test_a_plan_that_was_recorded_twice_is_refused(approvals: Approvals, recorded: Any, journal: Any) -> None:
    plan = recorded()
    journal.append("plan", plan.id, {"plan": plan_to_dict(plan)})
    with pytest.raises(ApprovalRefusedError):
        approve(approvals, plan)


def test_of_two_approvals_the_newest_counts(approvals: Approvals, recorded: Any) -> None:
    plan = recorded()
    approve(approvals, plan)
    second = approve(approvals, plan, TERMINAL, by="bob")
    assert approvals.usable(plan) == second


def test_a_plan_ends_at_the_moment_that_it_names(recorded: Any, journal: Any, clock: Any) -> None:
    moment = clock()
    approvals = Approvals(journal, lambda: moment)
    made = {"created": moment - timedelta(minutes=15)}
    approve(approvals, recorded(**made, expires=moment + timedelta.resolution))
    with pytest.raises(ApprovalRefusedError, match="expired"):
        approve(approvals, recorded(**made, id=EDITS["id"], expires=moment))
    view = JournalView(journal, lambda _: False)
    assert view.status(EDITS["id"], moment - timedelta.resolution) is PlanStatus.AWAITING_APPROVAL
    assert view.status(EDITS["id"], moment) is PlanStatus.EXPIRED


def test_a_channel_made_from_that_of_a_person_is_none(approvals: Approvals, recorded: Any) -> None:
    class Forged(PersonChannel):
        def __init__(self) -> None:
            self.channel = Channel.CARD

    with pytest.raises(ApprovalRefusedError, match="the channel is not accepted"):
        approve(approvals, recorded(environment="production"), Forged())


def test_an_approval_from_code_serves_elsewhere(approvals: Approvals, recorded: Any) -> None:
    assert approve(approvals, recorded(), "api").channel is Channel.API


@pytest.mark.parametrize(
    "given", [Channel.CARD, Channel.TERMINAL, Channel.SIGNATURE, "card", "signature", "nonsense", "API", "", None, 1]
)
@pytest.mark.parametrize("changes", [{}, {"environment": "production"}])
def test_code_cannot_name_the_channel_of_a_person(
    approvals: Approvals, recorded: Any, journal: Any, given: Any, changes: dict[str, Any]
) -> None:
    plan = recorded(**changes)
    for decide in (approve, reject):
        with pytest.raises(ApprovalRefusedError, match="the channel is not accepted"):
            decide(approvals, plan, given)
    assert journal.kinds(plan.id) == ["plan"]


def test_a_clock_that_was_set_back_lets_no_plan_be_approved_or_run(
    approvals: Approvals, recorded: Any, clock: Any, journal: Any
) -> None:
    plan = recorded()
    approval = approve(approvals, plan)
    journal.append("scan", "s1", {})
    clock.ahead = -TOLERANCE - timedelta(seconds=5)
    use: tuple[Callable[[], Any], ...] = (
        lambda: approve(approvals, plan),
        lambda: approvals.usable(plan),
        lambda: approvals.consume(plan, approval, "e1"),
    )
    for step in use:
        with pytest.raises(ApprovalRefusedError, match=r"the clock was set back: .* UTC, but .* UTC\. .*accept-clock"):
            step()
    assert "approval_consumed" not in journal.kinds()
    reject(approvals, plan)


def test_the_clock_may_be_behind_by_the_tolerance(approvals: Approvals, recorded: Any, clock: Any) -> None:
    plan = recorded()
    clock.ahead = -TOLERANCE + timedelta(seconds=5)
    approve(approvals, plan)


def test_the_clock_may_be_behind_by_exactly_the_tolerance(recorded: Any, journal: Any, clock: Any) -> None:
    moment = clock()
    early = {"created": moment - timedelta(minutes=5)}
    plan, ahead = recorded(**early), recorded(id=EDITS["id"], created=moment + TOLERANCE)
    approve(Approvals(journal, lambda: moment), ahead)
    with pytest.raises(ApprovalRefusedError, match="is from the future"):
        approve(Approvals(journal, lambda: moment - timedelta.resolution), ahead)
    latest = journal.latest_time()
    with pytest.raises(ApprovalRefusedError, match="the clock was set back"):
        approve(Approvals(journal, lambda: latest - TOLERANCE - timedelta.resolution), plan)
    approve(Approvals(journal, lambda: latest - TOLERANCE), plan)


def test_a_person_at_a_terminal_accepts_the_clock_and_that_is_recorded(
    approvals: Approvals, recorded: Any, clock: Any, journal: Any
) -> None:
    plan = recorded()
    journal.append("scan", "s1", {})
    clock.ahead = timedelta(hours=-2)
    for channel in (CARD, "api", "terminal"):
        with pytest.raises(ApprovalRefusedError):
            approvals.accept_clock(channel=channel, by="ada", reason="the clock was wrong before")
    for by, reason in (("", "why"), ("ada", " ")):
        with pytest.raises(ApprovalRefusedError, match="is missing"):
            approvals.accept_clock(channel=TERMINAL, by=by, reason=reason)
    record = approvals.accept_clock(channel=TERMINAL, by=" ada ", reason="the clock was wrong before")
    assert (record.kind, record.body["by"]) == ("clock_accepted", "ada")
    assert record.body["latest"] > record.body["accepted"]
    with pytest.raises(ApprovalRefusedError, match="from the future"):
        approve(approvals, plan)


def test_a_plan_from_the_future_is_not_approved(approvals: Approvals, recorded: Any, clock: Any) -> None:
    plan = recorded(created=clock() + timedelta(minutes=10))
    with pytest.raises(
        ApprovalRefusedError, match=r"is from the future: it was made at .* UTC, and the clock says .* UTC"
    ):
        approve(approvals, plan)


@pytest.mark.parametrize("channel", [Channel.API, Channel.SIGNATURE])
def test_no_person_decides_through_the_other_channels(channel: Channel) -> None:
    with pytest.raises(ValueError, match="no person"):
        PersonChannel(channel)


@pytest.mark.parametrize("channel", ["signature", "nonsense", ""])
def test_a_recorded_approval_with_another_channel_lets_nothing_run(
    approvals: Approvals, recorded: Any, journal: Any, channel: str
) -> None:
    plan = recorded()
    approval = approve(approvals, plan)
    journal.append("approval", plan.id, {**approval_to_dict(approval), "channel": channel})
    with pytest.raises(ApprovalRefusedError):
        approvals.usable(plan)


def test_an_approval_from_code_that_was_recorded_for_production_lets_nothing_run(
    approvals: Approvals, recorded: Any, journal: Any
) -> None:
    plan = recorded(environment="production")
    approval = approve(approvals, plan)
    journal.append("approval", plan.id, {**approval_to_dict(approval), "channel": "api"})
    with pytest.raises(ApprovalRefusedError, match="from code"):
        approvals.usable(plan)


@pytest.mark.parametrize("typed", [None, "", "terminate i-2", "Terminate i-1", "terminate i-1 "])
def test_a_destructive_plan_needs_its_phrase_exactly(approvals: Approvals, recorded: Any, typed: str | None) -> None:
    plan = recorded(effect=Effect.DESTRUCTIVE, phrase="terminate i-1")
    with pytest.raises(ApprovalRefusedError, match="phrase"):
        approve(approvals, plan, phrase=typed)
    assert approve(approvals, plan, phrase="terminate i-1")


@pytest.mark.parametrize("words", [{"reason": ""}, {"reason": "  "}, {"by": ""}, {"reason": None}])
def test_an_approval_needs_a_name_and_a_reason(approvals: Approvals, recorded: Any, words: dict[str, Any]) -> None:
    plan = recorded()
    with pytest.raises(ApprovalRefusedError, match="missing"):
        approve(approvals, plan, **words)


def test_a_rejection_needs_a_name_alone(approvals: Approvals, recorded: Any) -> None:
    plan = recorded()
    with pytest.raises(ApprovalRefusedError, match="missing"):
        approvals.reject(plan, channel=CARD, by="", reason="no")
    approvals.reject(plan, channel=CARD, by="ada", reason="")
    with pytest.raises(ApprovalRefusedError, match="rejected"):
        approve(approvals, plan)


def test_without_an_approval_nothing_is_usable_and_the_message_says_how(approvals: Approvals, recorded: Any) -> None:
    with pytest.raises(ApprovalRequired, match="%cloudops_approve"):
        approvals.usable(recorded())


def test_an_approval_of_another_hash_does_not_count(approvals: Approvals, journal: Any, recorded: Any) -> None:
    plan = recorded()
    approval = approve(approvals, plan)
    journal.lines = [record for record in journal.lines if record.kind != "approval"]
    journal.append("approval", plan.id, approval_to_dict(replace(approval, plan_hash="0" * 64)))
    with pytest.raises(ApprovalRequired):
        approvals.usable(plan)


def test_a_rejected_plan_stays_rejected(approvals: Approvals, recorded: Any) -> None:
    plan = recorded()
    approve(approvals, plan)
    approvals.reject(plan, channel=CARD, by="grace", reason="not today")
    with pytest.raises(ApprovalRefusedError, match="not today"):
        approvals.usable(plan)
    with pytest.raises(ApprovalRefusedError, match="rejected"):
        approve(approvals, plan)


def test_a_superseded_plan_can_be_neither_approved_nor_used(approvals: Approvals, recorded: Any) -> None:
    old = recorded()
    approve(approvals, old)
    approvals.supersede(old.id, recorded(id="22222222-2222-4222-8222-222222222222"))
    with pytest.raises(ApprovalRefusedError, match="superseded"):
        approvals.usable(old)
    with pytest.raises(ApprovalRefusedError, match="superseded"):
        approve(approvals, old)


def test_an_approval_serves_once(approvals: Approvals, journal: Any, recorded: Any) -> None:
    plan = recorded()
    approval = approve(approvals, plan)
    approvals.consume(plan, approval, "first")
    for again in (
        lambda: approvals.consume(plan, approval, "second"),
        lambda: approvals.usable(plan),
        lambda: approve(approvals, plan),
        lambda: approvals.reject(plan, channel=CARD, by="ada", reason="too late"),
    ):
        with pytest.raises(ApprovalRefusedError, match="used"):
            again()
    assert journal.kinds().count("approval_consumed") == 1
    assert journal.power_safe[-1] == "approval_consumed"


def test_of_many_who_use_an_approval_at_once_one_gets_it(approvals: Approvals, recorded: Any) -> None:
    plan = recorded()
    approval = approve(approvals, plan)
    barrier, won, refused = threading.Barrier(8), [], []

    def use(number: int) -> None:
        barrier.wait()
        try:
            approvals.consume(plan, approval, f"execution-{number}")
            won.append(number)
        except ApprovalRefusedError:
            refused.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 7)


def test_losing_the_race_for_an_approval_is_a_refusal(approvals: Approvals, journal: Any, recorded: Any) -> None:
    plan = recorded()
    approval = approve(approvals, plan)
    journal.append("elsewhere", "another subject", {}, once=f"approval_consumed:{plan.hash}")
    with pytest.raises(ApprovalRefusedError, match="used"):
        approvals.consume(plan, approval, "execution")
