"""DNS records and origins point to the resources whose DNS names they hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudops_nb.model import Relation, Resource
from cloudops_nb.storage.estate.relation_keys import key_of, keys_to
from tests.scanner.reading.test_resource_builder import _built

pytestmark = pytest.mark.fast

ALB = "web-1234567890.eu-west-1.elb.amazonaws.com"
BALANCER = Resource(
    "elbv2_load_balancer", "arn:aws:elasticloadbalancing:x", "123456789012", "eu-west-1", "elbv2",
    "arn:aws:elasticloadbalancing:x", "web", metadata={"dns_name": "Web-1234567890.eu-west-1.elb.amazonaws.com"},
)  # fmt: skip


def record(**fields: Any) -> set[Relation]:
    data = {"Name": "www.example.com.", "Type": "A", "zone": {"Id": "/hostedzone/Z1", "Name": "example.com."}, **fields}
    return {each for each in _built("route53_record_set", data).relations if each.kind == "resolves_to"}


@pytest.mark.parametrize(
    ("fields", "resource_type", "identifier"),
    [
        ({"AliasTarget": {"DNSName": f"dualstack.{ALB}."}}, "elbv2_load_balancer", ALB),
        ({"Type": "CNAME", "ResourceRecords": [{"Value": ALB}]}, "elb_load_balancer", ALB),
        ({"AliasTarget": {"DNSName": "d1.cloudfront.net."}}, "cloudfront_distribution", "d1.cloudfront.net"),
        ({"AliasTarget": {"DNSName": "s3-website-eu-west-1.amazonaws.com."}}, "s3_bucket", "www.example.com"),
        (
            {"Type": "CNAME", "ResourceRecords": [{"Value": "db.c1.eu-west-1.rds.amazonaws.com"}]},
            "rds_instance",
            "db.c1.eu-west-1.rds.amazonaws.com",
        ),
        (
            {"AliasTarget": {"DNSName": "a1.awsglobalaccelerator.com."}},
            "globalaccelerator_accelerator",
            "a1.awsglobalaccelerator.com",
        ),
    ],
)
def test_a_record_resolves_to_what_its_name_stands_for(fields: Any, resource_type: str, identifier: str) -> None:
    assert Relation("resolves_to", resource_type, identifier) in record(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"ResourceRecords": [{"Value": "192.0.2.1"}]},
        {"Type": "CNAME", "ResourceRecords": [{"Value": "www.example.net"}]},
        {"AliasTarget": {"DNSName": "other.example.com."}},
        {},
    ],
)
def test_a_record_of_anything_else_resolves_to_nothing(fields: Any) -> None:
    assert record(**fields) == set()


def test_an_origin_is_served_by_its_dns_name() -> None:
    origins = [
        {"DomainName": ALB, "CustomOriginConfig": {"HTTPPort": 80}},
        {"DomainName": "www.example.net", "CustomOriginConfig": {"HTTPPort": 80}},
    ]
    data = {"Id": "E1", "ARN": "arn:aws:cloudfront::1:distribution/E1", "DomainName": "d1.cloudfront.net"}
    built = _built("cloudfront_distribution", {**data, "Origins": {"Items": origins, "Quantity": 2}})

    served = {each for each in built.relations if each.resource_type == "elbv2_load_balancer"}
    assert served == {Relation("serves", "elbv2_load_balancer", ALB)}


def test_the_relation_and_its_key_find_the_resource_with_this_name_and_no_other() -> None:
    (relation,) = {each for each in record(AliasTarget={"DNSName": f"{ALB}."}) if each.resource_type[:5] == "elbv2"}
    other = replace(BALANCER, metadata={"dns_name": f"x{ALB}"})

    assert relation.points_to(BALANCER)
    assert key_of(relation) in set(keys_to(BALANCER))
    for wrong in (other, replace(BALANCER, resource_type="elb_load_balancer"), replace(BALANCER, metadata={})):
        assert not relation.points_to(wrong)
        assert key_of(relation) not in set(keys_to(wrong))
