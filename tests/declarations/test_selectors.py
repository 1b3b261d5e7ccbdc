"""Selectors: their own functions, truth, and the names of their fields."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.declarations.selectors import fields, holds, select

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("selector", "data", "expected"),
    [
        ("arn_name(A)", {"A": "arn:aws:iam::123456789012:role/svc/worker"}, "worker"),
        ("arn_name(A)", {"A": "arn:aws:lambda:eu-west-1:123456789012:function:f"}, "f"),
        ("arn_name(A)", {"A": "plain"}, "plain"),
        ("arn_name(A)", {}, None),
        ("parsed_json(A).b", {"A": '{"b": 1}'}, 1),
        ("parsed_json(A).b", {}, None),
    ],
)
def test_own_functions_return_null_for_null(selector: str, data: dict[str, Any], expected: Any) -> None:
    assert select(selector, data) == expected


@pytest.mark.parametrize(
    ("value", "true"), [(None, False), (False, False), ("", False), ([], False), (0, True), ("a", True)]
)
def test_truth_is_jmespaths(value: Any, true: bool) -> None:
    assert holds("A", {"A": value}) is true


def test_fields_are_found_at_every_depth() -> None:
    assert fields("A.B[?C=='x'].D | [0].{e: E}") == {"A", "B", "C", "D", "E"}
