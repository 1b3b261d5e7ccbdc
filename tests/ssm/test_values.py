from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.values import ABSENT, BASE_TYPES, OPERATORS, are_desired, as_text, base_type, compare, convert

pytestmark = pytest.mark.fast

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (5, "5"), (["a", 1], '["a",1]'), ({"k": "ü"}, '{"k":"ü"}'), ("x", "x"), (None, ""), (ABSENT, "")],
)
def test_a_value_has_one_form_inside_text(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("found", "desired", "result"),
    [
        ("available", ["starting", "available"], True),
        ("available", ["Available"], False),
        (True, ["True"], True),
        (True, [True], True),
        (True, ["true"], False),
        (True, [1], False),
        (False, ["False"], True),
        (5, ["5"], True),
        (5, [6], False),
        (["a", "a"], ["a"], True),
        (["a", "b"], ["a"], False),
        (["a", "b"], [["a", "b"]], True),
        ([], ["a"], False),
        ({"k": 1}, [{"k": 1}], True),
        ({"k": 1}, ['{"k":1}'], False),
        ('{"k":1}', [{"k": 1}], False),
        (None, [""], False),
        (ABSENT, ["x", None], False),
    ],
)
def test_a_property_is_desired_if_it_or_each_of_its_items_is_named(found, desired, result):
    assert are_desired(found, desired) is result


@pytest.mark.parametrize(
    ("operator", "value", "matching", "other"),
    [
        ("StringEquals", "running", "running", "Running"),
        ("StringEquals", True, "true", "false"),
        ("StringEquals", "True", True, False),
        ("EqualsIgnoreCase", "running", "RUNNING", "stopped"),
        ("StartsWith", "db.", "db.t3", "t3.db"),
        ("EndsWith", ".large", "t3.large", "t3.small"),
        ("Contains", "prod", "my-prod-db", "dev"),
        ("NumericEquals", 5, "5", 6),
        ("NumericGreater", 5, 6, 5),
        ("NumericLesser", 5, 4, 5),
        ("NumericGreaterOrEquals", 5, 5, 4),
        ("NumericLesserOrEquals", 5, 5, 6),
        ("BooleanEquals", True, "True", False),
    ],
)
def test_each_operator_tells_a_match_from_another_value_and_from_nothing(operator, value, matching, other):
    found = [compare(operator, left, value) for left in (matching, other, None, ABSENT)]

    assert found == [True, False, False, False]


@pytest.mark.parametrize(
    ("operator", "left", "right"),
    [
        ("NumericEquals", "x", 1),
        ("NumericLesser", True, 1),
        ("NumericEquals", "nan", 1),
        ("BooleanEquals", "yes", True),
    ],
)
def test_an_operator_refuses_values_of_another_kind(operator, left, right):
    with pytest.raises(PlaybookError, match="compares"):
        compare(operator, left, right)


@given(anything, anything, st.sampled_from(sorted(OPERATORS)))
def test_an_operator_compares_any_two_values_or_refuses_them(left, right, operator):
    try:
        assert compare(operator, left, right) in (True, False)
    except PlaybookError:
        assert operator.startswith(("Numeric", "Boolean"))


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("String", "String"),
        ("AWS::EC2::Instance::Id", "String"),
        ("List<AWS::EC2::Instance::Id>", "StringList"),
        ("AWS::IAM::Role::Arn", "String"),
        ("List<String>", ""),
        ("AWS::EC2::Instance", ""),
        ("Text", ""),
        ("", ""),
    ],
)
def test_a_typed_parameter_has_a_base_type(name, base):
    assert base_type(name) == base


@pytest.mark.parametrize(
    ("value", "wanted", "converted"),
    [
        (5, "String", "5"),
        ("True", "Boolean", True),
        ("yes", "Boolean", ABSENT),
        (1, "Boolean", ABSENT),
        ("-5", "Integer", -5),
        ("5.0", "Integer", ABSENT),
        (5.0, "Integer", 5),
        (True, "Integer", ABSENT),
        ("9" * 5000, "Integer", ABSENT),
        ("a", "StringList", ["a"]),
        ('["a", 1]', "StringList", ["a", "1"]),
        ({"a": 1}, "StringList", ABSENT),
        ('{"a": 1}', "StringMap", {"a": 1}),
        ("{", "StringMap", ABSENT),
        ('[{"a": 1}]', "MapList", [{"a": 1}]),
        ('{"a": 1}', "MapList", [{"a": 1}]),
        ([1], "MapList", ABSENT),
        (None, "String", ABSENT),
        (ABSENT, "String", ABSENT),
        ("[" * 100_000, "StringList", ["[" * 100_000]),
    ],
)
def test_a_value_is_converted_or_has_no_form_in_the_type(value, wanted, converted):
    found = convert(value, wanted)

    assert found == converted
    assert type(found) is type(converted)


@given(anything, st.sampled_from(sorted(BASE_TYPES)))
def test_a_converted_value_is_of_its_type_and_stays_as_it_is(value, wanted):
    found = convert(value, wanted)

    assert found is ABSENT or isinstance(found, BASE_TYPES[wanted])
    assert convert(found, wanted) == found or wanted in ("StringList", "String")
