"""What an opened resource shows for a query: how much, and whether it is the thing or only belongs to it."""

from __future__ import annotations

import pytest

from cloudops_nb.model import Constraints, Resource
from cloudops_nb.storage.estate.search.evidence import Judgement, judge
from cloudops_nb.storage.estate.search.query_parser import parse_query
from tests.retrieval.estates import EmptyEstate

pytestmark = pytest.mark.fast


def one(kind: str, name: str, identifier: str = "", **facts: bool) -> Resource:
    constraints = Constraints(facts=facts)
    return Resource(kind, identifier or name, "1", "eu-west-1", "x", name=name, constraints=constraints)


def seen(text: str, resource: Resource) -> Judgement:
    return judge(resource, parse_query(text, EmptyEstate()))


@pytest.mark.parametrize(
    ("text", "wanted", "other"),
    [
        ("pdf maker", one("lambda_function", "invoice-pdf"), one("logs_log_group", "/aws/lambda/invoice-pdf")),
        ("checkout", one("ec2_instance", "checkout-api"), one("ec2_launch_template", "checkout-api")),
        ("fraud scores", one("lambda_function", "fraud-score"), one("cloudwatch_alarm", "fraud-score-errors")),
        ("log groups of pdf", one("logs_log_group", "/aws/lambda/invoice-pdf"), one("lambda_function", "invoice-pdf")),
        ("pg-instnace-main1", one("rds_instance", "pg-instance-main1"), one("rds_instance", "pg-instance-main1-copy1")),
        ("database firewall", one("ec2_security_group", "mysql"), one("secretsmanager_secret", "orders/database")),
        ("idle addresses", one("ec2_elastic_ip", "x", unused=True), one("ec2_elastic_ip", "y", unused=False)),
        ("unencrypted disks", one("ec2_volume", "x", encrypted=False), one("ec2_volume", "y", encrypted=True)),
    ],
)
def test_what_is_meant_gains_more(text: str, wanted: Resource, other: Resource) -> None:
    assert seen(text, wanted).gain > seen(text, other).gain


def test_words_of_a_language_are_no_part_of_an_id() -> None:
    balancer = one(
        "elbv2_load_balancer", "shop", "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/shop/0a1b2c3d"
    )

    assert "id contains 'a1b2c3'" in seen("a1b2c3", balancer).reasons
    assert seen("balancer cafe", balancer).reasons == ("type elbv2_load_balancer",)
    assert seen("loadbal", balancer).reasons == ()


def test_what_belongs_to_another_thing_counts_in_full_where_its_kind_is_named() -> None:
    kinds = ("ec2_volume", "s3_bucket")

    assert len({seen("disks and buckets of checkout", one(kind, "checkout-api")).gain for kind in kinds}) == 1


def test_a_few_letters_inside_a_word_are_an_accident() -> None:
    assert seen("api log", one("ecs_service", "catalogue-api")).reasons == ("name contains 'api'",)
    assert seen("log api", one("ecs_service", "api-logging")).reasons == ("name contains 'log' and 'api'",)


def test_a_fact_is_reported_in_people_s_words_for_it() -> None:
    group = one("logs_log_group", "x", kept_forever=True)

    assert seen("log groups without retention", group).reasons[1:] == ("kept forever without retention never expires",)
