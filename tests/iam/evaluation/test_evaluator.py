"""The evaluator: several actions at once, threads, caching, and further authorisations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloudops_nb.iam import Evaluator, Policy, PrincipalPolicies, Unreadable, acting_principal

pytestmark = pytest.mark.fast
ACCOUNT = "123456789012"
USER = acting_principal(f"arn:aws:iam::{ACCOUNT}:user/bob")
OPERATOR = Policy.parse(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Operate", "Effect": "Allow", "Action": ["ec2:St*", "ec2:RebootInstances"], "Resource": "*"},
            {
                "Sid": "NotProduction",
                "Effect": "Deny",
                "Action": "ec2:StopInstances",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:ResourceTag/Env": "prod"}},
            },
            {
                "Sid": "FromHome",
                "Effect": "Deny",
                "Action": "ec2:RebootInstances",
                "Resource": "*",
                "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
            },
        ],
    },
    name="Operator",
)
ACTIONS = ("ec2:StartInstances", "ec2:StopInstances", "ec2:RebootInstances", "ec2:TerminateInstances")


def instance(number: int) -> str:
    return f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/i-{number:04x}"


def test_the_permissions_on_a_resource_are_disjoint_and_each_has_its_reason() -> None:
    evaluator = Evaluator(PrincipalPolicies(USER, {}, [OPERATOR]))
    found = evaluator.permissions(ACTIONS, instance(1), account_id=ACCOUNT, region="eu-west-1", tags={"Env": "prod"})
    assert found.allowed == ("ec2:StartInstances",)
    assert found.denied == ("ec2:StopInstances", "ec2:TerminateInstances")
    assert found.unknown == ("ec2:RebootInstances",)
    assert found.principal == USER.arn
    assert found.reasons == {
        "ec2:StartInstances": "allowed by policy Operator, statement Operate",
        "ec2:StopInstances": "denied by policy Operator, statement NotProduction",
        "ec2:RebootInstances": (
            "not known: policy Operator, statement FromHome: condition key aws:SourceIp is not known"
        ),
        "ec2:TerminateInstances": "no policy allows it",
    }


def test_no_actions_have_no_verdicts() -> None:
    evaluator = Evaluator(PrincipalPolicies(USER, {}, [OPERATOR]))
    found = evaluator.permissions((), instance(1), account_id=ACCOUNT, region="eu-west-1", tags={})
    assert not found.allowed
    assert not found.reasons


def test_threads_that_share_an_evaluator_get_each_its_own_verdicts() -> None:
    evaluator = Evaluator(PrincipalPolicies(USER, {}, [OPERATOR]))

    def judged(number: int) -> bool:
        tags = {"Env": "prod"} if number % 2 else {"Env": f"dev-{number % 7}"}
        found = evaluator.permissions(ACTIONS, instance(number), account_id=ACCOUNT, region="eu-west-1", tags=tags)
        return ("ec2:StopInstances" in found.denied) == bool(number % 2)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(judged, range(2_000)))


def test_many_reasons_stay_one_line() -> None:
    keys = {f"ec2:Key{number}": "x" for number in range(20)}
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": keys}}
    policy = Policy.parse({"Statement": statement}, name="Keys")
    verdict = Evaluator(PrincipalPolicies(USER, {}, [policy])).verdict(
        "ec2:StopInstances", instance(1), account_id=ACCOUNT, region="eu-west-1", tags={}
    )
    assert "and 16 more" in verdict.by


def test_one_policy_that_is_not_readable_hides_no_deny_of_the_others() -> None:
    deny = Policy.parse({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}, name="Freeze")
    verdict = Evaluator(PrincipalPolicies(USER, {}, [Unreadable("AccessDenied"), deny])).verdict(
        "ec2:StopInstances", instance(1), account_id=ACCOUNT, region="eu-west-1", tags={}
    )
    assert verdict.by == "denied by policy Freeze, statement 1"


def allowed_except(*denials: dict[str, object]) -> PrincipalPolicies:
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    listed = [anything, *({"Effect": "Deny", "Resource": "*", **denial} for denial in denials)]
    return PrincipalPolicies(USER, {}, [Policy.parse({"Version": "2012-10-17", "Statement": listed}, name="P")])


def resource(kind: str, **other: object) -> dict[str, Any]:
    arn = f"arn:aws:{kind.replace('/', f':eu-west-1:{ACCOUNT}:', 1)}" if kind else ""
    return {"resource_arn": arn, "account_id": ACCOUNT, "region": "eu-west-1", "tags": {}} | other


@pytest.mark.parametrize(
    ("actions", "policies", "one", "other"),
    [
        pytest.param(
            ["ec2:StopInstances"],
            allowed_except({"Action": "*", "Resource": "arn:aws:ec2:*:*:instance/i-2"}),
            resource("ec2/instance/i-1"),
            resource("ec2/instance/i-2"),
            id="by a pattern",
        ),
        pytest.param(
            ["rds:StopDBInstance"],
            allowed_except({"Action": "*", "Resource": "arn:aws:rds:*:*:db:${aws:ResourceTag/name}"}),
            resource("rds/db:pg", tags={"name": "my"}),
            resource("rds/db:pg", tags={"name": "pg"}),
            id="by a pattern with a variable",
        ),
        pytest.param(
            ["sqs:PurgeQueue", "ec2:StopInstances"],
            allowed_except(
                {"Action": "ec2:*", "Condition": {"StringEquals": {"ec2:ResourceTag/Env": "prod"}}},
            ),
            resource("ec2/instance/i-1", tags={"Env": "dev"}),
            resource("ec2/instance/i-1", tags={"Env": "prod"}),
            id="by a tag that only the second action's service shows",
        ),
        pytest.param(
            ["ec2:CopySnapshot", "ec2:StopInstances"],
            allowed_except(
                {"Action": "*", "Condition": {"StringEquals": {"aws:ResourceAccount": "210987654321"}}},
            ),
            resource("ec2/instance/i-1"),
            resource("ec2/instance/i-1", account_id="210987654321"),
            id="by the account that only the second action shows",
        ),
        pytest.param(
            ["sqs:PurgeQueue"],
            allowed_except(),
            resource("sqs/jobs"),
            resource("sqs/jobs", account_id="210987654321"),
            id="by the account alone",
        ),
        pytest.param(
            ["ec2:CreateSnapshot"],
            allowed_except({"Action": "*", "Resource": "arn:aws:ec2:us-east-1::snapshot/*"}),
            resource("ec2/volume/vol-1"),
            resource("ec2/volume/vol-1", region="us-east-1"),
            id="by the region of a further resource",
        ),
        pytest.param(
            ["ec2:AttachVolume"],
            allowed_except({"Action": "*", "Resource": "arn:aws:ec2:*:*:instance/i-9"}),
            resource("ec2/instance/i-1"),
            resource("ec2/volume/vol-1"),
            id="by whether a further resource is this one",
        ),
        pytest.param(
            ["sqs:StartMessageMoveTask"],
            allowed_except({"Action": "sqs:ReceiveMessage", "Resource": "arn:aws:sqs:*:*:dlq"}),
            resource("sqs/jobs"),
            resource("sqs/dlq"),
            id="by a further action on it",
        ),
        pytest.param(
            ["kms:DisableKey"],
            allowed_except(),
            resource("kms/alias/app"),
            resource("kms/key/1"),
            id="by whether it needs a policy of its own",
        ),
        pytest.param(
            ["servicediscovery:TagResource", "ec2:StopInstances"],
            allowed_except({"Action": "ec2:*", "Resource": "arn:aws:ec2:*:*:instance/i-2"}),
            resource("ec2/instance/i-1"),
            resource("ec2/instance/i-2"),
            id="by an action, with another that knows no resource",
        ),
        pytest.param(
            ["wafv2:DisassociateWebACL"],
            allowed_except({"Action": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}),
            resource("wafv2/regional/webacl/w/1"),
            resource("wafv2/regional/webacl/w/1", region="us-east-1"),
            id="by the region, of another resource",
        ),
    ],
)
def test_resources_that_differ_in_one_thing_get_their_own_verdicts(
    actions: list[str], policies: PrincipalPolicies, one: dict[str, Any], other: dict[str, Any]
) -> None:
    remembering, forgetful = Evaluator(policies), Evaluator(policies, remember=False)
    for each in (one, other, one):
        fresh = forgetful.permissions(actions, **each)
        assert remembering.permissions(actions, **each) == fresh
        assert {action: remembering.verdict(action, **each).by for action in actions} == fresh.reasons
    assert forgetful.permissions(actions, **one) != forgetful.permissions(actions, **other)


def test_what_is_given_of_a_request_is_not_remembered_for_the_next() -> None:
    condition = {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    evaluator = Evaluator(allowed_except({"Action": "*", "Condition": condition}))
    queue = resource("sqs/jobs")
    bucket_policy = Policy.parse(
        {"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}, name="Closed"
    )
    home = {"aws:SourceIp": ["203.0.113.7"]}
    assert evaluator.permissions(["sqs:PurgeQueue"], **queue).unknown
    assert evaluator.permissions(["sqs:PurgeQueue"], **queue, context=home).allowed
    assert evaluator.permissions(["sqs:PurgeQueue"], **queue, resource_policy=bucket_policy).denied
    assert evaluator.permissions(["sqs:PurgeQueue"], **queue).unknown


@pytest.mark.parametrize(
    "actions", [("ec2:CopySnapshot", "ec2:DeleteSnapshot"), ("ec2:DeleteSnapshot", "ec2:CopySnapshot")]
)
def test_actions_with_and_without_a_resource_account_tell_resources_apart_each_in_its_own_way(
    actions: tuple[str, ...],
) -> None:
    condition = {"StringEquals": {"aws:ResourceTag/Owner": "${aws:ResourceAccount}"}}
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    policy = Policy.parse({"Version": "2012-10-17", "Statement": statement}, name="Owned")
    evaluator = Evaluator(PrincipalPolicies(USER, {}, [policy]))
    found = [
        evaluator.permissions(
            actions,
            f"arn:aws:ec2:eu-west-1::snapshot/snap-{number}",
            account_id=ACCOUNT,
            region="eu-west-1",
            tags=tags,
        )
        for number, tags in enumerate(({}, {"Owner": ACCOUNT}, {"Owner": "somebody"}))
    ]
    assert [("ec2:DeleteSnapshot" in each.allowed) for each in found] == [False, True, False]
    assert [("ec2:DeleteSnapshot" in each.denied) for each in found] == [True, False, True]
    # AWS documents no tags of the copied snapshot for CopySnapshot.
    assert [("ec2:CopySnapshot" in each.unknown) for each in found] == [True, True, True]


@pytest.mark.parametrize("action", ["sqs:PurgeQueue", "sqs:StartMessageMoveTask"])
@pytest.mark.parametrize("boundary", [None, Unreadable("not read")])
def test_permissions_keep_what_the_account_allows_if_only_the_organization_is_not_known(
    action: str, boundary: Unreadable | None
) -> None:
    allow = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*", "Sid": "Queues"}
    policy = Policy.parse({"Version": "2012-10-17", "Statement": allow}, name="Operate")
    unread = Unreadable("the organization could not be read: AccessDenied")
    policies = PrincipalPolicies(USER, {}, [policy], boundary=boundary, service_control=unread, resource_control=unread)
    arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:jobs"
    found = Evaluator(policies).permissions([action], arn, account_id=ACCOUNT, region="eu-west-1", tags={})
    assert (found.allowed, found.unknown) == ((), (action,))
    # Moving messages also sends them to a queue whose own policy is not read.
    certain = boundary is None and action == "sqs:PurgeQueue"
    assert found.allowed_by_account == ((action,) if certain else ())
    assert (
        "allowed unless the organisation denies, by policy Operate, statement Queues" in found.reasons[action]
    ) is certain
