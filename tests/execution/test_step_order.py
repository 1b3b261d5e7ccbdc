"""Steps follow one another as Systems Manager's user guide says."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cloudops_nb.execution.actions.step_run import Outcome
from cloudops_nb.execution.cancellation import Cancellation
from cloudops_nb.execution.plan import StepStatus
from cloudops_nb.execution.program import Block, Node
from cloudops_nb.execution.step_limits import MOST_STEPS
from cloudops_nb.execution.step_order import Interpreter
from cloudops_nb.ssm.control_flow import ControlFlow
from cloudops_nb.ssm.document import DocumentStep

pytestmark = pytest.mark.fast

DONE, FAILED, TIMEOUT = StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.TIMEOUT


def walk(outcomes: dict[str, Outcome | StepStatus], *steps: DocumentStep) -> tuple[StepStatus, list[str]]:
    """Interpret steps that end as told, completed if nothing is told, and return the end and the order."""
    visited: list[str] = []

    class Recorder:
        left_out = False

        def run(self, node: Node, path: str, deadline: float) -> Outcome:
            visited.append(path)
            outcome = outcomes.get(node.step.name, DONE)
            return outcome if isinstance(outcome, Outcome) else Outcome(outcome)

        def begin(self, node: Node, path: str) -> None:
            raise NotImplementedError

        def end(self, node: Node, path: str, outcome: Outcome, outputs: Any) -> None:
            raise NotImplementedError

    nodes = {step.name: Node(step.name, step.name, "", step) for step in steps}
    interpreter = Interpreter(Recorder(), {}, Cancellation(threading.Event()), "")
    return interpreter.run(Block(ControlFlow(steps), nodes))[0], visited


def step(name: str, **fields: Any) -> DocumentStep:
    return DocumentStep(name, "aws:executeAwsApi", **fields)


@pytest.mark.parametrize(
    ("steps", "outcomes", "end", "order"),
    [
        ([step("a"), step("b")], {}, DONE, "ab"),
        ([step("a", next_step="c"), step("b"), step("c")], {}, DONE, "ac"),
        ([step("a", is_end=True), step("b")], {}, DONE, "a"),
        ([step("a"), step("b")], {"a": FAILED}, FAILED, "a"),
        ([step("a"), step("b")], {"a": TIMEOUT}, TIMEOUT, "a"),
        ([step("a", on_failure="Continue", is_critical=False), step("b")], {"a": FAILED}, DONE, "ab"),
        ([step("a", on_failure="Continue", is_critical=True), step("b")], {"a": FAILED}, FAILED, "ab"),
        ([step("a", on_failure="Continue", next_step="c"), step("b"), step("c")], {"a": FAILED}, FAILED, "ac"),
        ([step("a", on_failure="Continue", is_end=True), step("b")], {"a": FAILED}, FAILED, "a"),
        ([step("a", on_failure="step:c"), step("b"), step("c")], {"a": FAILED}, FAILED, "ac"),
        ([step("a", on_failure="step:c", is_critical=False), step("b"), step("c")], {"a": FAILED}, DONE, "ac"),
        ([step("a", on_failure="Cancel"), step("b")], {"a": FAILED}, StepStatus.CANCELLED, "a"),
        ([step("a", on_failure="Continue"), step("b")], {"a": StepStatus.CANCELLED}, StepStatus.CANCELLED, "a"),
        ([step("a"), step("b"), step("c")], {"a": Outcome(DONE, next_step="c")}, DONE, "ac"),
        ([step("a"), step("b")], {"a": StepStatus.SKIPPED}, DONE, "ab"),
    ],
)
def test_the_order_follows_the_outcomes(
    steps: list[DocumentStep], outcomes: dict[str, Any], end: StepStatus, order: str
) -> None:
    assert walk(outcomes, *steps) == (end, list(order))


@pytest.mark.parametrize("on_failure", ["Abort", "Continue", "Cancel", "step:b"])
def test_nothing_follows_a_step_whose_outcome_is_unknown(on_failure: str) -> None:
    first = step("a", on_failure=on_failure, is_critical=False)
    assert walk({"a": StepStatus.OUTCOME_UNKNOWN}, first, step("b")) == (StepStatus.OUTCOME_UNKNOWN, ["a"])


def test_a_loop_without_end_fails() -> None:
    end, visited = walk({}, step("a", next_step="b"), step("b", next_step="a"))
    assert (end, len(visited)) == (FAILED, MOST_STEPS)
