"""Reading queries: which words are structure, and what is left to look for."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudops_nb.storage.estate.lexicon import grams, lexicon, plain_words, stem, words
from cloudops_nb.storage.estate.search.estate_words import WordsAtGeneration
from cloudops_nb.storage.estate.search.query_parser import ParsedQuery, parse_query
from cloudops_nb.storage.estate.search.query_reading import QueryReading

pytestmark = pytest.mark.fast

RELATIONAL = {"rds_instance", "rds_cluster"}
DATABASES = RELATIONAL | {"docdb_cluster", "docdb_instance", "neptune_cluster", "neptune_instance"}
FIREWALLS = {"ec2_security_group", "network_firewall_firewall"}
BALANCERS = {"elbv2_load_balancer", "elb_load_balancer"}
CACHES = {"elasticache_cluster", "elasticache_replication_group", "elasticache_serverless_cache", "memorydb_cluster"}
SNAPSHOTS = {"ec2_snapshot", "rds_snapshot", "rds_cluster_snapshot", "redshift_snapshot"}
ALARMS = {"cloudwatch_alarm", "cloudwatch_composite_alarm"}
CERTIFICATES = {"acm_certificate", "iam_server_certificate"}
RUNNING = {"running", "available", "active", "inservice", "online", "ready"}


@dataclass(frozen=True)
class Estate(WordsAtGeneration):
    """What an estate says about words."""

    account_names: tuple[str, ...] = ("prod", "Acme Payments", "data-lake", "123456789012")
    type_names: tuple[str, ...] = ("rds_instance", "polly_lexicon", "elbv2_rule", "AWS::Athena::NamedQuery")
    tags: frozenset[str] = frozenset({"team=payments", "costcentre=4100", "schedule=office-hours", "backup=none"})
    words: frozenset[str] = frozenset({"stock", "search"})

    def accounts(self) -> tuple[str, ...]:
        return self.account_names

    def types(self) -> tuple[str, ...]:
        return self.type_names

    def tag_keys(self) -> dict[str, list[str]]:
        return {"team": ["Team"], "cost centre": ["CostCentre"], "schedule": ["Schedule"], "backup": ["Backup"]}

    def tagged(self, pair: str) -> bool:
        return pair in self.tags

    def has_word(self, word: str) -> bool:
        return word in self.words


def read(text: str) -> ParsedQuery:
    return parse_query(text, Estate())


@pytest.mark.parametrize(
    ("text", "slots", "rest"),
    [
        ("production postgres", {"environment": {"production"}, "engine": {"postgres"}, "type": RELATIONAL}, []),
        ("postgres database", {"engine": {"postgres"}, "type": RELATIONAL}, []),
        ("staging sql server", {"environment": {"staging"}, "engine": {"sqlserver"}, "type": {"rds_instance"}}, []),
        ("buckets in eu-west-1", {"type": {"s3_bucket"}, "region": {"eu-west-1"}}, []),
        ("the queues in Ireland", {"type": {"sqs_queue"}, "region": {"eu-west-1"}}, []),
        ("stopped servers", {"state": {"stopped"}, "type": {"ec2_instance"}}, []),
        ("load balancers of Acme Payments", {"type": BALANCERS, "account": {"acme payments"}}, []),
        ("everything in account prod", {"account": {"prod"}}, []),
        ("prod jenkins", {"environment": {"production"}}, ["jenkins"]),
        ("buckets in data-lake", {"type": {"s3_bucket"}, "account": {"data-lake"}}, []),
        ("lambdas of 210987654321", {"type": {"lambda_function"}, "account": {"210987654321"}}, []),
        ("pg-main", {}, ["pg-main"]),
        ("prod-db", {}, ["prod-db"]),
        ("where do we keep payment data?", {}, ["payment", "data"]),
        ("unencrypted s3 in account prod", {"type": {"s3_bucket"}, "account": {"prod"}}, ["unencrypted"]),
        ("stopped ec2", {"state": {"stopped"}, "type": {"ec2_instance"}}, []),
        ("ec2-web-01", {}, ["ec2-web-01"]),
        ("in-use volumes", {"state": {"in-use"}, "type": {"ec2_volume"}}, []),
        ("", {}, []),
        ("?!", {}, []),
    ],
)
def test_structure_and_rest(text: str, slots: dict[str, set[str]], rest: list[str]) -> None:
    query = read(text)

    assert {slot: set(values) for slot, values in query.slots.items()} == slots
    assert list(query.rest) == rest


@pytest.mark.parametrize(
    ("text", "slots", "rest"),
    [
        ("database subnets", {"type": {"ec2_subnet"}}, ["database"]),
        ("subnets of the database", {"type": {"ec2_subnet"}}, ["database"]),
        ("postgres firewall", {"type": FIREWALLS}, ["postgres"]),
        ("buckets and queues", {"type": {"s3_bucket", "sqs_queue"}}, []),
        ("running databases", {"state": RUNNING, "type": DATABASES}, []),
        ("node functions", {"engine": {"nodejs"}, "type": {"lambda_function"}}, []),
        ("buckets in us-east", {"type": {"s3_bucket"}, "region": {"us-east-1", "us-east-2"}}, []),
        ("instances in the subnet", {"type": {"ec2_instance"}}, ["subnet"]),
        ("rules on the event bus", {"type": {"events_bus"}}, ["rules"]),
        ("certificates on load balancers", {"type": CERTIFICATES}, ["load", "balancers"]),
        ("load balancers and nat gateways", {"type": BALANCERS | {"ec2_nat_gateway"}}, []),
        ("snapshots of postgres", {"type": SNAPSHOTS}, ["postgres"]),
        ("redis clusters", {"engine": {"redis"}, "type": CACHES - {"elasticache_serverless_cache"}}, []),
        ("valkey", {"engine": {"valkey"}, "type": CACHES}, []),
        ("alarms", {"type": ALARMS}, []),
        ("metric alarms that are firing", {"type": {"cloudwatch_alarm"}, "state": {"in-alarm", "alarm"}}, []),
        ("alarms in alarm", {"type": ALARMS, "state": {"in-alarm", "alarm"}}, []),
        ("expired certificates", {"state": {"expired"}, "type": CERTIFICATES}, []),
        ("kafka", {}, ["kafka"]),
        ("kafka cluster", {"type": {"kafka_cluster"}}, []),
        ("search nodes", {}, ["search", "nodes"]),
        ("show me jenkins", {}, ["jenkins"]),
        ("search", {}, ["search"]),
    ],
)
def test_which_kind_is_looked_for(text: str, slots: dict[str, set[str]], rest: list[str]) -> None:
    query = read(text)

    assert {slot: set(values) for slot, values in query.slots.items()} == slots
    assert list(query.rest) == rest


@pytest.mark.parametrize(
    ("text", "tags", "rest"),
    [
        ("team=payments", {"team=payments"}, []),
        ("TEAM:Payments", {"team=payments"}, []),
        ("Team: payments", {"team=payments"}, []),
        ("the payments team", {"team=payments"}, []),
        ("cost centre 4100 and team payments", {"costcentre=4100", "team=payments"}, []),
        ("office hours schedule", {"schedule=office-hours"}, []),
        ("team search", set(), ["team", "search"]),
        ("team=search", set(), ["team=search"]),
        ("arn:aws:s3:::logs", set(), ["arn:aws:s3:::logs"]),
    ],
)
def test_tags_that_the_estate_has_are_structure(text: str, tags: set[str], rest: list[str]) -> None:
    query = read(text)

    assert set(query.slots.get("tag", ())) == tags
    assert list(query.rest) == rest


@pytest.mark.parametrize(
    ("text", "corrections"),
    [
        ("databse", {"databse": "database"}),
        ("stopped instnaces", {"instnaces": "instance"}),
        ("buckets in irland", {"irland": "ireland"}),
        ("stock", {}),
        ("databases", {}),
        ("pg-databse", {}),
        ("sevrices", {}),
        ("prod", {}),
    ],
)
def test_misspelt_words_of_structure_are_read_right(text: str, corrections: dict[str, str]) -> None:
    assert read(text).corrections == corrections


def test_a_word_that_only_resembles_part_of_a_phrase_is_left_as_typed() -> None:
    query = read("securty group")

    assert query.slots == {"type": {"ec2_security_group"}}
    assert read("securty reports").rest == ("securty", "reports")


@pytest.mark.parametrize(
    ("text", "slots", "rest"),
    [
        ("polly lexicons", {"type": {"polly_lexicon"}}, []),
        ("elbv2 rules of billing", {"type": {"elbv2_rule"}}, ["billing"]),
        ("athena named query in production", {"type": {"aws::athena::namedquery"}, "environment": {"production"}}, []),
        ("lambda alias", {"type": {"lambda_function"}}, ["alias"]),
        ("polly", {}, ["polly"]),
    ],
)
def test_a_stored_type_without_declared_words_is_found_by_those_of_its_name(
    text: str, slots: dict[str, set[str]], rest: list[str]
) -> None:
    query = read(text)
    assert ({slot: set(values) for slot, values in query.slots.items()}, list(query.rest)) == (slots, rest)


def test_a_reading_is_one_line() -> None:
    reading = QueryReading.of(read("kafka machines of team payments in irland"))

    assert str(reading) == (
        "type ec2_instance, region eu-west-1, tag team=payments; looking for: kafka; read 'irland' as 'ireland'"
    )
    assert str(QueryReading.of(read("kafka"))) == "looking for: kafka"
    assert str(QueryReading.of(read("buckets"))) == "type s3_bucket"
    assert str(QueryReading.of(read(""))) == ""


@settings(deadline=None)
@given(st.sampled_from(sorted(word for word in lexicon().types if " " not in word and len(word) > 5)), st.data())
def test_a_letter_left_out_of_a_long_word_is_put_back(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(word) - 1))
    corrected = lexicon().corrected(word[:place] + word[place + 1 :])

    # What is left may be, or be near, another declared word.
    assert corrected == word or not corrected or abs(len(corrected) - len(word)) <= 2


@pytest.mark.parametrize("text", ["pg-main", "i-0abc", "web01", "10.0.0.1", "db.prod", "my_queue", "arn:aws:s3:::logs"])
def test_digits_and_separators_make_a_name(text: str) -> None:
    assert read(text).identifying


@pytest.mark.parametrize("text", ["jenkins", "payment data", "production database", "buckets in eu-west-1"])
def test_words_are_no_name(text: str) -> None:
    assert not read(text).identifying


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    query = read(text)

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
