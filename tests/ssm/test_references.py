from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.references import absent_references, references, substitute, whole_reference
from cloudops_nb.ssm.values import ABSENT

pytestmark = pytest.mark.fast

scalars = st.none() | st.booleans() | st.integers() | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)
names = st.from_regex(r"(variable:)?[A-Za-z0-9_-]+|[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", fullmatch=True)
plain_text = st.text().filter(lambda text: "{{" not in text)


@given(name=names, value=values, spaces=st.sampled_from(["", " ", "  "]))
def test_a_string_that_is_one_whole_reference_becomes_the_value_with_its_type(name, value, spaces):
    replaced = substitute(f"{{{{{spaces}{name}{spaces}}}}}", {name: value})

    assert replaced == value
    assert type(replaced) is type(value)


@given(before=plain_text.filter(lambda t: not t.endswith("{")), value=st.text(), after=plain_text)
def test_inside_text_a_value_is_put_in_as_text_and_never_read_again(before, value, after):
    text = f"{before}x{{{{ Name }}}}{after}"

    assert substitute(text, {"Name": value, "other": "leak"}) == f"{before}x{value}{after}"


@given(value=values, context=st.dictionaries(names, values, max_size=3))
def test_data_without_references_comes_back_equal(value, context):
    before = copy.deepcopy(value)
    try:
        assert substitute(value, context) == before
    except PlaybookError:
        assert "{{" in str(value)
    assert value == before


@given(st.dictionaries(names, values, min_size=1, max_size=4))
def test_every_name_in_a_structure_is_found(context):
    structure = {
        "map": {name: f"{{{{ {name} }}}}" for name in context},
        "text": " ".join(f"<{{{{{n}}}}}>" for n in context),
    }

    assert references(structure) == set(context)
    assert substitute(structure, context)["map"] == context


def test_a_list_in_the_place_of_an_item_stands_for_its_items():
    assert substitute(["{{ ids }}", "c", ["{{ ids }}"]], {"ids": ["a", "b"]}) == ["a", "b", "c", ["a", "b"]]


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (5, "5"), (["a", 1], '["a",1]'), ({"k": "ü"}, '{"k":"ü"}'), ("x", "x")]
)
def test_values_inside_text_are_written_as_json(value, text):
    assert substitute("a {{ v }} b", {"v": value}) == f"a {text} b"


def test_an_unknown_reference_is_an_error_that_names_the_known_ones():
    with pytest.raises(
        PlaybookError, match=r"unknown reference \{\{ Nope \}\}: the known ones are Name, global:REGION"
    ):
        substitute(["{{ Nope }}"], {"Name": 1, "global:REGION": "eu-west-1"})


def test_a_partial_substitution_leaves_unknown_references_for_later():
    step = {"Id": "{{ Name }}", "Arn": "{{stop.Arn}}"}

    assert substitute(step, {"Name": "pg"}, partial=True) == {"Id": "pg", "Arn": "{{ stop.Arn }}"}


def test_a_partial_substitution_refuses_values_that_would_be_read_as_references_later():
    with pytest.raises(PlaybookError, match="would be read as a reference"):
        substitute("{{ Name }}", {"Name": ["{{ stop.Arn }}"]}, partial=True)


@pytest.mark.parametrize(
    "text", ["{{", "{{ }}", "{{ a b }}", "{{ a.b.c }}", "a {{ Name", "{{ ssm:/x y }}", "{{ other:x }}", "{{{{ a"]
)
def test_braces_that_open_no_reference_are_refused(text):
    with pytest.raises(PlaybookError, match="malformed reference"):
        references(text)


def test_a_reference_in_a_key_is_refused():
    with pytest.raises(PlaybookError, match="cannot be part of a key"):
        substitute({"{{ Name }}": 1}, {"Name": "x"})


def test_an_absent_value_is_empty_in_text_and_left_out_of_lists_and_maps():
    context = {"a.B": ABSENT, "c": 1}

    assert substitute("x{{ a.B }}y", context) == "xy"
    assert substitute("{{ a.B }}", context) is ABSENT
    assert substitute({"k": "{{ a.B }}", "l": ["{{ a.B }}", "{{ c }}"]}, context) == {"l": [1]}
    assert absent_references({"k": ["{{ a.B }}", "{{ c }}"]}, context) == ["a.B"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{{ a }}", "a"),
        ("{{ssm:/a/b:3}}", "ssm:/a/b:3"),
        ("{{ variable:a }}", "variable:a"),
        ("{{ nested/step.Out }}", "nested/step.Out"),
        ("x{{ a }}", ""),
        ("a", ""),
        (5, ""),
    ],
)
def test_a_whole_reference_is_told_from_other_values(text, name):
    assert whole_reference(text) == name


def test_names_that_are_left_for_later_get_the_path_of_their_document():
    step = {"Arn": "{{ stop.Arn }}", "Region": "{{ global:REGION }}"}

    found = substitute(step, {}, partial=True, scope="restart/")

    assert found == {"Arn": "{{ restart/stop.Arn }}", "Region": "{{ global:REGION }}"}
