"""Reading queries: which words are structure, and what is left to look for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudops_nb.storage.lexicon import grams, plain_words, stem, words
from cloudops_nb.storage.search_query import parse_query

pytestmark = pytest.mark.fast

ACCOUNTS = ["prod", "Acme Payments", "data-lake", "123456789012"]
DATABASES = {"rds_instance", "rds_cluster"}


@pytest.mark.parametrize(
    ("text", "slots", "rest"),
    [
        ("production postgres", {"environment": {"production"}, "engine": {"postgres"}, "type": DATABASES}, []),
        ("postgres database", {"engine": {"postgres"}, "type": DATABASES}, []),
        ("staging sql server", {"environment": {"staging"}, "engine": {"sqlserver"}, "type": {"rds_instance"}}, []),
        ("buckets in eu-west-1", {"type": {"s3_bucket"}, "region": {"eu-west-1"}}, []),
        ("the queues in Ireland", {"type": {"sqs_queue"}, "region": {"eu-west-1"}}, []),
        ("stopped servers", {"state": {"stopped"}, "type": {"ec2_instance"}}, []),
        ("load balancers of Acme Payments", {"type": {"elbv2_load_balancer"}, "account": {"acme payments"}}, []),
        ("everything in account prod", {"account": {"prod"}}, ["everything"]),
        ("prod jenkins", {"environment": {"production"}}, ["jenkins"]),
        ("buckets in data-lake", {"type": {"s3_bucket"}, "account": {"data-lake"}}, []),
        ("lambdas of 210987654321", {"type": {"lambda_function"}, "account": {"210987654321"}}, []),
        ("pg-main", {}, ["pg-main"]),
        ("prod-db", {}, ["prod-db"]),
        ("where do we keep payment data?", {}, ["keep", "payment", "data"]),
        ("in-use volumes", {"state": {"in-use"}, "type": {"ec2_volume"}}, []),
        ("", {}, []),
        ("?!", {}, []),
    ],
)
def test_structure_and_rest(text: str, slots: dict[str, set[str]], rest: list[str]) -> None:
    query = parse_query(text, ACCOUNTS)

    assert {slot: set(values) for slot, values in query.slots.items()} == slots
    assert list(query.rest) == rest


@pytest.mark.parametrize("text", ["pg-main", "i-0abc", "web01", "10.0.0.1", "db.prod", "my_queue", "arn:aws:s3:::logs"])
def test_digits_and_separators_make_a_name(text: str) -> None:
    assert parse_query(text).identifying


@pytest.mark.parametrize("text", ["jenkins", "payment data", "production database", "buckets in eu-west-1"])
def test_words_are_no_name(text: str) -> None:
    assert not parse_query(text).identifying


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    query = parse_query(text, ACCOUNTS)

    assert set(query.rest) <= set(query.tokens)
    assert grams(query.rest_text) or not query.rest_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pg-instance-main1", ["pg", "instance", "main1"]),
        ("PaymentsApiHandler", ["payments", "api", "handler"]),
        ("a_b.c/d", ["a", "b", "c", "d"]),
        ("Größe", ["grösse"]),
    ],
)
def test_names_are_cut_into_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@settings(deadline=None)
@given(st.text(max_size=60))
def test_plain_words_hold_no_digit_and_no_hexadecimal_id(text: str) -> None:
    assert all(word.isalpha() and len(word) > 1 for word in plain_words(text))


@pytest.mark.parametrize("text", ["123456789012", "i-0abc123def4567890", "10.0.12.1", "deadbeefcafe", "ami-0a1b2c3d"])
def test_ids_numbers_and_addresses_leave_no_plain_word_behind(text: str) -> None:
    assert set(plain_words(text)) <= {"ami"}


@pytest.mark.parametrize(
    ("word", "expected"), [("buckets", "bucket"), ("queries", "query"), ("status", "status"), ("ecs", "ecs")]
)
def test_plurals_are_taken_off(word: str, expected: str) -> None:
    assert stem(word) == expected
