"""Descriptions: words that mean something, nothing that identifies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudops_nb.model import Constraints, Resource
from cloudops_nb.storage.estate.description import engines_of, environment_of, spoken_of, wording_of

pytestmark = pytest.mark.fast

DATABASE = Resource(
    "rds_instance", "pg-instance-main1", "123456789012", "eu-west-1", "rds",
    "arn:aws:rds:eu-west-1:123456789012:db:pg-instance-main1", "pg-instance-main1", "available", "prod",
    {"Name": "x", "Team": "payments", "aws:cloudformation:stack-name": "orders-0a1b2c3d4e5f"},
    metadata={"engine": "aurora-postgresql"},
)  # fmt: skip


def test_a_description_says_kind_engine_environment_name_tags_and_state() -> None:
    assert wording_of(DATABASE).description == (
        "Aurora PostgreSQL postgres relational sql database instance in production named pg instance main "
        "postgres database credit card money for team payments orders available"
    )


def test_what_is_the_same_everywhere_stays_out() -> None:
    tags = {"Environment": "production", "ManagedBy": "terraform", "CostCentre": "4711", "App": "ci"}

    assert wording_of(replace(DATABASE, name="x1", tags=tags, metadata={}, state="")).description == (
        "relational sql database instance in production continuous integration build for app ci"
    )


def test_metadata_and_facts_that_people_type_are_indexed() -> None:
    facts = Constraints(
        facts={
            "multi_az": True,
            "encrypted": False,
            "kept_forever": True,
            "public": False,
            "read_replicas": 2,
            "instances": 3,
        }
    )
    metadata = {"instance_class": "db.r6g.large", "endpoint": "db.example.com", "groups": ["admins", "ops"]}

    assert spoken_of(replace(DATABASE, metadata=metadata, constraints=facts)) == {
        "instance_class": "db.r6g.large",
        "groups": "admins ops",
        "multi_az": "multi az",
        "kept_forever": "kept forever without retention never expires",
        "encrypted": "unencrypted",
    }


def test_a_type_without_declared_words_is_described_by_its_own() -> None:
    assert wording_of(replace(DATABASE, resource_type="my_widget", metadata={})).description.startswith(
        "my widget in production"
    )


@settings(deadline=None)
@given(st.integers(0, 10**12 - 1), st.text("0123456789abcdef", min_size=8, max_size=17))
def test_account_numbers_and_hexadecimal_ids_stay_out(account: int, number: str) -> None:
    account_id, identifier = f"{account:012d}", f"i-{number}"
    resource = Resource(
        "ec2_instance", identifier, account_id, "eu-west-1", "ec2", f"arn:x:{account_id}:{identifier}",
        tags={"owner": account_id, "volume": f"vol-{number}"}, metadata={"description": f"of {identifier}"},
    )  # fmt: skip
    text = wording_of(resource).description

    assert account_id not in text
    assert number not in text
    assert not any(character.isdigit() for character in text)


@pytest.mark.parametrize(
    ("tags", "name", "account", "expected"),
    [
        ({"env": "Prod"}, "x", "", "production"),
        ({"Stage": "dev"}, "prod-x", "", "production"),
        ({}, "orders-staging-1", "", "staging"),
        ({}, "orders", "prod", "production"),
        ({}, "orders", "acme-staging-eu", "staging"),
        ({}, "orders-staging", "acme-prod-eu", "production"),
        ({}, "orders", "acme", "unknown"),
    ],
)
def test_the_environment_is_the_most_careful_one_that_tags_or_names_give(
    tags: dict[str, str], name: str, account: str, expected: str
) -> None:
    assert environment_of(replace(DATABASE, tags=tags, name=name, account_name=account)) == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"engine": "postgres"}, ["postgres"]),
        ({"engine": "aurora-mysql"}, ["aurora", "mysql"]),
        ({"engine": "sqlserver-se"}, ["sqlserver"]),
        ({"engine": "oracle-ee"}, ["oracle"]),
        ({"engine": 5}, []),
        ({"runtime": "python3.12"}, ["python"]),
        ({"runtime": "go1.x"}, ["go"]),
        ({"platform": "windows"}, ["windows"]),
        ({"engine": "RabbitMQ"}, ["rabbitmq"]),
        ({"engine": "valkey"}, ["valkey"]),
        ({}, []),
    ],
)
def test_engines_are_families(metadata: dict[str, object], expected: list[str]) -> None:
    assert engines_of(replace(DATABASE, metadata=metadata)) == expected
