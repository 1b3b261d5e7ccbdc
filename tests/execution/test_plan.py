"""Hashes bind an approval to content: other content, other hash; same content, same hash."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudops_nb.execution.plan import (
    Effect,
    Level,
    NestedDocument,
    Observation,
    Plan,
    StoreParameter,
    canonical_json,
    intent_hash,
    plan_hash,
)
from cloudops_nb.execution.serialisation import plan_from_dict, plan_to_dict
from cloudops_nb.model import PlaybookRef

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.fast

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
#: Fields that say how a plan is shown, which the journal's record binds instead of the hash.
SHOWN = {
    "id", "hash", "intent_hash", "created", "title", "account_name", "reasons", "rollback", "checks", "explanation",
    "not_checked", "replaces",
}  # fmt: skip
OTHER: dict[str, Any] = {
    "expires": datetime(2026, 5, 1, tzinfo=UTC),
    "playbook": PlaybookRef("rds-stop", "1.0.0", "cd" * 32),
    "account_id": "210987654321",
    "region": "us-east-1",
    "environment": "production",
    "principal": "arn:aws:iam::123456789012:role/Other",
    "parameters": {"Force": True},
    "allowed_states": ("stopped",),
    "effect": Effect.DESTRUCTIVE,
    "level": Level.CRITICAL,
    "phrase": "terminate i-1",
    "max_concurrency": 2,
    "max_errors": 1,
    "rolls_back": "another execution",
    "once": True,
    "automation_id": "22222222-2222-4222-8222-222222222222",
    "store_parameters": (StoreParameter("/app/size", "String", "2", 1),),
    "observations": (Observation("check", "ec2:DescribeInstances", "$.State", "running", "running", holds=True),),
    "nested": (NestedDocument("restart", PlaybookRef("ec2-start", "1.0.0", "cd" * 32)),),
    "format": 3,
}


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(JSON, JSON)
def test_canonical_json_is_the_same_only_for_the_same_data(left: Any, right: Any) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (canonical_json(left) == canonical_json(right)) == same


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_the_order_of_keys_does_not_matter(data: dict[str, Any]) -> None:
    assert canonical_json(data) == canonical_json(dict(reversed(data.items())))


@given(JSON)
def test_tuples_and_lists_are_the_same(value: Any) -> None:
    assert canonical_json([value, value]) == canonical_json((value, value))


def test_times_are_the_same_in_every_zone() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert canonical_json(now) == canonical_json(now.astimezone(timezone(timedelta(hours=5))))


@pytest.mark.parametrize("value", [{1: "a"}, b"ab", float("nan"), float("inf"), object(), {"a": [{None: 1}]}])
def test_data_without_one_form_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="canonical form"):
        canonical_json(value)


@settings(max_examples=40)
@given(parameters=st.dictionaries(st.text(), JSON), other=st.dictionaries(st.text(), JSON))
def test_other_parameters_give_another_hash(a_plan: Plan, parameters: dict[str, Any], other: dict[str, Any]) -> None:
    left, right = replace(a_plan, parameters=parameters), replace(a_plan, parameters=other)
    same = canonical_json(parameters) == canonical_json(other)
    assert (intent_hash(left) == intent_hash(right)) == same
    assert (plan_hash(left) == plan_hash(right)) == same


@settings(max_examples=40)
@given(parameters=st.dictionaries(st.text(), JSON), fingerprint=st.dictionaries(st.text(), JSON))
def test_a_plan_comes_back_from_the_journal_with_its_hashes(
    a_plan: Plan, parameters: dict[str, Any], fingerprint: dict[str, Any]
) -> None:
    targets = tuple(replace(target, fingerprint=fingerprint) for target in a_plan.target_states)
    plan = replace(a_plan, parameters=parameters, target_states=targets)
    again = plan_from_dict(plain(plan_to_dict(plan)))
    assert again == plan
    assert (intent_hash(again), plan_hash(again)) == (intent_hash(plan), plan_hash(plan))


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Plan)} - SHOWN))
def test_every_acting_field_is_in_the_hash(a_plan: Plan, name: str) -> None:
    edit: dict[str, Callable[[], Any]] = {
        "target_states": lambda: a_plan.target_states[::-1],
        "steps": lambda: a_plan.steps[:-1],
    }
    value = edit[name]() if name in edit else OTHER[name]
    assert plan_hash(replace(a_plan, **{name: value})) != plan_hash(a_plan)


@pytest.mark.parametrize(
    ("name", "value"),
    [("identifier", "i-9"), ("arn", "arn:x"), ("resource_type", "rds_instance"), ("environment", "production")],
)
def test_every_acting_field_of_a_target_is_in_the_intent(a_plan: Plan, name: str, value: str) -> None:
    first, *others = a_plan.target_states
    edit: dict[str, Any] = {name: value}
    edited = replace(a_plan, target_states=(replace(first, **edit), *others))
    assert intent_hash(edited) != intent_hash(a_plan)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "other"),
        ("action", "aws:sleep"),
        ("target", "arn:x"),
        ("service", "rds"),
        ("api", "TerminateInstances"),
        ("parameters", {"InstanceIds": ["i-9"]}),
        ("effect", Effect.READ),
    ],
)
def test_every_acting_field_of_a_step_is_in_the_intent(a_plan: Plan, name: str, value: Any) -> None:
    first, *others = a_plan.steps
    assert intent_hash(replace(a_plan, steps=(replace(first, **{name: value}), *others))) != intent_hash(a_plan)


def test_live_state_and_expiry_are_in_the_plan_hash_but_not_in_the_intent(a_plan: Plan) -> None:
    first, *others = a_plan.target_states
    drifted = replace(a_plan, target_states=(replace(first, fingerprint={"state": "stopped"}), *others))
    later = replace(a_plan, expires=a_plan.expires + timedelta(minutes=1))
    assert intent_hash(drifted) == intent_hash(later) == intent_hash(a_plan)
    assert len({plan_hash(drifted), plan_hash(later), plan_hash(a_plan)}) == 3


def test_a_plan_is_production_when_its_account_or_a_target_is(a_plan: Plan) -> None:
    first, *others = a_plan.target_states
    assert not a_plan.production
    assert replace(a_plan, environment="production").production
    assert replace(a_plan, target_states=(replace(first, environment="production"), *others)).production


def test_the_targets_of_a_plan_are_arns(a_plan: Plan) -> None:
    assert a_plan.targets == tuple(target.arn for target in a_plan.target_states)
