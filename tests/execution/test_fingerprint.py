"""The live state, as a playbook sees it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from cloudops_nb.errors import PlanError
from cloudops_nb.execution.executor import ApiCall, CallResult
from cloudops_nb.execution.fingerprint import Live, differences, plain, read_live
from cloudops_nb.ssm.metadata import Fingerprint

pytestmark = pytest.mark.fast


class Answers:
    """An executor that gives one answer and keeps the call."""

    def __init__(self, **data: Any) -> None:
        self.data = data

    def call(self, call: ApiCall) -> CallResult:
        self.asked = call
        return CallResult(data=self.data)


def read(executor: Answers) -> Live:
    projection = {"state": "$.State", "since": "$.Since"}
    specification = Fingerprint(
        service="rds", api="DescribeDBInstances", parameters={"Id": "{{ Id }}"}, projection=projection
    )
    return read_live(specification, {"Id": "a"}, account_id="1", region="r", executor=executor)


def test_only_the_projection_is_kept_and_it_is_json() -> None:
    executor = Answers(State="on", Since=datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), Noise=5)
    assert read(executor).fingerprint == {"state": "on", "since": "2026-01-01T00:00:00+00:00"}
    assert executor.asked.parameters == {"Id": "a"}
    assert not executor.asked.changes


def test_an_answer_without_a_state_is_no_fingerprint() -> None:
    with pytest.raises(PlanError, match="shows no state"):
        read(Answers(Since=None))


def test_anything_else_becomes_text() -> None:
    assert plain({"a": [Decimal("1.5"), {1: (True, None, 2.5)}]}) == {"a": ["1.5", {"1": [True, None, 2.5]}]}
    assert plain([float("nan"), float("inf"), float("-inf")]) == ["NaN", "Infinity", "-Infinity"]


def test_differences_name_each_field_old_and_new() -> None:
    assert differences({"state": "on", "same": 1}, {"state": "off", "same": 1, "ip": "x"}) == [
        "ip: none -> x",
        "state: on -> off",
    ]


@pytest.mark.parametrize("listed", ["Tags", "TagList", "TagSet"])
def test_the_tags_are_those_of_what_holds_the_state(listed: str) -> None:
    mine, other = [{"Key": "Env", "Value": "prod"}, {"Key": "bare"}], [{"Key": "Env", "Value": "dev"}]
    answer = {"Groups": [{"Things": [{"State": {"Name": "on"}, listed: mine}, {listed: other}], listed: other}]}
    state = "$.Groups[0].Things[0].State.Name"
    specification = Fingerprint.model_validate(
        {"service": "ec2", "api": "DescribeInstances", "parameters": {}, "projection": {"state": state}}
    )
    live = read_live(specification, {}, account_id="1", region="r", executor=Answers(**answer))
    assert live.tags == {"Env": "prod", "bare": ""}


def test_an_answer_without_tags_says_nothing_about_them() -> None:
    assert read(Answers(State="on", Since="", Tags="none of ours")).tags is None
