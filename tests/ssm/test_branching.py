from __future__ import annotations

import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.branching import branch, reachable, targets
from cloudops_nb.ssm.document import AutomationDocument, DocumentStep

pytestmark = pytest.mark.fast


def document(*steps: DocumentStep) -> AutomationDocument:
    return AutomationDocument("0.3", "", "", {}, steps)


def nap(name: str, **properties) -> DocumentStep:
    return DocumentStep(name, "aws:sleep", **properties)


def fork(name: str, *ways: str, default: str = "") -> DocumentStep:
    chosen = [{"Variable": "x", "StringEquals": "x", "NextStep": way} for way in ways]
    return DocumentStep(name, "aws:branch", {"Choices": chosen, **({"Default": default} if default else {})})


@pytest.mark.parametrize(
    ("operator", "value", "matching", "other"),
    [
        ("StringEquals", "running", "running", "Running"),
        ("EqualsIgnoreCase", "running", "RUNNING", "stopped"),
        ("StartsWith", "db.", "db.t3", "t3.db"),
        ("EndsWith", ".large", "t3.large", "t3.small"),
        ("Contains", "prod", "my-prod-db", "dev"),
        ("NumericEquals", 5, "5", 6),
        ("NumericGreater", 5, 6, 5),
        ("NumericLesser", 5, 4, 5),
        ("NumericGreaterOrEquals", 5, 5, 4),
        ("NumericLesserOrEquals", 5, 5, 6),
        ("BooleanEquals", True, "true", False),
    ],
)
def test_each_operator_tells_a_match_from_another_value_and_from_nothing(operator, value, matching, other):
    def way(left):
        return branch({"Choices": [{"Variable": left, operator: value, "NextStep": "yes"}], "Default": "no"})

    assert (way(matching), way(other), way(None)) == ("yes", "no", "no")


def test_conditions_combine():
    yes, no = {"Variable": 1, "NumericEquals": 1}, {"Variable": 1, "NumericEquals": 2}

    def way(**condition):
        return branch({"Choices": [{**condition, "NextStep": "yes"}], "Default": "no"})

    assert way(And=[yes, yes]) == "yes"
    assert way(And=[yes, no]) == "no"
    assert way(Or=[no, yes]) == "yes"
    assert way(Or=[no, no]) == "no"
    assert way(Not=no) == "yes"
    assert way(Not={"And": [yes, {"Not": no}]}) == "no"


def test_the_first_choice_that_holds_wins_and_without_any_there_is_no_step():
    choice = {"Variable": "a", "StringEquals": "a"}

    assert branch({"Choices": [{**choice, "NextStep": "one"}, {**choice, "NextStep": "two"}]}) == "one"
    assert branch({"Choices": [{"Variable": "a", "StringEquals": "b", "NextStep": "one"}]}) == ""


@pytest.mark.parametrize("condition", [{}, {"Variable": 1}, {"Variable": 1, "Matches": 1}, {"StringEquals": "x"}])
def test_a_condition_that_is_not_understood_is_an_error_and_not_false(condition):
    with pytest.raises(PlaybookError, match="not understood"):
        branch({"Choices": [{**condition, "NextStep": "one"}]})


def test_targets_are_every_step_that_a_step_names():
    assert set(targets(nap("a", next_step="b", on_failure="step:c"))) == {"b", "c"}
    assert set(targets(fork("a", "b", "c", default="d"))) == {"b", "c", "d"}


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ((nap("a"), nap("b")), {"a", "b"}),
        ((nap("a", is_end=True), nap("b")), {"a"}),
        ((nap("a", next_step="c"), nap("b"), nap("c")), {"a", "c"}),
        ((nap("a", next_step="c", on_failure="Continue"), nap("b"), nap("c")), {"a", "b", "c"}),
        ((nap("a", next_step="c", on_failure="step:b"), nap("b"), nap("c")), {"a", "b", "c"}),
        ((fork("a", "c", default="d"), nap("b"), nap("c"), nap("d")), {"a", "c", "d"}),
        ((fork("a", "c"), nap("b", is_end=True), nap("c")), {"a", "b", "c"}),
        ((nap("a", next_step="a"), nap("b")), {"a"}),
        ((nap("a", next_step="nowhere"),), {"a"}),
    ],
)
def test_reachable_steps_follow_order_jumps_and_failures(steps, found):
    assert reachable(document(*steps)) == found
