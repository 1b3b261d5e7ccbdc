from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.declarations.located_yaml import MAX_BYTES, MAX_DEPTH, read_yaml
from cloudops_nb.errors import PlaybookError

pytestmark = pytest.mark.fast

json_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(codec="utf-8", categories=["L", "N"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcXYZ", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "scalar",
    ["no", "Yes", "on", "012", "0x1f", "0o17", "1:30", "1_000", "1e3", ".5", ".inf", "2026-01-01"],
)
def test_a_scalar_that_yaml_versions_read_differently_is_refused_with_the_right_form(scalar):
    with pytest.raises(
        PlaybookError, match=rf"2:4 {re.escape(scalar)} is .* to some YAML readers: write .*'.*' if text"
    ):
        read_yaml(f"a: x\nb: {scalar}\n", "file")


@pytest.mark.parametrize(("scalar", "meant"), [("yes", "true"), ("On", "true"), ("NO", "false"), ("off", "false")])
def test_the_message_of_a_doubtful_boolean_names_the_boolean(scalar, meant):
    with pytest.raises(PlaybookError, match=f"{scalar} is {meant} to some YAML readers: write {meant}, or '{scalar}'"):
        read_yaml(f"a: {scalar}\n", "file")


@pytest.mark.parametrize(
    ("scalar", "value"), [("True", True), ("TRUE", True), ("False", False), ("~", None), ("Null", None), ("-5", -5)]
)
def test_a_scalar_that_every_yaml_version_reads_alike_has_its_value(scalar, value):
    assert read_yaml(f"a: {scalar}\n", "file").data == {"a": value}


@pytest.mark.parametrize("scalar", ["no", "012", "1:30", "true", "5", "null", "2026-01-01", "~"])
def test_a_quoted_scalar_is_text(scalar):
    assert read_yaml(f"a: '{scalar}'", "file").data == {"a": scalar}


def test_plain_scalars_that_everybody_reads_alike_keep_their_type():
    data = read_yaml("a: true\nb: 10\nc: -1.5\nd: null\ne:\nf: text here\n", "file").data

    assert data == {"a": True, "b": 10, "c": -1.5, "d": None, "e": None, "f": "text here"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\nb: *x\n", r"1:4 anchor &x is refused.*; 2:4 alias \*x is refused"),
        ("a: !!str 1\n", "1:4 tag"),
        ("a: !!python/object/apply:os.system [ls]\n", "1:4 tag"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "4:3 key c is given twice"),
        ("1: x\n", "1:1 a key must be text"),
        ("[1]: x\n", "1:1 a key must be text"),
        ("<<: {a: 1}\n", "1:1 << is a merge"),
        ("a: [1, 2\n", "2:1 is not YAML"),
        ("a: 1\n---\nb: 2\n", "2:1 is not YAML"),
        ("", "1:1 is empty"),
        ("a: \x07", r"1:4 control character U\+0007 is not allowed"),
        ("[" * (MAX_DEPTH + 1), f"1:{MAX_DEPTH + 1} is nested deeper"),
        ("[" * 30_000, f"1:{MAX_DEPTH + 1} is nested deeper"),
        ("- " * 30_000, f"1:{2 * MAX_DEPTH + 1} is nested deeper"),
        ("a: &x 1\nb: [1, 2\n", "1:4 anchor &x is refused"),
    ],
)
def test_what_a_reviewer_could_misread_is_refused_with_its_place(text, message):
    with pytest.raises(PlaybookError, match=message):
        read_yaml(text, "file")


def test_a_document_larger_than_systems_manager_takes_is_refused():
    with pytest.raises(PlaybookError, match="larger than"):
        read_yaml("a: " + "x" * MAX_BYTES, "file")


def test_all_problems_are_told_at_once_in_the_order_of_the_file():
    with pytest.raises(PlaybookError) as caught:
        read_yaml("a: no\na: 1\nb: 012\n", "file")

    assert [part.split(" ")[0] for part in caught.value.why.split("; ")] == ["1:4", "2:1", "3:4"]


def test_a_problem_deeper_than_the_data_is_placed_at_the_nearest_parent():
    located = read_yaml("a:\n  b:\n    - c\n", "file")

    assert str(located.problem(("a", "b", 7, "missing"), "gone")) == "2:3 gone"


@given(json_data)
def test_what_pyyaml_writes_with_quotes_is_read_back_equal(data):
    if data is None:
        return
    text = yaml.dump({"root": data}, Dumper=yaml.SafeDumper, default_style='"' if isinstance(data, str) else None)
    try:
        read = read_yaml(text, "file").data
    except PlaybookError as error:
        # Plain scalars and aliases that the dumper chose are refused, never read as something else.
        assert "to some YAML readers" in str(error) or "refused" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert read == {"root": data}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_playbook_error(text):
    try:
        read_yaml(text, "file")
    except PlaybookError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
