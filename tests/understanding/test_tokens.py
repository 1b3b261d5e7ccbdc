"""Tokens of a prompt, and the type that a value's form gives it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.understanding.tokens import tokenize, value_type

pytestmark = pytest.mark.fast


def texts(prompt):
    return [token.text for token in tokenize(prompt)]


def test_punctuation_at_the_edges_goes_and_within_stays():
    assert texts("Stop pg-main.eu, (now)!") == ["Stop", "pg-main.eu", "now"]


def test_a_quoted_span_is_one_token():
    tokens = tokenize("tag 'web server' with \"a b\" and `c d`")
    assert [(token.text, token.quoted) for token in tokens if token.quoted] == [
        ("web server", True), ("a b", True), ("c d", True),
    ]  # fmt: skip


def test_an_apostrophe_quotes_nothing():
    assert texts("don't stop ana's box") == ["don't", "stop", "ana's", "box"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CostCentre=4711", "key_value"), ("12", "number"), ("-3.5", "number"), ("100GB", "size"), ("40gib", "size"),
        ("15min", "duration"), ("2h", "duration"), ("t3.large", "instance_type"), ("db.r6g.2xlarge", "instance_type"),
        ("jenkins", "text"), ("10.0.0.1", "text"), ("=x", "text"),
    ],
)  # fmt: skip
def test_the_type_of_a_value(text, expected):
    assert value_type(text) == expected


@given(st.text())
def test_any_text_can_be_split_and_no_token_is_empty(prompt):
    for token in tokenize(prompt):
        assert token.text.strip()
        assert token.text in prompt
