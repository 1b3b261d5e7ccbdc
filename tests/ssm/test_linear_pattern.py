from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.linear_pattern import linear_pattern

pytestmark = pytest.mark.fast

ATOMS = [
    "a", "b", "A", "1", "-", ".", "[ab]", "[^a]", "[a-b1]", "[^a-zA]", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S",
    r"[\w-]", r"[^\d\s]", r"[\Sa]", r"\n", "é", r"\.", "(?:)", "^", "$", r"\A", r"\Z", r"\b", r"\B", "[A-Z]",
]  # fmt: skip
LOOKS = ["(?=a)", "(?!b)", "(?<=a)", "(?<!b)", "(?=.*1)", "(?!.*-)", "(?<=[ab]1)", "(?!$)", "(?=a|b$)"]
REPEATS = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "+?", "??"]
#: Also counts the marks of groups.
MOST_REPEATS = 7
GROUPS = ["({})", "(?:{})", "(?i:{})", "(?s:{})", "(?P<n>{})", "(?-i:{})", "(?=({}))", "(?!({}))"]
texts = st.text("abA1-. \né٣", max_size=6)


def _inside(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.lists(parts, max_size=3).map("".join)
    grouped = st.builds(str.format, st.sampled_from(GROUPS), st.lists(joined, min_size=1, max_size=3).map("|".join))
    return st.builds(str.__add__, grouped, st.sampled_from(REPEATS))


atoms = st.builds(str.__add__, st.sampled_from(ATOMS), st.sampled_from(REPEATS)) | st.sampled_from(LOOKS)
patterns = st.builds(
    str.__add__,
    st.sampled_from(["", "", "(?i)", "(?s)", "(?m)", "(?im)"]),
    st.lists(st.recursive(atoms, _inside, max_leaves=3), max_size=4).map("".join),
)


@settings(max_examples=200, deadline=None)
@given(patterns, st.lists(texts, max_size=6))
def test_a_pattern_matches_what_the_standard_library_matches(pattern, candidates):
    # The standard library takes exponential time for some patterns with more.
    assume(sum(map(pattern.count, "*+{?")) <= MOST_REPEATS)
    try:
        # Java, in which Systems Manager is written, means the letters and digits of ASCII.
        expected = re.compile(pattern, re.ASCII)
    except re.error:
        with pytest.raises(PlaybookError):
            linear_pattern(pattern)
        return

    # Before Python 3.14, \B never matches in an empty text; in Java it does.
    for text in ["a", "ab", "a1", *([] if r"\B" in pattern else [""]), *filter(None, candidates)]:
        assert linear_pattern(pattern).fullmatch(text) == bool(expected.fullmatch(text)), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("^i-[0-9a-f]{8,17}$", "i-0123456789abcdef0", "i-0123"),
        ("^(?!.*--)[a-z-]+(?<!-)$", "a-b", "a--b"),
        ("^(?!-)(?=.{1,5}$)[a-z-]+$", "a-b", "-ab"),
        (r"^$|^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/[\w+=,.@_/-]+$", "arn:aws:iam::123456789012:role/x", "arn:aws"),
        (r"[\w-/]+", "a/b-c", "a b"),
        (r"[ -\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF]*", "text 😀", "\x07"),
        (r"\d+", "12", "٣"),
        ("(?i)i", "I", "\u0131"),
    ],
)
def test_patterns_of_published_documents_are_matched_as_java_does(pattern, matching, other):
    assert linear_pattern(pattern).fullmatch(matching)
    assert not linear_pattern(pattern).fullmatch(other)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)*b", "(.*)*b", "(a*)*(a*)*b", "(?=(a+)+b)a*", "(a{0,60}){0,60}b"])
def test_no_pattern_takes_exponential_time(pattern):
    begin = time.thread_time()

    assert not linear_pattern(pattern).fullmatch("a" * 300)
    assert time.thread_time() - begin < 10


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a)\1", "a back-reference needs backtracking"),
        ("(a)?(?(1)b|c)", "a conditional group needs backtracking"),
        ("a++", "a possessive quantifier needs backtracking"),
        ("(?>a)", "an atomic group needs backtracking"),
        ("(?:a{1000}){1000}", "its repeats are too large"),
        ("[a", "unterminated character set"),
        ("(", "missing"),
    ],
)
def test_a_pattern_that_cannot_be_matched_in_linear_time_is_refused(pattern, why):
    with pytest.raises(PlaybookError, match=why):
        linear_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,16}$", "Größe 1_é", "a#"),
        (r"^\p{Lu}\P{Lu}+$", "Übung", "übung"),
        (r"^\pL+$", "абв", "1"),
        (r"^[^\p{L}]+$", "12", "1a"),
        (r"^\p{Alpha}\p{Alnum}*$", "a1", "é1"),
        (r"^\p{IsAlpha}$", "a", "1"),
        (r"\A(?<account>\d{12})\z", "123456789012", "1"),
        (r"^(?i)arn:a|b$", "ARN:A", "arn:c"),
        (r"^(x(?i)y|z)Z$", "xYZ", "XYZ"),
        (r"^\Qa.b(\E+$", "a.b((", "axb("),
        (r"^\h[\h]$", " \t", "  x"),
        (r"^\x{1F600}\uD83D\uDE00$", "\U0001f600\U0001f600", "\U0001f600"),
        (r"^[\w-/]+$", "a-/", "a."),
        (r"^[(|)\]]+$", "(|)]", "x"),
    ],
)
def test_forms_that_java_alone_has_are_read(pattern, matching, other):
    assert linear_pattern(pattern).fullmatch(matching)
    assert not linear_pattern(pattern).fullmatch(other)


def test_a_property_that_does_not_exist_is_named():
    with pytest.raises(PlaybookError, match=r"no property \\p\{Klingon\}"):
        linear_pattern(r"^\p{Klingon}$")
