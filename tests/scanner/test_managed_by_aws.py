"""What AWS manages is denied whatever the policies allow; what AWS does allow stays allowed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cloudops_nb.model import Account, IamPermissions, Resource, Ternary
from cloudops_nb.scanner.reading.resource_builder import ListedItem, ListingContext, build_resource
from cloudops_nb.specs.files import bundled_specs
from cloudops_nb.specs.managed_by_aws import all_managed_rules
from tests.scanner.unjudged import Unjudged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.specs.model import ResourceSpec

pytestmark = pytest.mark.fast
CASES: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]] = yaml.safe_load(
    Path(__file__).with_name("managed_by_aws_cases.yaml").read_text(encoding="utf-8")
)


@cache
def specs() -> Mapping[str, ResourceSpec]:
    return {spec.resource_type: spec for spec in bundled_specs()}


class EverythingAllowed(Unjudged):
    """Policies that allow every action."""

    def permissions(self, actions: Sequence[str], *_: Any, **__: Any) -> IamPermissions:
        reasons = dict.fromkeys(actions, "allowed by policy Admin, statement 1")
        return IamPermissions(allowed=tuple(actions), principal="arn:aws:iam::123456789012:role/Admin", reasons=reasons)


def built(resource_type: str, data: Mapping[str, Any], unread: Mapping[str, str] | None = None) -> Resource:
    account = Account("prod", "123456789012")
    around = ListingContext(account, "aws", "eu-west-1", EverythingAllowed(), datetime.now(UTC))
    return build_resource(specs()[resource_type], ListedItem(data, unread or {}), around)


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(resource_type, item, id=f"{resource_type}-{number}")
        for resource_type, found in CASES.items()
        for number, item in enumerate(found[kind])
    ]


def test_each_type_of_the_table_is_scanned_with_these_actions_and_has_cases() -> None:
    assert set(CASES) == set(all_managed_rules())
    for resource_type, rules in all_managed_rules().items():
        assert len(CASES[resource_type]["managed"]) == len(rules)
        for rule in rules:
            assert set(rule.refuses) <= set(specs()[resource_type].actions), resource_type


@pytest.mark.parametrize(("resource_type", "item"), cases("managed"))
def test_what_aws_manages_is_denied_and_the_rest_stays_allowed(resource_type: str, item: Mapping[str, Any]) -> None:
    found = built(resource_type, item)
    denied = set(found.iam.denied)
    assert denied in [set(rule.refuses) for rule in all_managed_rules()[resource_type]]
    assert {found.iam.reasons[action].partition(":")[0] for action in denied} == {"managed by AWS"}
    assert set(found.iam.allowed) == set(specs()[resource_type].actions) - denied
    assert not found.iam.unknown
    if any(action.partition(":")[2].startswith(("Delete", "ScheduleKeyDeletion")) for action in denied):
        assert found.constraints.can_delete.value is Ternary.FALSE


@pytest.mark.parametrize(("resource_type", "item"), cases("own"))
def test_the_accounts_own_resources_keep_their_verdicts(resource_type: str, item: Mapping[str, Any]) -> None:
    found = built(resource_type, item)
    assert found.iam.allowed == specs()[resource_type].actions
    assert not found.iam.denied
    assert not found.iam.unknown


def test_what_may_be_managed_by_aws_is_unknown_where_the_response_is_missing() -> None:
    item = {"KeyId": "k", "KeyArn": "arn:aws:kms:eu-west-1:123456789012:key/k"}
    found = built("kms_key", item, {"description": "AccessDenied: kms:DescribeKey"})
    (rule,) = all_managed_rules()["kms_key"]
    assert set(found.iam.unknown) == set(rule.refuses)
    assert found.iam.reasons["kms:DisableKey"].startswith("AWS may manage it: its description could not be read")


def test_moving_actions_keeps_the_outcomes_disjoint_and_the_others_as_they_are() -> None:
    before = IamPermissions(("a", "b"), ("c",), ("d",), "arn", {"a": "1", "b": "2", "c": "3", "d": "4"})
    denied = before.with_denied(["b", "d", "other"], "why")
    assert (denied.allowed, denied.denied, denied.unknown) == (("a",), ("c", "b", "d"), ())
    assert denied.reasons == {"a": "1", "b": "why", "c": "3", "d": "why"}
    assert before.with_denied(["other"], "why") is before
    assert before.with_unknown(["a"], "why").unknown == ("d", "a")


def test_what_aws_may_refuse_is_not_allowed_by_the_account() -> None:
    before = IamPermissions(unknown=("a", "b"), allowed_by_account=("a", "b"))
    assert before.with_denied(["a"], "why").allowed_by_account == ("b",)
    assert before.with_unknown(["a"], "why").allowed_by_account == ("b",)


class AllowedByTheAccount(Unjudged):
    """Policies that allow every action, in an organization that was not read."""

    def permissions(self, actions: Sequence[str], *_: Any, **__: Any) -> IamPermissions:
        return IamPermissions(unknown=tuple(actions), allowed_by_account=tuple(actions))


def test_what_may_be_managed_by_aws_is_not_allowed_by_the_account() -> None:
    around = ListingContext(Account("prod", "1" * 12), "aws", "eu-west-1", AllowedByTheAccount(), datetime.now(UTC))
    item = {"KeyId": "k", "KeyArn": "arn:aws:kms:eu-west-1:111111111111:key/k"}
    found = build_resource(specs()["kms_key"], ListedItem(item, {"description": "AccessDenied: no"}), around)
    (rule,) = all_managed_rules()["kms_key"]
    assert not set(found.iam.allowed_by_account) & set(rule.refuses)
    assert set(found.iam.allowed_by_account) | set(rule.refuses) >= set(found.iam.unknown)
