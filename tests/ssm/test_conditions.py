from __future__ import annotations

import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.conditions import condition_problems, evaluated_choice, holds, named_in, require_condition
from cloudops_nb.ssm.values import ABSENT

pytestmark = pytest.mark.fast

YES, NO = {"Variable": 1, "NumericEquals": 1}, {"Variable": 1, "NumericEquals": 2}


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ({"And": [YES, YES]}, True),
        ({"And": [YES, NO]}, False),
        ({"Or": [NO, YES]}, True),
        ({"Or": [NO, NO]}, False),
        ({"Not": NO}, True),
        ({"Not": {"And": [YES, {"Not": NO}]}}, False),
    ],
)
def test_conditions_combine(condition, result):
    assert holds(condition, {}) is result


def test_a_variable_and_its_operand_may_be_references():
    condition = {"Variable": "{{ look.State }}", "StringEquals": "{{ Wanted }}"}

    assert holds(condition, {"look.State": "up", "Wanted": "up"})
    assert not holds(condition, {"look.State": ABSENT, "Wanted": "up"})
    assert holds({"Not": condition}, {"look.State": ABSENT, "Wanted": "up"})
    with pytest.raises(PlaybookError, match="unknown reference"):
        holds(condition, {"Wanted": "up"})


def test_the_first_choice_that_holds_wins_then_the_default():
    choices = [{**NO, "NextStep": "zero"}, {**YES, "NextStep": "one"}, {**YES, "NextStep": "two"}]

    assert evaluated_choice({"Choices": choices, "Default": "other"}, {}) == "one"
    assert evaluated_choice({"Choices": choices[:1], "Default": "other"}, {}) == "other"
    assert evaluated_choice({"Choices": choices[:1]}, {}) == ""


@pytest.mark.parametrize(
    ("condition", "path", "why"),
    [
        (5, (), "a condition is a map"),
        ({}, (), "needs Variable"),
        ({"Variable": 1}, (), "needs an operator"),
        ({"StringEquals": "x"}, (), "needs Variable"),
        ({"Variable": 1, "Matches": 1}, ("Matches",), "is no operator: write one of StringEquals"),
        ({**YES, "StringEquals": "x"}, ("StringEquals",), "has one operator"),
        ({"And": []}, ("And",), "And is a list of conditions"),
        ({"Or": YES}, ("Or",), "Or is a list of conditions"),
        ({"Not": 5}, ("Not",), "a condition is a map"),
        ({"Not": YES, "Variable": 1}, ("Variable",), "cannot be beside Not"),
        ({"And": [YES], "Or": [YES]}, ("Or",), "cannot be beside And"),
        ({"And": [YES, {"Not": {"Variable": 1}}]}, ("And", 1, "Not"), "needs an operator"),
    ],
)
def test_a_condition_that_is_not_usable_is_explained_at_its_place(condition, path, why):
    assert [found for found in condition_problems(condition) if found[0] == path and why in found[1]]
    with pytest.raises(PlaybookError, match="a condition is not usable"):
        require_condition(condition)


def test_a_usable_condition_has_no_problem():
    require_condition({"Not": {"And": [YES, {"Or": [NO]}]}})


def test_the_operands_of_a_condition_are_found_however_deep():
    assert list(named_in({"Not": {"And": [{"Variable": "{{ a }}", "Contains": "b"}]}})) == ["{{ a }}", "b"]
