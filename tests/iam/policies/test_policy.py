"""Valid and invalid policy documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.iam import Evaluator, Policy, PrincipalPolicies, acting_principal
from cloudops_nb.iam.evaluation.verdict import Decision
from cloudops_nb.iam.policies.policy import PolicyError

pytestmark = pytest.mark.fast
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def verdict(document: Any) -> Any:
    policy = Policy.parse(document, name="Ops")
    policies = PrincipalPolicies(acting_principal("arn:aws:iam::123456789012:user/bob"), {}, [policy])
    queue = "arn:aws:sqs:eu-west-1:123456789012:jobs"
    return Evaluator(policies).verdict("sqs:PurgeQueue", queue, account_id="123456789012", region="eu-west-1", tags={})


@pytest.mark.parametrize(
    "document",
    [
        {"Statement": ALLOW},
        {"Statement": [ALLOW]},
        {"Version": "2012-10-17", "Id": "x", "Statement": [{**ALLOW, "Sid": "All"}]},
        json.dumps({"Statement": [ALLOW]}),
    ],
)
def test_one_statement_or_several_as_text_or_as_data(document: Any) -> None:
    assert verdict(document).decision is Decision.ALLOWED


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "nested"),
        ("1", "takes a Statement"),
        ('{"Statement": [{"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}]}', "twice"),
        ([], "takes a Statement"),
        ({}, "takes a Statement"),
        ({"Statement": [ALLOW], "Statements": []}, "takes a Statement"),
        ({"Version": "2012-10-18", "Statement": []}, "Version"),
        ({"Version": ["2012-10-17"], "Statement": []}, "Version"),
        ({"Statement": "all"}, "list"),
        ({"Statement": ["all"]}, "statement"),
        ({"Statement": [{**ALLOW, "Conditions": {}}]}, "only"),
        ({"Statement": [{**ALLOW, "Effect": "allow"}]}, "Effect"),
        ({"Statement": [{"Effect": "Allow", "Resource": "*"}]}, "Action"),
        ({"Statement": [{**ALLOW, "NotAction": "*"}]}, "Action"),
        ({"Statement": [{"Effect": "Allow", "Action": "*"}]}, "Resource"),
        ({"Statement": [{**ALLOW, "NotResource": "*"}]}, "Resource"),
        ({"Statement": [{**ALLOW, "Action": 1}]}, "text"),
        ({"Statement": [{**ALLOW, "Action": None}]}, "text"),
        ({"Statement": [{**ALLOW, "Resource": {"a": "b"}}]}, "text"),
        ({"Statement": [{**ALLOW, "Principal": "arn:aws:iam::123456789012:root"}]}, "principal"),
        ({"Statement": [{**ALLOW, "Principal": "*", "NotPrincipal": "*"}]}, "Principal"),
        ({"Statement": [{**ALLOW, "Principal": {"AWS": 123456789012}}]}, "principal"),
        ({"Statement": [{**ALLOW, "Condition": []}]}, "Condition"),
        ({"Statement": [{**ALLOW, "Condition": {"Bool": "true"}}]}, "Condition"),
        ({"Statement": [{**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": None}}}]}, "condition"),
    ],
)
def test_a_document_that_aws_would_not_accept_is_refused_with_the_reason(document: Any, why: str) -> None:
    with pytest.raises(PolicyError, match="Ops is not a valid policy") as refused:
        Policy.parse(document, name="Ops")
    assert why in refused.value.why


def test_a_policy_error_is_a_configuration_error() -> None:
    assert issubclass(PolicyError, ConfigurationError)


def test_a_verdict_names_the_statement_by_its_sid_or_its_number() -> None:
    assert "Ops, statement Everything" in verdict({"Statement": [{**ALLOW, "Sid": "Everything"}]}).by
    assert "Ops, statement 2" in verdict({"Statement": [{**ALLOW, "Action": "ec2:*"}, ALLOW]}).by


def test_a_sid_over_several_lines_stays_on_one() -> None:
    assert "Ops, statement a b" in verdict({"Statement": [{**ALLOW, "Sid": "a\nb"}]}).by


def test_no_policy_can_contain_a_hole() -> None:
    assert verdict({"Statement": [{**ALLOW, "Resource": "\uffff*"}]}).decision is Decision.DENIED_IMPLICIT
