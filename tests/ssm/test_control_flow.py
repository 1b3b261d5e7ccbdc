from __future__ import annotations

import pytest

from cloudops_nb.ssm.control_flow import END, ControlFlow, Edge, EdgeKind
from cloudops_nb.ssm.document import AutomationDocument, DocumentStep
from cloudops_nb.ssm.step_graph import StepGraph

pytestmark = pytest.mark.fast


def nap(name: str, **properties) -> DocumentStep:
    return DocumentStep(name, "aws:sleep", **properties)


def fork(name: str, *ways: str, default: str = "", **properties) -> DocumentStep:
    chosen = [{"Variable": "x", "StringEquals": "x", "NextStep": way} for way in ways]
    inputs = {"Choices": chosen, **({"Default": default} if default else {})}
    return DocumentStep(name, "aws:branch", inputs, **properties)


def loop(name: str, *steps: DocumentStep, **properties) -> DocumentStep:
    return DocumentStep(name, "aws:loop", {"Iterators": ["a"]}, steps=steps, **properties)


def graph(*steps: DocumentStep) -> StepGraph:
    return StepGraph(AutomationDocument("0.3", "", "", {}, steps))


@pytest.mark.parametrize(
    ("step", "success", "failure"),
    [
        (nap("a"), "b", END),
        (nap("a", next_step="c"), "c", END),
        (nap("a", is_end=True), END, END),
        (nap("a", on_failure="Continue"), "b", "b"),
        (nap("a", on_failure="Continue", next_step="c"), "c", "c"),
        (nap("a", on_failure="Continue", is_end=True), END, END),
        (nap("a", on_failure="step:c"), "b", "c"),
        (nap("a", on_failure="step:c", is_end=True), END, "c"),
        (nap("a", on_failure="Cancel"), "b", END),
    ],
)
def test_success_and_failure_lead_where_the_guide_says(step, success, failure):
    flow = ControlFlow([step, nap("b"), nap("c")])

    assert (flow.after_success(step), flow.after_failure(step)) == (success, failure)


def test_a_choice_leads_on_whatever_else_the_branch_says():
    step = fork("a", "c", is_end=True)
    flow = ControlFlow([step, nap("b"), nap("c")])

    assert flow.after_success(step, "c") == "c"
    assert flow.after_success(step) == END
    assert set(flow.edges(step)) == {
        Edge(EdgeKind.CHOICE, "c"),
        Edge(EdgeKind.SUCCESS, END),
        Edge(EdgeKind.FAILURE, END),
    }


def test_a_cancelled_step_leads_to_its_clean_up():
    step = nap("a", on_cancel="step:b")
    flow = ControlFlow([step, nap("b")])

    assert flow.after_cancel(step) == "b"
    assert Edge(EdgeKind.CANCEL, "b") in set(flow.edges(step))
    assert flow.after_cancel(nap("b")) == END


def test_a_way_out_of_the_body_of_a_loop_is_a_way_on_from_the_loop():
    step = loop("l", fork("x", "y", default="c"), nap("y"))
    flow = ControlFlow([step, nap("b", is_end=True), nap("c")])

    assert list(flow.edges(step)) == [
        Edge(EdgeKind.SUCCESS, "b"),
        Edge(EdgeKind.FAILURE, END),
        Edge(EdgeKind.SUCCESS, "c"),
    ]
    assert flow.reachable() == {"l", "b", "c"}


def test_a_sequence_knows_its_steps():
    flow = ControlFlow([nap("a"), nap("b")])

    assert (flow.first, "b" in flow, "c" in flow, flow.step("b").name) == ("a", True, False, "b")
    assert ControlFlow([]).first == END


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ((nap("a"), nap("b")), {"a", "b"}),
        ((nap("a", is_end=True), nap("b")), {"a"}),
        ((nap("a", next_step="c"), nap("b"), nap("c")), {"a", "c"}),
        ((nap("a", next_step="c", on_failure="step:b"), nap("b"), nap("c")), {"a", "b", "c"}),
        ((fork("a", "c", default="d"), nap("b"), nap("c"), nap("d")), {"a", "c", "d"}),
        ((fork("a", "c"), nap("b", is_end=True), nap("c")), {"a", "b", "c"}),
        ((nap("a", next_step="outside"), nap("b")), {"a"}),
    ],
)
def test_reachable_steps_follow_order_jumps_and_failures(steps, found):
    assert ControlFlow(steps).reachable() == found
    assert graph(*steps).reachable() - {"outside"} == found


@pytest.mark.parametrize(
    ("steps", "circle"),
    [
        ((nap("a", next_step="a"),), ("a", "a")),
        ((nap("a"), nap("b", next_step="a")), ("a", "b", "a")),
        ((nap("z"), nap("a"), fork("b", "a", default="a")), ("a", "b", "a")),
        ((nap("a"), fork("b", "a", is_end=True)), ()),
        ((nap("a"), fork("b", "a"), nap("c")), ()),
        ((nap("a"), nap("b", next_step="outside")), ()),
        ((nap("a", is_end=True), nap("b", next_step="b")), ()),
        ((nap("a"), nap("b", on_failure="step:a")), ()),
    ],
)
def test_only_a_circle_that_no_success_leaves_is_endless(steps, circle):
    assert ControlFlow(steps).circle() == circle


def test_a_graph_leads_into_the_body_of_a_loop_and_back():
    steps = (nap("a"), loop("l", nap("x"), nap("y")), nap("b"))
    ways = graph(*steps)

    assert ways.reachable() == {"a", "l", "x", "y", "b"}
    assert ways.before("x") == {"a", "l", "x", "y"}
    assert ways.before("a") == set()
    assert ways.after("y") == {"l", "x", "y", "b"}
    assert (ways.loops_around("x"), ways.loops_around("b")) == (("l",), ())
    assert list(ways.repeating()) == []


def test_a_step_of_a_body_may_lead_out_of_the_loop():
    ways = graph(loop("l", nap("x", next_step="c")), nap("b", is_end=True), nap("c"))

    assert "x" in ways.before("c")
    assert "c" in ways.reachable()


def test_the_calls_of_a_composite_action_belong_to_their_step():
    ways = graph(nap("a"), DocumentStep("stop", "aws:changeInstanceState", steps=(nap("stopInstances"),)))

    assert ways.after("a") == {"stop"}
    assert ways.after("stop") == set()


def test_a_step_that_always_leaves_the_loop_does_not_lead_back_to_it():
    ways = graph(loop("l", nap("x", next_step="c", on_failure="step:c")), nap("b", is_end=True), nap("c"))

    assert ways.after("x") == {"c"}


def test_a_step_of_a_body_may_lead_to_its_own_loop():
    ways = graph(loop("l", nap("x", next_step="l")), nap("b"))

    assert ways.after("x") == {"l", "x", "b"}
    assert ways.before("b") == {"l", "x"}


def test_steps_that_lead_back_are_found_as_groups():
    ways = graph(nap("a"), nap("b", on_failure="step:a"), loop("l", nap("x"), fork("y", "x", is_end=True)), nap("c"))

    assert list(ways.repeating()) == [("a", "b"), ("x", "y")]
