"""A resource's permissions depend on its own policy, its tags and its region; missing parts are named."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudops_nb.iam import Policy, Principal, PrincipalKind, PrincipalPolicies
from cloudops_nb.model import Account, IamPermissions
from cloudops_nb.scanner.policies.verdicts import AccountVerdicts
from cloudops_nb.scanner.reading.resource_builder import NOT_REQUESTED, ListedItem, ListingContext, build_resource
from cloudops_nb.specs.files import parse_specs

pytestmark = pytest.mark.fast

ACCOUNT = Account(name="prod", account_id="123456789012")
OPERATOR = Principal(PrincipalKind.ROLE, "arn:aws:iam::123456789012:role/Operator", "aws", "123456789012", "Operator")
PURGE, DELETE = "sqs:PurgeQueue", "sqs:DeleteQueue"
SPEC = """
service: sqs
types:
  - resource_type: sqs_queue
    cloudformation_type: AWS::SQS::Queue
    list: {operation: ListQueues, items: QueueUrls}
    identifier: Url
    arn_template: "arn:{partition}:sqs:{region}:{account_id}:{identifier}"
    details:
      - {into: attributes, operation: GetQueueAttributes, parameters: {QueueUrl: Url}}
      - {into: tagging, operation: ListQueueTags, parameters: {QueueUrl: Url}}
    tags: {style: map, path: tagging.Tags}
    actions: [sqs:PurgeQueue, sqs:DeleteQueue]
    resource_policy: RESOURCE_POLICY
"""


def _statement(effect: str, *actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": list(actions), "Resource": "*", **more}


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _judged(
    data: dict[str, Any],
    *statements: dict[str, Any],
    resource_policy: str = "{path: attributes.Attributes.Policy}",
    unread: dict[str, str] | None = None,
) -> IamPermissions:
    identity = [Policy.parse(_document(*statements), name="operate")]
    verdicts = AccountVerdicts(lambda: PrincipalPolicies(principal=OPERATOR, tags={}, identity=identity))
    (spec,) = parse_specs(SPEC.replace("RESOURCE_POLICY", resource_policy), "mine.yaml")
    around = ListingContext(ACCOUNT, "aws", "eu-west-1", verdicts, datetime.now(UTC))
    return build_resource(spec, ListedItem({"Url": "jobs", **data}, unread or {}), around).iam


ALLOW = _statement("Allow", "sqs:*", Sid="Queues")
HANDS_OFF = _statement("Deny", PURGE, Principal="*", Sid="HandsOff")


def test_an_action_that_the_policies_allow_is_allowed_and_names_the_statement() -> None:
    found = _judged({"attributes": {"Attributes": {}}, "tagging": {}}, ALLOW)
    assert set(found.allowed) == {PURGE, DELETE}
    assert found.principal == OPERATOR.arn
    assert "operate" in found.reasons[PURGE]
    assert "Queues" in found.reasons[PURGE]


@pytest.mark.parametrize("as_data", [False, True], ids=["as text", "as data"])
def test_the_resources_own_policy_counts(as_data: bool) -> None:
    policy = _document(HANDS_OFF)
    found = _judged(
        {"attributes": {"Attributes": {"Policy": json.loads(policy) if as_data else policy}}, "tagging": {}}, ALLOW
    )
    assert list(found.denied) == [PURGE]
    assert "HandsOff" in found.reasons[PURGE]
    assert list(found.allowed) == [DELETE]


@pytest.mark.parametrize("policy", ["", None])
def test_a_resource_without_a_policy_has_none(policy: str | None) -> None:
    found = _judged({"attributes": {"Attributes": {"Policy": policy}}, "tagging": {}}, ALLOW)
    assert set(found.allowed) == {PURGE, DELETE}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"resource_policy": "{}"}, "which a scan does not read"),
        ({"unread": {"attributes": "AccessDenied: no"}}, "its attributes could not be read: AccessDenied: no"),
        ({"unread": {"attributes": NOT_REQUESTED}}, "read only by a scan with every detail"),
        ({"resource_policy": "{path: 'parsed_json(attributes.Attributes.Name)'}"}, "unexpected form"),
        ({"resource_policy": "{path: attributes.Attributes.Name}"}, "is not a valid policy"),
    ],
)
def test_an_own_policy_that_is_not_known_leaves_unknown_what_it_could_deny(given: dict[str, Any], why: str) -> None:
    found = _judged(
        {"attributes": {"Attributes": {"Name": "no policy {"}}, "tagging": {}},
        ALLOW,
        _statement("Deny", DELETE),
        **given,
    )
    assert list(found.unknown) == [PURGE]
    assert why in found.reasons[PURGE]
    assert list(found.denied) == [DELETE], "an explicit deny stands, whatever else is not known"


TAGGED = _statement("Allow", PURGE, Condition={"StringEquals": {"aws:ResourceTag/Team": "ops"}})


@pytest.mark.parametrize(
    ("tagging", "unread", "verdict"),
    [
        ({"Tags": {"Team": "ops"}}, {}, "allowed"),
        ({"Tags": {"Team": "web"}}, {}, "denied"),
        ({}, {}, "denied"),
        (None, {"tagging": "Throttling: slow down"}, "unknown"),
    ],
)
def test_a_condition_on_tags_is_decided_only_by_tags_that_were_read(
    tagging: dict[str, Any] | None, unread: dict[str, str], verdict: str
) -> None:
    data = {"attributes": {"Attributes": {}}} | ({} if tagging is None else {"tagging": tagging})
    assert PURGE in getattr(_judged(data, TAGGED, unread=unread), verdict)


@pytest.mark.parametrize(("region", "verdict"), [("eu-west-1", "allowed"), ("us-east-1", "denied")])
def test_the_region_that_is_called_counts(region: str, verdict: str) -> None:
    only = _statement("Allow", PURGE, Condition={"StringEquals": {"aws:RequestedRegion": region}})
    found = _judged({"attributes": {"Attributes": {}}, "tagging": {}}, only)
    assert PURGE in getattr(found, verdict)


def test_policies_are_read_once_and_only_if_an_action_is_judged() -> None:
    reads: list[int] = []

    def read() -> PrincipalPolicies:
        reads.append(1)
        return PrincipalPolicies(principal=OPERATOR, tags={}, identity=[])

    verdicts = AccountVerdicts(read)
    where: dict[str, Any] = {"account_id": "123456789012", "region": "eu-west-1", "tags": {}}
    verdicts.permissions([], "arn:aws:sqs:eu-west-1:123456789012:jobs", **where)
    assert not reads
    for _ in range(3):
        verdicts.permissions([PURGE], "arn:aws:sqs:eu-west-1:123456789012:jobs", **where)
    assert len(reads) == 1
