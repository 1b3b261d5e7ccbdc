"""Compiled selectors give what jmespath's interpreter gives."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.declarations.selectors import _OPTIONS, fields, select
from cloudops_nb.specs.checks.botocore_models import operation, sample
from cloudops_nb.specs.checks.selector_checks import item_selectors
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = pytest.mark.fast

#: One of each kind of node, in addition to those in the declarations.
_OTHERS = (
    "a[0]", "a[-1].b", "a[1:]", "a[*].b", "a.*.b", "a[].b[]", "a[?b].c", "a[?b == 'x'].c", "a[?!b]", "a || b", "a && b",
    "!a", "a == `0`", "a == b", "a != `true`", "a < b", "a >= `1`", "[a, b]", "{x: a, y: b}", "a | [0]", "@",
    "length(a)", "sort_by(a, &b)", "not_null(a, b, 'x')", "a.b.c", "a == `[]`", "a == `true`", "a == 'x'", "'x' == a",
    "a != 'x'",
)  # fmt: skip


@cache
def _selectors() -> Sequence[str]:
    """Return every selector of the bundled specs, and the others."""
    return sorted({selector for spec in bundled_specs() for _, selector in item_selectors(spec)} | set(_OTHERS))


_PLAIN = st.sampled_from(
    [None, True, False, 0, 1, 2, 1.0, "", "x", "running", "arn:aws:sqs:eu-west-1:1:q", "{}", "a/b"]
)


_KEYS = st.integers(0, 11)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5)


#: Data whose fields have numbers in place of names, so that hypothesis makes one strategy for all selectors.
_DATA = st.recursive(_PLAIN, _deeper, max_leaves=12) | st.dictionaries(
    _KEYS, st.recursive(_PLAIN, _deeper, max_leaves=6), min_size=1
)


def _named(data: Any, names: list[str]) -> Any:
    """Return data with names in the place of its fields' numbers."""
    if isinstance(data, dict):
        return {names[key % len(names)]: _named(value, names) for key, value in data.items()}
    return [_named(each, names) for each in data] if isinstance(data, list) else data


def _outcome(find: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "found", find()
    except Exception as error:  # noqa: BLE001 - the errors are compared
        return type(error).__name__, str(error)


def _as_jmespath(selector: str, data: Any) -> bool:
    found = _outcome(lambda: select(selector, data))
    # repr tells 1 from True and 1.0.
    return repr(found) == repr(_outcome(lambda: jmespath.compile(selector).search(data, _OPTIONS)))


@given(_DATA, st.deferred(lambda: st.sampled_from(_selectors())))
def test_a_selector_finds_what_jmespath_finds(data: Any, selector: str) -> None:
    assert _as_jmespath(selector, _named(data, [*sorted(fields(selector)), "a"]))


@given(_DATA, st.sampled_from(_OTHERS))
def test_every_kind_of_node_finds_what_jmespath_finds(data: Any, selector: str) -> None:
    assert _as_jmespath(selector, _named(data, ["a", "b", "c"]))


def test_truth_and_equality_are_those_of_jmespath() -> None:
    odd = [0, 1, 1.0, True, False, "", "x", None, [], {}, [[1], 2, [[3]]]]
    alone = [{"a": one} for one in odd] + [{"a": one, "b": other} for one in odd for other in odd]
    listed = [{"a": [{"b": one, "c": 1}, {"b": "x", "c": None}, {"b": {"c": one}}]} for one in odd]
    asked = [(selector, data) for selector in _OTHERS for data in (*odd, *alone, *listed)]
    assert [(selector, data) for selector, data in asked if not _as_jmespath(selector, data)] == []


@pytest.mark.parametrize(
    "selector",
    ["a < 'x'", "a >= 'b'", "'x' != a", "contains(a)", "length(a, a)", "not_null()", "no_such(a)", "join(a, b)"],
)
def test_ordered_texts_and_wrong_function_calls_end_as_in_jmespath(selector: str) -> None:
    for a in ("a", "x", "z", 1, None, ["x"], {"x": 1}):
        assert _as_jmespath(selector, {"a": a, "b": ["y", "z"]})


def test_every_selector_of_the_specs_finds_what_jmespath_finds_in_an_item() -> None:
    for spec in bundled_specs():
        model = operation(spec.service, spec.list.operation)
        answer = sample(model.output_shape) if model and model.output_shape else {}
        listed = select(spec.list.items, answer) or [{}]
        for _, selector in item_selectors(spec):
            assert _as_jmespath(selector, listed[0]), f"{spec.resource_type}: {selector}"
