from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.declarations.located_json import is_json, read_json
from cloudops_nb.declarations.located_yaml import MAX_DEPTH, read_yaml
from cloudops_nb.errors import PlaybookError

pytestmark = pytest.mark.fast

characters = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | characters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(characters, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(characters, data, max_size=4), st.sampled_from([None, 2, "\t"]), st.booleans())
def test_what_the_standard_library_writes_is_read_equal_with_a_place_for_every_value(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    if not ascii_only and any(ord(each) < 0x20 or each == "\x7f" for each in text if each not in "\n\t\r"):
        return

    located = read_json(text, "file")
    assert located.data == json.loads(text)
    assert located.positions[()] == (1, 1)
    assert all((key,) in located.positions for key in value)


@given(st.text(max_size=60))
def test_any_text_is_read_as_the_standard_library_reads_it_or_refused(text):
    try:
        found = read_json(text, "file").data
    except PlaybookError:
        return
    assert found == json.loads(text.removeprefix("\ufeff"))


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,4}", fullmatch=True), data.filter(lambda v: not isinstance(v, float)), max_size=3
    )
)
def test_json_and_yaml_give_the_same_data(value):
    text = yaml.dump(value, Dumper=yaml.SafeDumper, allow_unicode=False)
    try:
        from_yaml = read_yaml(text, "file").data
    except PlaybookError:
        return  # A plain scalar or an alias that the dumper chose.
    assert from_yaml == read_json(json.dumps(value), "file").data


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1, "b": {"c": [1, {"d": 2}]}}', (1, 26)),
        ('{\n  "a\\"{": "\\\\",\n  "b": {"c": [1,\n\t{"d": 2}]}}', (4, 3)),
    ],
)
def test_a_problem_is_placed_at_its_key(text, place):
    problem = read_json(text, "file").problem(("b", "c", 1, "d"), "here")

    assert (problem.line, problem.column) == place


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,}', "1:9 is not JSON"),
        ('{"a": NaN}', "1:1 is not JSON: NaN is no JSON number"),
        ('{"a": 1e999}', "is too large for a number"),
        ('{"a": 1}}', "1:9 is not JSON"),
        ("", "1:1 is not JSON"),
        ('{"a": {"b": 1,\n "b": 2}}', "2:2 key b is given twice"),
        ('{"a": "\x07"}', r"1:8 control character U\+0007"),
        ('{"a": "\\ud800"}', "1:2 half of a surrogate pair|1:7 half of a surrogate pair"),
        ('{"\\ud800": 1}', "1:2 half of a surrogate pair"),
        ("[" * (MAX_DEPTH + 1), f"1:{MAX_DEPTH + 1} is nested deeper"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text, message):
    with pytest.raises(PlaybookError, match=message):
        read_json(text, "file")


def test_brackets_in_texts_are_no_nesting():
    assert read_json(json.dumps({"a": "[" * 100 + '"{'}), "file").data == {"a": "[" * 100 + '"{'}


@pytest.mark.parametrize(
    ("text", "found"), [("{}", True), ("\ufeff \n{", True), ("a: {}", False), ("", False), ("[]", False)]
)
def test_json_starts_with_a_brace(text, found):
    assert is_json(text) is found
