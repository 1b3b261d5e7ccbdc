from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.ssm.document import AutomationDocument, DocumentStep, Parameter

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
        (Parameter("String"), 5, "is not a String"),
        (Parameter("Integer"), True, "is not a Integer"),
        (Parameter("Integer"), "5", "is not a Integer"),
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


def test_steps_that_call_nothing_have_no_api():
    step = DocumentStep("nap", "aws:sleep", {"Duration": "PT1S", "Service": "x", "Api": "y"})

    assert (step.service, step.api, step.api_parameters) == ("", "", {})


def test_a_step_that_does_not_exist_is_a_key_error():
    with pytest.raises(KeyError):
        AutomationDocument("0.3", "", "", {}, ()).step("nope")
