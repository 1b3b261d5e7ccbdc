from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.selectors import check_selector, project, select

pytestmark = pytest.mark.fast

ANSWER = {
    "DBInstances": [
        {"DBInstanceStatus": "available", "Created": datetime(2026, 1, 2, tzinfo=UTC), "Zones": []},
        {"DBInstanceStatus": "stopped"},
    ]
}


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        ("$.DBInstances[0].DBInstanceStatus", "available"),
        ("$['DBInstances'][-1]['DBInstanceStatus']", "stopped"),
        ("$.DBInstances[0].Created", datetime(2026, 1, 2, tzinfo=UTC)),
        ("$.DBInstances[0].Zones", []),
        ("DBInstances[0].DBInstanceStatus", "available"),
        (".DBInstances[0].DBInstanceStatus", "available"),
        ("$.DBInstances[7].DBInstanceStatus", None),
        ("$.DBInstances[*].DBInstanceStatus", ["available", "stopped"]),
        ("$.DBInstances[?@.DBInstanceStatus=='stopped'].DBInstanceStatus", ["stopped"]),
        ("$.DBInstances[?(@.DBInstanceStatus=='gone')]", []),
        ("$..DBInstanceStatus", ["available", "stopped"]),
    ],
)
def test_one_place_gives_its_value_and_a_pattern_gives_a_list(selector, value):
    assert select(selector, ANSWER) == value


@pytest.mark.parametrize("selector", ["", "$.DBInstances[0", "$.a | $.b", "$.a.length()", "$.a[?("])
def test_what_is_no_jsonpath_is_refused(selector):
    with pytest.raises(PlaybookError, match="JSONPath"):
        check_selector(selector)


@given(st.lists(st.dictionaries(st.sampled_from(["Key", "Value"]), st.text(max_size=3)), max_size=5), st.randoms())
def test_a_projection_does_not_depend_on_the_order_of_a_list(tags, shuffler):
    shuffled = list(tags)
    shuffler.shuffle(shuffled)

    assert project({"tags": "$.Tags"}, {"Tags": tags}) == project({"tags": "$.Tags"}, {"Tags": shuffled})


def test_a_projection_sees_every_change_of_a_value():
    projection = {"state": "$.s", "tags": "$.t"}

    assert project(projection, {"s": "running", "t": [1, 2]}) == {"state": "running", "tags": [1, 2]}
    assert project(projection, {"s": "running", "t": [1, 3]}) != project(projection, {"s": "running", "t": [1, 2]})
    assert project(projection, {}) == {"state": None, "tags": None}


def test_an_answer_that_is_too_deep_for_a_selector_is_a_problem_of_ours():
    deep: dict[str, object] = {}
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(PlaybookError, match="a selector cannot be followed in the answer"):
        select("$..x", deep)
