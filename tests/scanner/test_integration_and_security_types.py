"""What is decided of queues, rules, keys, secrets, certificates, stacks, names and the like, and what stays out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudops_nb.declarations.selectors import select
from cloudops_nb.model import Account, Relation, Resource, Ternary
from cloudops_nb.scanner.reading.resource_builder import NOT_REQUESTED, ListedItem, ListingContext, build_resource
from tests.scanner.bundled import bundled_spec
from tests.scanner.unjudged import Unjudged

pytestmark = pytest.mark.fast

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:jobs"
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"
HUSH = "do-not-keep-this"


def _built(resource_type: str, data: dict[str, Any], **item: Any) -> Resource:
    account = Account(name="prod", account_id="123456789012")
    nobody: Any = Unjudged()
    around = ListingContext(account, "aws", "eu-west-1", nobody, datetime.now(UTC))
    return build_resource(bundled_spec(resource_type), ListedItem(data, **item), around)


def _key(state: str = "Enabled", manager: str = "CUSTOMER", **more: Any) -> dict[str, Any]:
    return {
        "KeyId": "k",
        "KeyArn": "arn",
        "description": {"KeyMetadata": {"KeyState": state, "KeyManager": manager, **more}},
    }


def _secret(**more: Any) -> dict[str, Any]:
    return {"ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf", "Name": "db", **more}


def _stack(status: str = "CREATE_COMPLETE", **more: Any) -> dict[str, Any]:
    return {"StackName": "base", "StackId": "arn", "StackStatus": status, **more}


def _rule(targets: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "Name": "nightly",
        "Arn": "arn",
        "State": "ENABLED",
        "bus": {"Name": "default"},
        "targets": {"Targets": targets},
        **more,
    }


def _record(kind: str, name: str = "www.example.com.", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "zone": {"Id": "/hostedzone/Z1", "Name": "example.com."}, **more}


def _trail(*, logging: bool) -> dict[str, Any]:
    return {"Name": "main", "TrailARN": "arn", "status": {"IsLogging": logging}}


@pytest.mark.parametrize(
    ("resource_type", "data", "verb", "value", "reason"),
    [
        ("kms_key", _key(), "can_delete", Ternary.TRUE, ""),
        ("kms_key", _key(manager="AWS"), "can_delete", Ternary.FALSE, "AWS manages it"),
        ("kms_key", _key("PendingDeletion"), "can_delete", Ternary.FALSE, "it is PendingDeletion already"),
        ("kms_alias", {"AliasName": "alias/aws/s3", "AliasArn": "a"}, "can_delete", Ternary.FALSE, "AWS manages it"),
        ("secretsmanager_secret", _secret(), "can_delete", Ternary.TRUE, ""),
        ("secretsmanager_secret", _secret(DeletedDate=datetime.now(UTC)), "can_delete", Ternary.FALSE, "scheduled"),
        ("secretsmanager_secret", _secret(PrimaryRegion="eu-west-1"), "can_delete", Ternary.UNKNOWN, "replicas"),
        ("secretsmanager_secret", _secret(PrimaryRegion="us-east-1"), "can_delete", Ternary.TRUE, ""),
        ("cloudformation_stack", _stack(), "can_delete", Ternary.TRUE, ""),
        ("cloudformation_stack", _stack(EnableTerminationProtection=True), "can_delete", Ternary.FALSE, "protection"),
        ("cloudformation_stack", _stack("UPDATE_IN_PROGRESS"), "can_delete", Ternary.UNKNOWN, "UPDATE_IN_PROGRESS"),
        ("cloudformation_stack", _stack("REVIEW_IN_PROGRESS"), "can_delete", Ternary.TRUE, ""),
        ("cloudformation_stack", _stack(Outputs=[{"ExportName": "vpc"}]), "can_delete", Ternary.UNKNOWN, "imports"),
        ("events_rule", _rule([]), "can_delete", Ternary.TRUE, ""),
        ("events_rule", _rule([{"Arn": TOPIC}]), "can_delete", Ternary.FALSE, "still has targets"),
        ("events_rule", _rule([], ManagedBy="x.amazonaws.com"), "can_delete", Ternary.FALSE, "another AWS service"),
        ("events_bus", {"Name": "default", "Arn": "a"}, "can_delete", Ternary.FALSE, "default bus"),
        ("cloudtrail_trail", _trail(logging=True), "can_stop", Ternary.TRUE, ""),
        ("cloudtrail_trail", _trail(logging=True), "can_start", Ternary.FALSE, "logging already"),
        ("cloudtrail_trail", _trail(logging=False), "can_stop", Ternary.FALSE, "not logging"),
        ("pipes_pipe", {"Name": "p", "Arn": "a", "CurrentState": "RUNNING"}, "can_stop", Ternary.TRUE, ""),
        (
            "pipes_pipe",
            {"Name": "p", "Arn": "a", "CurrentState": "STOPPING"},
            "can_delete",
            Ternary.UNKNOWN,
            "STOPPING",
        ),
        ("route53_record_set", _record("A"), "can_delete", Ternary.TRUE, ""),
        ("route53_record_set", _record("NS", "example.com."), "can_delete", Ternary.FALSE, "SOA and NS"),
        ("route53_record_set", _record("NS"), "can_delete", Ternary.TRUE, ""),
        ("acm_certificate", {"CertificateArn": "a", "InUse": True}, "can_delete", Ternary.FALSE, "uses it"),
        ("acm_certificate", {"CertificateArn": "a", "InUse": False}, "can_delete", Ternary.TRUE, ""),
        ("acm_certificate", {"CertificateArn": "a"}, "can_delete", Ternary.UNKNOWN, "not in the listing"),
        (
            "acm_pca_certificate_authority",
            {"Arn": "a", "Status": "ACTIVE"},
            "can_delete",
            Ternary.FALSE,
            "disabled first",
        ),
        ("iam_policy", {"Arn": "a", "AttachmentCount": 2}, "can_delete", Ternary.FALSE, "attached"),
        ("iam_policy", {"Arn": "a", "PolicyVersionList": [{}, {}]}, "can_delete", Ternary.FALSE, "versions"),
    ],
)
def test_what_can_be_done_is_decided_with_a_reason(
    resource_type: str, data: dict[str, Any], verb: str, value: Ternary, reason: str
) -> None:
    found = getattr(_built(resource_type, data).constraints, verb)
    assert found.value is value, found.reason
    assert reason in found.reason
    assert bool(found.reason) == (value is not Ternary.TRUE)


def test_a_public_zone_is_not_called_deletable_while_its_signing_is_not_known() -> None:
    zone = {
        "Id": "/hostedzone/Z1",
        "Name": "example.com.",
        "ResourceRecordSetCount": 2,
        "Config": {"PrivateZone": False},
    }
    assert (
        _built("route53_hosted_zone", zone, unread={"signing": NOT_REQUESTED}).constraints.can_delete.value
        is Ternary.UNKNOWN
    )
    private = {**zone, "Config": {"PrivateZone": True}}
    assert (
        _built("route53_hosted_zone", private, unread={"signing": NOT_REQUESTED}).constraints.can_delete.value
        is Ternary.TRUE
    )


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({"Effect": "Allow", "Principal": "*"}, True),
        ([{"Effect": "Allow", "Principal": {"AWS": "*"}}], True),
        ([{"Effect": "Allow", "Principal": {"AWS": [TOPIC, "*"]}}], True),
        ([{"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}], False),
        ([{"Effect": "Deny", "Principal": "*"}], False),
        ([{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}}], False),
    ],
)
def test_a_policy_that_allows_everybody_without_a_condition_is_public(statement: Any, public: bool) -> None:
    policy = json.dumps({"Statement": statement})
    queue = {"QueueUrl": QUEUE_URL, "attributes": {"Attributes": {"Policy": policy}}}
    assert _built("sqs_queue", queue).constraints.facts["public"] is public
    assert select(str(bundled_spec("sqs_queue").resource_policy.path), queue) == policy  # type: ignore[union-attr]


def test_what_feeds_a_queue_leads_to_it() -> None:
    queue = _built("sqs_queue", {"QueueUrl": QUEUE_URL})
    topic = _built("sns_topic", {"TopicArn": TOPIC})

    def leads(resource: Resource) -> set[tuple[str, str]]:
        return {(link.kind, end.name) for link in resource.relations for end in (queue, topic) if link.points_to(end)}

    subscription = {"SubscriptionArn": f"{TOPIC}:1", "TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": QUEUE}
    assert ("delivers_to", "jobs") in leads(_built("sns_subscription", subscription))
    rule = _built("events_rule", _rule([{"Arn": QUEUE}, {"Arn": TOPIC, "DeadLetterConfig": {"Arn": QUEUE}}]))
    assert leads(rule) == {("has_target", "jobs"), ("dead_letters_to", "jobs"), ("has_target", topic.name)}


def test_a_version_of_a_function_counts_as_the_function() -> None:
    function = "arn:aws:lambda:eu-west-1:123456789012:function:thumbs:PROD"
    subscription = {"SubscriptionArn": f"{TOPIC}:1", "TopicArn": TOPIC, "Protocol": "lambda", "Endpoint": function}
    (link,) = [each for each in _built("sns_subscription", subscription).relations if each.kind == "delivers_to"]
    assert link.points_to(_built("lambda_function", {"FunctionName": "thumbs", "FunctionArn": function[:-5]}))


def test_a_key_named_by_alias_is_a_relation_to_the_alias() -> None:
    parameter = {"Name": "/a", "ARN": "arn", "Type": "SecureString", "KeyId": "alias/aws/ssm"}
    assert _built("ssm_parameter", parameter).relations == (
        Relation("encrypted_with", "kms_alias", "alias/aws/ssm", "123456789012", "eu-west-1"),
    )


@pytest.mark.parametrize(
    ("resource_type", "data"),
    [
        ("cloudformation_stack", _stack(Parameters=[{"ParameterValue": HUSH}], Outputs=[{"OutputValue": HUSH}])),
        ("route53_record_set", _record("TXT", ResourceRecords=[{"Value": HUSH}])),
        ("sns_subscription", {"SubscriptionArn": "a", "TopicArn": TOPIC, "Protocol": "https", "Endpoint": HUSH}),
        ("events_rule", _rule([{"Arn": TOPIC, "Input": HUSH}])),
        ("apigateway_stage", {"stageName": "prod", "api": {"id": "a"}, "variables": {"token": HUSH}}),
        ("codebuild_project", {"name": "p", "project": {
            "source": {"location": HUSH}, "webhook": {"secret": HUSH},
            "environment": {"environmentVariables": [{"value": HUSH}]}}}),
        ("config_rule", {"ConfigRuleName": "r", "ConfigRuleState": "ACTIVE", "InputParameters": HUSH}),
        ("cloudfront_distribution", {"Id": "E", "DomainName": "d", "Origins": {"Items": [
            {"DomainName": "o", "CustomHeaders": {"Items": [{"HeaderValue": HUSH}]}}]}}),
    ],
)  # fmt: skip
def test_what_often_holds_a_secret_is_not_kept(resource_type: str, data: dict[str, Any]) -> None:
    assert HUSH not in json.dumps(_built(resource_type, data).to_dict())


@pytest.mark.parametrize(
    ("answer", "items"),
    [
        ({"DistributionList": {"Quantity": 0}}, []),
        ({"DistributionList": {"Quantity": 1, "Items": [{"Id": "E"}]}}, [{"Id": "E"}]),
        ({"DistributionList": {"Quantity": 1}}, None),
        ({}, None),
    ],
)
def test_distributions_are_none_only_where_aws_says_so(answer: dict[str, Any], items: Any) -> None:
    assert select(bundled_spec("cloudfront_distribution").list.items, answer) == items


def test_a_subscription_without_an_arn_is_no_resource() -> None:
    arns = ("PendingConfirmation", "Deleted", f"{TOPIC}:1")
    page = {"Subscriptions": [{"SubscriptionArn": arn} for arn in arns]}
    assert select(bundled_spec("sns_subscription").list.items, page) == [{"SubscriptionArn": f"{TOPIC}:1"}]


@pytest.mark.parametrize("escaped", [True, False])
def test_the_policy_of_an_api_is_read_from_a_string_inside_a_string(escaped: bool) -> None:
    policy = json.dumps({"Statement": [{"Effect": "Deny", "Principal": "*"}]})
    sent = json.dumps(policy)[1:-1] if escaped else policy
    path = bundled_spec("apigateway_rest_api").resource_policy.path  # type: ignore[union-attr]
    assert select(str(path), {"policy": sent}) == policy
    assert select(str(path), {}) is None


def test_the_policies_of_a_shared_parameter_are_one() -> None:
    documents = [{"Statement": {"Sid": "one"}}, {"Statement": [{"Sid": "two"}]}]
    path = str(bundled_spec("ssm_parameter").resource_policy.path)  # type: ignore[union-attr]
    read = {"policies": {"Policies": [{"Policy": json.dumps(each)} for each in documents]}}
    assert select(path, read) == {"Version": "2012-10-17", "Statement": [{"Sid": "one"}, {"Sid": "two"}]}
    assert select(path, {"policies": {"Policies": []}}) is None
    assert select(path, {}) is None
