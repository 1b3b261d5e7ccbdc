"""Random policies, principals and requests, from so few words that they often match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from cloudops_nb.iam import Policy, Principal, PrincipalKind, PrincipalPolicies, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

ACCOUNT, OTHER = "123456789012", "210987654321"
ACTIONS = (
    "sqs:PurgeQueue", "sqs:StartMessageMoveTask", "kms:DisableKey", "ec2:CreateSnapshot", "ec2:AttachVolume",
    "ec2:AcceptVpcPeeringConnection", "wafv2:DisassociateWebACL", "servicediscovery:TagResource",
)  # fmt: skip
ARNS = (
    f"arn:aws:sqs:eu-west-1:{ACCOUNT}:red",
    f"arn:aws:sqs:eu-west-1:{ACCOUNT}:blue",
    f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1",
    f"arn:aws:ec2:eu-west-1:{ACCOUNT}:volume/vol-1",
    "",
)
PATTERNS = (
    "*",
    "arn:aws:sqs:*:*:red",
    "arn:aws:sqs:*:*:${aws:PrincipalTag/team}",
    "arn:aws:ec2:*",
    "*red",
    "arn:aws:*e*",
    "arn:aws:ec2:*:*:instance/*",
    "arn:aws:sqs:*:*:${aws:ResourceTag/team}",
)
KEYS = (
    "aws:SourceIp", "aws:ResourceTag/team", "aws:PrincipalTag/team", "sqs:mode", "aws:PrincipalOrgID",
    "aws:RequestedRegion", "aws:ResourceAccount",
)  # fmt: skip
VALUES = ("red", "blue", "10.0.0.1", "${aws:PrincipalTag/team}", "7", "eu-west-1", ACCOUNT)
CONTEXT_VALUES = ("red", "blue", "10.0.0.1", "7", "")
OPERATORS = (
    "StringEquals", "StringNotEquals", "StringLikeIfExists", "StringNotEqualsIfExists", "IpAddress", "NotIpAddress",
    "NumericLessThan", "ForAllValues:StringEquals", "ForAnyValue:StringNotEquals", "ForAnyValue:StringLikeIfExists",
)  # fmt: skip
NAMED = (
    "*", ACCOUNT, OTHER, f"arn:aws:iam::{ACCOUNT}:user/bob", f"arn:aws:iam::{ACCOUNT}:role/Ops",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/Ops/alice", "AIDACKCEVSQ6C2EXAMPLE",
)  # fmt: skip
PRINCIPALS = (
    Principal(PrincipalKind.USER, f"arn:aws:iam::{ACCOUNT}:user/bob", "aws", ACCOUNT, "bob"),
    Principal(PrincipalKind.ROLE, f"arn:aws:iam::{ACCOUNT}:role/Ops", "aws", ACCOUNT, "Ops", "alice"),
    Principal(PrincipalKind.ROLE, f"arn:aws:iam::{ACCOUNT}:role/Ops", "aws", ACCOUNT, "Ops"),
    Principal(PrincipalKind.ROOT, f"arn:aws:iam::{ACCOUNT}:root", "aws", ACCOUNT, "root"),
)
UNREADABLE = Unreadable("not read")


def some_of(choices: tuple[str, ...]) -> SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(choices), min_size=1, max_size=2, unique=True)


tests = st.one_of(
    st.dictionaries(
        st.sampled_from(OPERATORS),
        st.dictionaries(st.sampled_from(KEYS), some_of(VALUES), min_size=1, max_size=2),
        max_size=2,
    ),
    st.dictionaries(
        st.just("Null"),
        st.dictionaries(st.sampled_from(KEYS), st.sampled_from(("true", "false")), min_size=1, max_size=1),
        max_size=1,
    ),
)
#: Mostly broad, so that requests are often allowed.
conditions: SearchStrategy[dict[str, dict[str, list[str]]]] = st.one_of(st.just({}), st.just({}), tests)


@st.composite
def statements(draw: Any, *, effect: str = "", named: bool = False) -> dict[str, Any]:
    made = {"Effect": effect or draw(st.sampled_from(("Allow", "Allow", "Deny")))}
    made[draw(st.sampled_from(("Action", "Action", "Action", "NotAction")))] = draw(some_of(("*", "sqs:*", *ACTIONS)))
    made[draw(st.sampled_from(("Resource", "Resource", "Resource", "NotResource")))] = draw(some_of(PATTERNS))
    if named:
        made[draw(st.sampled_from(("Principal", "Principal", "NotPrincipal")))] = {"AWS": draw(some_of(NAMED))}
    return {**made, "Condition": draw(conditions)}


@st.composite
def documents(draw: Any, *, named: bool = False) -> list[dict[str, Any]]:
    """Statements; most documents begin with an allow of everything, so that much is allowed in the end."""
    broad = {"Effect": "Allow", "Action": "*", "Resource": "*", **({"Principal": "*"} if named else {})}
    made: list[dict[str, Any]] = draw(st.lists(statements(named=named), max_size=2))
    return [broad, *made] if draw(st.integers(0, 4)) else made


#: Every layer as data; ``None`` for a missing one.
layers = st.fixed_dictionaries(
    {
        "identity": documents(),
        "boundary": st.one_of(st.none(), documents()),
        "session": st.one_of(st.none(), documents()),
        "service_control": st.one_of(st.none(), st.lists(documents(), min_size=1, max_size=2)),
        "resource_control": st.one_of(st.none(), st.lists(documents(named=True), min_size=1, max_size=2)),
        "resource_policy": st.one_of(st.none(), documents(named=True)),
    }
)
contexts = st.dictionaries(
    st.sampled_from(("aws:SourceIp", "sqs:mode")), st.lists(st.sampled_from(CONTEXT_VALUES), max_size=2)
)
tags = st.dictionaries(st.just("team"), st.sampled_from(("red", "blue")))
_of_a_resource = {
    "resource_arn": st.sampled_from(ARNS),
    "account_id": st.sampled_from((ACCOUNT, ACCOUNT, ACCOUNT, OTHER)),
    "region": st.sampled_from(("eu-west-1", "eu-west-1", "us-east-1", "global")),
    "tags": st.one_of(st.none(), tags),
}
resources = st.fixed_dictionaries(_of_a_resource)
requests = st.fixed_dictionaries({**_of_a_resource, "action": st.sampled_from(ACTIONS), "context": contexts})


def policy(document: Any, name: str = "P") -> Any:
    """Return a layer's policy; an unreadable or missing one stays as it is."""
    if document is None or isinstance(document, Unreadable):
        return document
    return Policy.parse({"Version": "2012-10-17", "Statement": document}, name=name)


def principal_policies(
    data: Mapping[str, Any], principal: Principal, own_tags: Mapping[str, str] | None
) -> PrincipalPolicies:
    def listed(document: Any) -> Any:
        return document if document is None or isinstance(document, Unreadable) else [policy(document)]

    def levels(found: Any) -> Any:
        return found if found is None or isinstance(found, Unreadable) else [listed(one) for one in found]

    return PrincipalPolicies(
        principal=principal,
        tags=own_tags,
        identity=listed(data["identity"]),
        boundary=policy(data["boundary"]),
        session=listed(data["session"]),
        service_control=levels(data["service_control"]),
        resource_control=levels(data["resource_control"]),
    )
