from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.ssm.parameters import Parameter

pytestmark = pytest.mark.fast

IDENTIFIER = Parameter("String", allowed_pattern="^[a-z]+(-[a-z]+)*$", min_chars=2, max_chars=6)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (Parameter("String"), "anything"),
        (Parameter("StringList", min_items=1), ["a"]),
        (Parameter("Boolean"), False),
        (Parameter("Integer", allowed_values=(1, 2)), 2),
        (Parameter("StringMap"), {"k": "v"}),
        (Parameter("MapList"), [{"k": "v"}]),
        (IDENTIFIER, "pg-a"),
    ],
)
def test_a_fitting_value_has_no_problem(parameter, value):
    assert parameter.problem(value) == ""


@pytest.mark.parametrize(
    ("parameter", "value", "problem"),
    [
        (Parameter("String"), 5, "is not of type String"),
        (Parameter("Integer"), True, "is not of type Integer"),
        (Parameter("Integer"), "5", "is not of type Integer"),
        (Parameter("StringList", min_items=1), [], "fewer than 1 items"),
        (Parameter("StringList", max_items=1), ["a", "b"], "more than 1 items"),
        (Parameter("String", allowed_values=("a", "b")), "c", "is not one of a, b"),
        (IDENTIFIER, "a", "fewer than 2 characters"),
        (IDENTIFIER, "abcdefg", "more than 6 characters"),
        (IDENTIFIER, "pg_a", "does not match"),
        (IDENTIFIER, "pg\n", "does not match"),
        (Parameter("StringList", allowed_pattern="[a-z]+"), ["ok", "NO"], "does not match"),
    ],
)
def test_a_value_that_does_not_fit_is_explained(parameter, value, problem):
    assert problem in parameter.problem(value)


@given(st.text())
def test_no_value_can_smuggle_in_a_reference(text):
    hidden = f"{text}{{{{ stop.Arn }}}}"

    assert Parameter("String").problem(hidden)
    assert Parameter("StringList").problem([hidden])
    assert Parameter("StringMap").problem({"k": hidden})
    assert Parameter("StringMap").problem({hidden: "v"})
    assert Parameter("MapList").problem([{"k": [hidden]}])


@given(st.text(min_size=1))
def test_a_problem_never_repeats_the_value(text):
    secret = f"hunter2{text}"

    assert "hunter2" not in IDENTIFIER.problem(secret)
    assert "hunter2" not in Parameter("Integer").problem(secret)


def test_a_parameter_without_default_is_required():
    assert Parameter("String").required
    assert not Parameter("String", default="").required


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("Integer", "5", 5),
        ("Boolean", "True", True),
        ("StringList", "a", ["a"]),
        ("String", 5, "5"),
        ("AWS::EC2::Instance::Id", "i-1", "i-1"),
        ("List<AWS::EC2::Instance::Id>", '["i-1"]', ["i-1"]),
        ("Integer", "five", "five"),
        ("String", ["a"], "a"),
        ("Integer", ["5"], 5),
        ("String", ["a", "b"], ["a", "b"]),
    ],
)
def test_a_given_value_is_brought_into_the_type_if_it_has_a_form_there(kind, given, value):
    assert Parameter(kind).convert(given) == value


@pytest.mark.parametrize(("value", "problem"), [(0, "is less than 1"), (9, "is more than 5"), (5, "")])
def test_numbers_have_bounds(value, problem):
    assert Parameter("Integer", min_value=1, max_value=5).problem(value) == problem


def test_a_boolean_has_no_bounds():
    assert Parameter("Boolean", min_value=5).problem(value=True) == ""


def test_the_default_of_the_document_fits_whatever_its_limits_say():
    role = Parameter("String", default="", allowed_pattern="^arn:.+$", min_chars=5)
    store = Parameter("String", default="{{ssm:/role}}", allowed_pattern="^arn:.+$")

    assert role.problem("") == ""
    assert role.problem("x") != ""
    assert store.problem("{{ssm:/role}}") == "holds {{, which starts a reference"


@pytest.mark.parametrize("value", [{"a": float("nan")}, {1: "a"}, {"a": b"x"}, {"a": [{1, 2}]}])
def test_a_map_that_is_no_json_does_not_fit(value):
    problem = "holds what is not text, a number, a Boolean, a list or a map"
    assert Parameter("StringMap").problem(value) == problem
    assert Parameter("MapList").problem([value]) == problem
