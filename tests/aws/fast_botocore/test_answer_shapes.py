"""Answers parsed only for the fields that declarations read, with the same resources as a result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import botocore.parsers
import pytest
from botocore.model import ServiceModel

from cloudops_nb.aws.answer_fields import AnswerFields
from cloudops_nb.aws.fast_botocore.response_parsers import QuickParserFactory
from cloudops_nb.aws.fast_botocore.service_models import NarrowModels
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.scanner import scan
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.answer_fields import answer_fields_by_call
from cloudops_nb.specs.files import bundled_specs
from cloudops_nb.specs.model import ResourceSpec
from tests.synthetic_aws import EstateOfSpecs, SyntheticAws
from tests.synthetic_aws.models import loader

if TYPE_CHECKING:
    from cloudops_nb.model import Resource

REGION = "eu-west-1"
EC2 = "ec2", "DescribeInstances"


def spec_of(**fields: Any) -> ResourceSpec:
    base = {
        "service": "ec2",
        "resource_type": "ec2_thing",
        "arn_template": "a:{identifier}",
        "identifier": "InstanceId",
    }
    listed = {"operation": "DescribeInstances", "items": "Reservations[].Instances[]"}
    return ResourceSpec.model_validate({**base, "list": listed, **fields})


def scanned(monkeypatch: pytest.MonkeyPatch) -> dict[str, Resource]:
    """Every resource of an estate with two of every type, by its key, as if all had been read at one time."""
    aws = SyntheticAws(otherwise=EstateOfSpecs(bundled_specs(), regions=[REGION], count=2), regions=[REGION])
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    sessions = AccountSessions(aws.accounts, threads=4, events=aws.events())
    found = list(Scanner(sessions, threads=4).scan(regions=[REGION], every_detail=True))
    sessions.close()
    rows = [row for page in found if isinstance(page, PageRead) for row in page.resources]
    return {f"{row.resource_type} {row.canonical_key}": replace(row, last_synced=None) for row in rows}


def shapes_of(spec: ResourceSpec) -> ServiceModel:
    models = NarrowModels(loader())
    models.expect(answer_fields_by_call(spec), answer_fields_by_call(spec))
    return ServiceModel(models.load_service_model(spec.called, "service-2"), spec.called)


def members(model: ServiceModel, operation: str, *path: str) -> set[str]:
    """The members of the structure at the end of a path through an answer."""
    shape: Any = model.operation_model(operation).output_shape
    for name in path:
        shape = shape.members[name]
        while shape.type_name == "list":
            shape = shape.member
    return set(shape.members)


def test_resources_of_every_type_are_the_same_as_when_answers_are_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = scanned(monkeypatch)
    monkeypatch.setattr(scan, "answer_fields_by_call", lambda _: {})
    monkeypatch.setattr(QuickParserFactory, "create_parser", botocore.parsers.ResponseParserFactory.create_parser)
    whole = scanned(monkeypatch)

    assert {each.resource_type for each in narrow.values()} == {spec.resource_type for spec in bundled_specs()}
    assert narrow == whole


@pytest.mark.fast
def test_fields_that_are_not_read_are_not_in_the_model() -> None:
    model = shapes_of(
        spec_of(
            state="State.Name",
            relations=[{"kind": "in_vpc", "resource_type": "x_y", "path": "NetworkInterfaces[].VpcId"}],
        )
    )
    assert members(model, "DescribeInstances") == {"NextToken", "Reservations"}
    assert members(model, "DescribeInstances", "Reservations") == {"Instances"}
    assert members(model, "DescribeInstances", "Reservations", "Instances") == {
        "InstanceId",
        "State",
        "NetworkInterfaces",
        "VpcId",
    }
    assert members(model, "DescribeInstances", "Reservations", "Instances", "State") == {"Name"}
    assert members(model, "DescribeInstances", "Reservations", "Instances", "NetworkInterfaces") == {"VpcId"}


@pytest.mark.fast
@pytest.mark.parametrize(
    "selector",
    [
        "Placement", "[Placement]", "{where: Placement}", "length(keys(Placement))", "Placement || State",
        "Placement[]", "Placement | Tenancy", "not_null(Placement).Tenancy", "Placement.*", "Placement.[Tenancy]",
        "Placement[?Tenancy]", "[Placement][].Tenancy", "Placement == `{}`", "!Placement", "State.Name && Placement",
        "Placement.to_string(@)",
    ],
)  # fmt: skip
def test_a_value_that_is_not_read_field_by_field_stays_complete(selector: str) -> None:
    model = shapes_of(spec_of(facts={"it": selector}))
    whole = members(
        ServiceModel(loader().load_service_model("ec2", "service-2"), "ec2"),
        "DescribeInstances",
        "Reservations",
        "Instances",
        "Placement",
    )
    assert members(model, "DescribeInstances", "Reservations", "Instances", "Placement") == whole


@pytest.mark.fast
@pytest.mark.parametrize(
    ("selector", "whole", "through"),
    [
        ("a.b.c", {"c"}, {"a", "b"}),
        ("a[].b[0].c", {"c"}, {"a", "b"}),
        ("a[?x.y=='1'].b", {"b", "y"}, {"a", "x"}),
        ("a[?x=='1']", {"a", "x"}, set()),
        ("a[*].b[].c | [0]", {"c"}, {"a", "b"}),
        ("length(a[?b.c])", {"a", "c"}, {"b"}),
        ("a.{x: b, y: c.d}", {"a", "b", "d"}, {"c"}),
    ],
)
def test_the_fields_that_a_selector_reads(selector: str, whole: set[str], through: set[str]) -> None:
    (reading,) = answer_fields_by_call(spec_of(identifier=selector)).values()
    listed = {"Reservations", "Instances"}
    assert (set(reading.whole), set(reading.partial) - listed) == (whole, through)


@pytest.mark.fast
def test_parameters_of_further_calls_are_read() -> None:
    parent = {"into": "up", "list": {"operation": "DescribeVpcs", "items": "Vpcs[]"}, "parameters": {"P": "a1.b1"}}
    more = {"into": "more", "operation": "DescribeMore", "keys": "Ks", "key": "a2.b2", "items": "I", "match": "M"}
    batch = {**more, "size": 9, "parameters": {"P": "a3.b3"}}
    detail = {"into": "rest", "operation": "DescribeRest", "parameters": {"P": "a4.b4"}, "when": "a5.b5"}
    read = answer_fields_by_call(spec_of(parent=parent, batches=[batch], details=[detail]))
    assert set(read) == {EC2, ("ec2", "DescribeVpcs")}
    for each in read.values():
        assert {f"b{number}" for number in range(1, 6)} < each.whole
        assert {f"a{number}" for number in range(1, 6)} < each.partial


@pytest.mark.fast
def test_a_field_that_is_read_both_ways_is_read_whole() -> None:
    model = shapes_of(spec_of(state="State.Name", facts={"it": "State"}))
    assert members(model, "DescribeInstances", "Reservations", "Instances", "State") == {"Code", "Name"}


@pytest.mark.fast
def test_a_list_call_of_two_types_has_the_fields_of_both_and_a_call_without_fields_is_complete() -> None:
    models, one, other = NarrowModels(loader()), spec_of(state="State.Name"), spec_of(state="Platform")
    editions = []
    for spec in (one, other, other):
        models.expect(answer_fields_by_call(spec), answer_fields_by_call(spec))
        editions.append(models.edition(*EC2))
    path = ("DescribeInstances", "Reservations", "Instances")

    def found() -> set[str]:
        return members(ServiceModel(models.load_service_model("ec2", "service-2"), "ec2"), *path)

    assert found() == {"InstanceId", "State", "Platform"}
    assert editions == [1, 2, 2]
    models.expect([EC2])
    assert {"InstanceId", "State", "Platform", "VpcId", "Placement"} < found()
    models.expect([EC2], {EC2: AnswerFields(frozenset(), frozenset())})
    assert models.edition(*EC2) == 3
    assert "VpcId" in found()


@pytest.mark.fast
def test_a_client_made_before_another_type_was_expected_is_not_used_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = SyntheticAws(otherwise=EstateOfSpecs(bundled_specs(), regions=[REGION], count=1), regions=[REGION])
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    sessions = AccountSessions(aws.accounts, threads=1, events=aws.events())
    (account,) = sessions.accounts()
    for spec, read in ((spec_of(), False), (spec_of(state="State.Name"), True)):
        sessions.expect(answer_fields_by_call(spec), answer_fields_by_call(spec))
        client: Any = sessions.client(account.account_id, "ec2", REGION, "DescribeInstances")
        (instance,) = client.describe_instances()["Reservations"][0]["Instances"]
        assert ("State" in instance) is read
    sessions.close()


@pytest.mark.fast
@pytest.mark.parametrize("service", ["sts", "sso", "sso-oidc", "signin"])
def test_services_for_credentials_are_never_narrow(service: str) -> None:
    whole = loader().load_service_model(service, "service-2")
    models = NarrowModels(loader())
    models.expect([(service, next(iter(whole["operations"])))])
    assert models.load_service_model(service, "service-2") is whole
    assert not models.edition(service, next(iter(whole["operations"])))


@pytest.mark.fast
def test_page_tokens_inside_items_are_read() -> None:
    listed = {"operation": "ListObjects", "items": "Contents[]"}
    spec = spec_of(service="s3", list=listed, identifier="ETag")
    assert members(shapes_of(spec), "ListObjects", "Contents") == {"ETag", "Key"}
