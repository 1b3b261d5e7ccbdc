"""Filters of search and resources: values, lists, wildcards and absence, over fields, tags, facts and relations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb import CloudOps
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.model import CellResult, CellState, Constraints, Relation, Resource
from cloudops_nb.understanding.query import Match, Query
from tests.embedders import EvenEmbedder

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = Resource(
    "ec2_instance", "i-1", "123456789012", "eu-west-1", "ec2", "arn:aws:ec2:eu-west-1:123456789012:instance/i-1",
    "web-1", "running", "prod", {"Env": "prod", "Team": "Blue"},
    constraints=Constraints(facts={"public": True, "jumbo_frames": False}),
    relations=(Relation("in_vpc", "ec2_vpc", "vpc-1"),), metadata={"instance_class": "m5.large"},
)  # fmt: skip
API = replace(
    WEB, identifier="i-2", name="web-api", arn=f"{WEB.arn[:-1]}2", region="eu-central-1", state="stopped",
    tags={"Env": "dev"}, constraints=Constraints(facts={"public": False}), relations=(),
    metadata={"instance_class": "t3.micro"},
)  # fmt: skip
DB = replace(
    WEB, resource_type="rds_instance", service="rds", identifier="db-1", name="db-1", state="available",
    arn="arn:aws:rds:eu-west-1:210987654321:db:db-1", account_id="210987654321", account_name="dev", tags={"Env": ""},
    constraints=Constraints(facts={"encrypted": False}), metadata={"engine": "postgres"},
)  # fmt: skip
ESTATE = (WEB, API, DB)


@pytest.fixture(scope="module")
def ops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudOps]:
    home = tmp_path_factory.mktemp("querying")
    with CloudOps(home / "store", key_file=str(home / "key"), regions=["eu-west-1"]) as opened:
        opened.parts._embedder = EvenEmbedder()
        for each in {each.cell for each in ESTATE}:
            there = [one for one in ESTATE if one.cell == each]
            result = CellResult(each, CellState.OK, datetime.now(UTC), 0.0, len(there))
            opened.storage.estate.apply_full(result, there, scan_id="one")
        yield opened


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"region": ["eu-west-1", "eu-central-1"]}, {"i-1", "i-2", "db-1"}),
        ({"region": "eu-*"}, {"i-1", "i-2", "db-1"}),
        ({"region": ("eu-central-1",)}, {"i-2"}),
        ({"account": ["prod", "210987654321"]}, {"i-1", "i-2", "db-1"}),
        ({"account": "d*"}, {"db-1"}),
        ({"name": "web-*"}, {"i-1", "i-2"}),
        ({"name": "WEB-?"}, {"i-1"}),
        ({"state": ["running", "available"], "service": "ec2"}, {"i-1"}),
        ({"identifier": ["i-1", "db-*"]}, {"i-1", "db-1"}),
        ({"arn": "*:210987654321:*"}, {"db-1"}),
        ({"tags": {"Env": ["prod", "dev"]}}, {"i-1", "i-2"}),
        ({"tags": {"Env": "*"}}, {"i-1", "i-2", "db-1"}),
        ({"tags": {"env": ""}}, {"db-1"}),
        ({"tags": {"Team": None}}, {"i-2", "db-1"}),
        ({"tags": {"Team": [None, "blue"]}}, {"i-1", "i-2", "db-1"}),
        ({"tags": {"Env": "p*", "Team": "b?ue"}}, {"i-1"}),
        ({"public": True}, {"i-1"}),
        ({"public": [True, False]}, {"i-1", "i-2"}),
        ({"public": None}, {"db-1"}),
        ({"public": "true"}, {"i-1"}),
        ({"encrypted": False}, {"db-1"}),
        ({"instance_type": "m5.*"}, {"i-1"}),
        ({"engine": "Postgres"}, {"db-1"}),
        ({"vpc": "vpc-1"}, {"i-1", "db-1"}),
        ({"in_vpc": None}, {"i-2"}),
        ({"resource_type": "ec2_instance", "vpc": None}, {"i-2"}),
        ({"region": None, "state": None}, {"i-1", "i-2", "db-1"}),
        ({}, {"i-1", "i-2", "db-1"}),
    ],
)
def test_each_filter_leaves_exactly_these(ops: CloudOps, filters: dict[str, Any], expected: set[str]) -> None:
    assert set(ops.resources(**filters).identifier) == expected
    found = set(ops.search("instance", limit=10, **filters).identifier)
    assert expected & {"i-1", "i-2"} <= found <= expected, "the word asks for EC2 instances"
    query = Query.of(filters, {*filters})
    assert {each.identifier for each in ESTATE if query.holds(each, whole=True)} == expected


def test_a_search_looks_further_down_until_enough_pass(ops: CloudOps) -> None:
    assert list(ops.search("web", limit=1, encrypted=False).identifier) == ["db-1"]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"region": "eu-wset-1"}, "unknown region eu-wset-1: did you mean eu-west-1"),
        ({"region": ["eu-west-1", "eu-wset-1"]}, "unknown region eu-wset-1"),
        ({"account": "prd"}, "unknown account prd: did you mean prod"),
        ({"service": "rsd"}, "unknown service rsd: did you mean rds"),
        ({"resource_type": "ec2_instances"}, "unknown resource type ec2_instances: did you mean ec2_instance"),
        ({"encryptd": True}, "unknown filter encryptd: did you mean encrypted"),
        ({"zzzz": 1}, "unknown filter zzzz: no resource type has a fact"),
        ({"region": []}, "the filter region cannot be used: it is an empty list"),
        ({"region": {"a": 1}}, "the filter region cannot be used: it is a dict"),
        ({"tags": "Env=prod"}, "the filter tags cannot be used: it is a str"),
    ],
)
def test_an_unknown_name_of_a_closed_set_is_told_with_a_near_one(
    ops: CloudOps, filters: dict[str, Any], message: str
) -> None:
    for ask in (lambda: ops.resources(**filters), lambda: ops.search("web", **filters)):
        with pytest.raises(ConfigurationError, match=message):
            ask()


def test_an_unknown_value_of_an_open_set_gives_an_empty_frame_that_says_so(ops: CloudOps) -> None:
    for filters, note in (
        ({"name": "nobody"}, "no resource passes: name nobody"),
        ({"region": "us-east-1"}, "no resource passes: region us-east-1"),
        ({"tags": {"Env": ["x", None]}, "state": "gone"}, "no resource passes: state gone, tag Env x or absent"),
    ):
        frame = ops.resources(**filters)
        assert frame.empty
        assert frame.attrs["note"] == note


def test_facts_are_columns_on_demand(ops: CloudOps) -> None:
    frame = ops.resources(facts=True).set_index("identifier")

    assert frame.loc["i-1", "public"] is True
    assert frame.loc["i-1", "instance_class"] == "m5.large"
    assert frame.loc["i-1", "relation.in_vpc"] == ["vpc-1"]
    assert frame.loc["db-1", "public"] is None
    assert "public" not in ops.resources()


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_text_without_wildcards_matches_itself_alone(text: str, other: str) -> None:
    match = Match.of("name", text.replace("*", "").replace("?", ""))
    plain = str(match.options[0])

    assert match.exact
    if plain.strip():
        assert match.holds([plain])
        assert match.holds([plain.upper()]) or plain.upper().casefold() != plain.casefold()
    assert Match.of("name", "*").holds([other])
    assert not Match.of("name", "*").holds([])
