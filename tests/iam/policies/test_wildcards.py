"""Patterns, compared with a plain recursive matcher."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudops_nb.iam.policies.wildcards import HOLE, may_match, pattern_matcher, split_pattern

pytestmark = pytest.mark.fast
patterns = st.text("ab*?", max_size=7)
texts = st.text("abc", max_size=7)


def matches_plainly(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return matches_plainly(pattern[1:], text) or (bool(text) and matches_plainly(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and matches_plainly(pattern[1:], text[1:])


@settings(max_examples=500, deadline=None)
@given(pattern=patterns, text=texts)
def test_a_pattern_matches_what_its_definition_says(pattern: str, text: str) -> None:
    assert pattern_matcher(split_pattern(pattern))(text) is matches_plainly(pattern, text)


@settings(max_examples=200, deadline=None)
@given(pattern=patterns, text=st.text(f"ab{HOLE}", max_size=4))
def test_a_text_with_holes_may_match_exactly_if_some_filling_does(pattern: str, text: str) -> None:
    fillings = ["".join(letters) for size in (1, 2, 3) for letters in product("abc", repeat=size)]
    filled = [_filled(text, chosen) for chosen in product(fillings, repeat=min(text.count(HOLE), 2))]
    if text.count(HOLE) <= 2:
        # Where more than three characters are asked for in one hole, none of these fillings is long enough.
        assert may_match(split_pattern(pattern), text) or not any(matches_plainly(pattern, one) for one in filled)
    if pattern_matcher(split_pattern(pattern))(text):
        assert may_match(split_pattern(pattern), text)
        assert all(matches_plainly(pattern, one) for one in filled)


@settings(max_examples=300, deadline=None)
@given(pattern=st.text("ab:*?", max_size=6), text=st.text(f"a:{HOLE}", max_size=5))
def test_a_hole_stands_for_no_character_that_is_kept_from_it(pattern: str, text: str) -> None:
    fillings = ["".join(letters) for size in (1, 2, 3) for letters in product("ab", repeat=size)]
    filled = [_filled(text, chosen) for chosen in product(fillings, repeat=min(text.count(HOLE), 2))]
    if text.count(HOLE) <= 2:
        possible = may_match(split_pattern(pattern), text, without=":")
        assert possible or not any(matches_plainly(pattern, one) for one in filled)
        # Three characters a hole are enough wherever the pattern asks for no more.
        if possible and len(pattern) <= 3:
            assert any(matches_plainly(pattern, one) for one in filled)


@pytest.mark.parametrize(
    ("pattern", "text", "possible"),
    [
        ("snap-*", HOLE, True),
        ("db:pg-*", f"db:{HOLE}", True),
        ("db:pg-*", f"cluster:{HOLE}", False),
        ("db:", f"db:{HOLE}", False),
        ("db:?", f"db:{HOLE}", True),
        ("*x", f"db:{HOLE}y", False),
        ("", HOLE, False),
    ],
)
def test_a_hole_stands_for_at_least_one_character(pattern: str, text: str, *, possible: bool) -> None:
    assert may_match(split_pattern(pattern), text) is possible


def test_only_an_asterisk_is_sure_to_match_a_hole() -> None:
    assert pattern_matcher(split_pattern("db:*"))(f"db:{HOLE}")
    assert not pattern_matcher(split_pattern("db:?"))(f"db:{HOLE}")
    assert not pattern_matcher(split_pattern("db:??"))(f"db:{HOLE}")


@pytest.mark.timeout(20)
def test_no_pattern_takes_long() -> None:
    hostile = pattern_matcher(split_pattern("a*" * 200 + "b"))
    assert not hostile("a" * 5_000)
    assert not may_match(split_pattern("a*" * 200 + "b"), "a" * 500 + HOLE + "c")


def _filled(text: str, chosen: tuple[str, ...]) -> str:
    parts = text.split(HOLE)
    values = [*chosen, *[chosen[-1] if chosen else ""] * len(parts)]
    return "".join(part + value for part, value in zip(parts, [*values[: len(parts) - 1], ""], strict=True))
