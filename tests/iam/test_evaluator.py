"""The evaluator's own ways: many actions at once, many threads, and what else is authorised."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cloudops_nb.iam import Evaluator, Policy, PrincipalPolicies, Unreadable, acting_principal
from cloudops_nb.iam.action_resources import action_resources, table

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


def test_what_is_authorised_further_has_an_arn_that_can_be_written_out() -> None:
    for action, row in table().items():
        assert row.resource or row.also, action
        for also in row.also:
            assert also.action or also.arn, action
            if also.arn:
                assert also.on(partition="aws", region="eu-west-1", account_id=ACCOUNT).count(":") >= 5, action


def test_most_actions_are_authorised_on_the_resource_only() -> None:
    assert not action_resources("ec2:StopInstances").also
    assert action_resources("EC2:createSnapshot").also
