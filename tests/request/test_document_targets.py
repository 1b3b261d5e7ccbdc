"""Which resources a document is bound to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import PlanError
from cloudops_nb.model import Resource, SearchHit
from cloudops_nb.request.document_targets import Place, bind_as_a_whole, bind_to_target
from cloudops_nb.ssm.catalogue import Catalogue, Playbook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.model import ResourceFilter

pytestmark = pytest.mark.fast

ACCOUNT = "123456789012"
HERE = Place(ACCOUNT, "eu-west-1")
TYPES = {"AWS::EC2::Instance": ["ec2_instance"]}
TEXT = """\
schemaVersion: '0.3'
description: Reads.
parameters:
  InstanceIds: {type: 'List<AWS::EC2::Instance::Id>', default: []}
  Name: {type: String, default: ''}
  Tags: {type: StringMap, default: {}}
mainSteps:
  - name: look
    action: aws:executeAwsApi
    inputs: {Service: rds, Api: DescribeDBInstances, DBInstanceIdentifier: '{{ Name }}'}
"""


def stop_playbook() -> Playbook:
    """A bundled playbook; read by a test, because reading it must not stop the collection of tests."""
    return Catalogue.bundled().get("rds-stop")


def resource(kind: str, identifier: str, **fields: Any) -> Resource:
    service = kind.split("_", maxsplit=1)[0]
    arn = f"arn:aws:{service}:eu-west-1:{ACCOUNT}:{kind}/{identifier}"
    found = Resource(kind, identifier, ACCOUNT, "eu-west-1", service, arn=arn, account_name="staging")
    return replace(found, **fields)


class Estate:
    """An estate in memory."""

    def __init__(self, *resources: Resource) -> None:
        self._resources = resources

    def lookup(self, text: str) -> Sequence[Resource]:
        names = ((each, (each.identifier, each.name, each.arn)) for each in self._resources)
        return [each for each, known in names if text.casefold() in map(str.casefold, known)]

    def resources(self, where: ResourceFilter | None = None, *, limit: int | None = None) -> Sequence[SearchHit]:
        raise NotImplementedError

    def search(self, query: str, *, limit: int = 10, where: ResourceFilter | None = None) -> Sequence[SearchHit]:
        kind = where.resource_type if where else ""
        return [SearchHit(each, 1.0, "") for each in self._resources if each.resource_type == kind]

    def facets(self, field: str) -> Mapping[str, int]:
        raise NotImplementedError


@pytest.fixture
def whole() -> Playbook:
    return Playbook.without_metadata(TEXT, "look", "look.yaml")


def bound(estate: Estate, name: str, place: Place = HERE) -> list[str]:
    found = bind_to_target(stop_playbook(), {"DBInstanceIdentifier": name}, estate, place)
    return [each.identifier for each in found.targets]


def test_a_target_is_named_by_id_name_or_arn() -> None:
    database = resource("rds_instance", "pg-1", name="orders")
    for text in ("pg-1", "orders", database.arn):
        assert bound(Estate(database, resource("ec2_instance", "pg-1")), text) == ["pg-1"]


def test_an_id_is_preferred_to_the_same_name_of_another_resource() -> None:
    assert bound(Estate(resource("rds_instance", "pg-1"), resource("rds_instance", "pg-2", name="pg-1")), "pg-1") == [
        "pg-1"
    ]


def test_several_resources_are_named_as_a_list() -> None:
    estate = Estate(resource("rds_instance", "pg-1"), resource("rds_instance", "pg-2", region="us-east-1"))
    assert bound(Estate(resource("rds_instance", "pg-1"), resource("rds_instance", "pg-2")), '["pg-1","pg-2"]') == [
        "pg-1",
        "pg-2",
    ]
    with pytest.raises(PlanError, match="a plan has one account and one region"):
        bound(estate, '["pg-1","pg-2"]', Place())


@pytest.mark.parametrize("value", ["[]", {"a": "b"}])
def test_no_name_at_all_is_an_error(value: Any) -> None:
    with pytest.raises(PlanError, match="DBInstanceIdentifier of rds-stop names no resource"):
        bound(Estate(), value)


def test_an_ambiguous_name_lists_the_candidates() -> None:
    same = [resource("rds_instance", f"pg-{number}", name="orders") for number in range(7)]
    with pytest.raises(PlanError, match=r"7 resources are called orders: .*pg-0.*; and 2 more.*Give the ARN of one"):
        bound(Estate(*same), "orders")


def test_an_unknown_name_lists_what_is_near() -> None:
    with pytest.raises(PlanError, match="there is no rds instance pg-1 in the estate: it may not have been scanned"):
        bound(Estate(), "pg-1")
    with pytest.raises(PlanError, match=r"no rds instance pg-1 .*there is: pg-2 .rds_instance, staging eu-west-1"):
        bound(Estate(resource("rds_instance", "pg-2")), "pg-1")
    with pytest.raises(PlanError, match=r"no rds instance pg-1 .*there is: pg-1 .ec2_instance, staging eu-west-1"):
        bound(Estate(resource("ec2_instance", "pg-1")), "pg-1")


def test_the_place_narrows_the_target() -> None:
    estate = Estate(resource("rds_instance", "pg-1"), resource("rds_instance", "pg-1", region="us-east-1", arn="x"))
    found = bind_to_target(stop_playbook(), {"DBInstanceIdentifier": "pg-1"}, estate, HERE, notes=["a note"])
    assert found.region == "eu-west-1"
    assert found.target_parameter == "DBInstanceIdentifier"
    assert found.reasons[0] == "a note"
    assert found.level == "medium"
    assert "assumeRole is not assumed" in found.explanation
    with pytest.raises(PlanError, match="there is no rds instance"):
        bound(estate, "pg-1", Place("999999999999"))


def targets(playbook: Playbook, values: Mapping[str, Any], *resources: Resource) -> list[str]:
    found = bind_as_a_whole(playbook, values, Estate(*resources), HERE, TYPES)
    assert (found.target_parameter, found.region) == ("", "eu-west-1")
    assert found.parameters == values
    return sorted(f"{each.resource_type}:{each.identifier}" for each in found.targets)


def test_a_typed_parameter_names_resources_of_its_type(whole: Playbook) -> None:
    instances = resource("ec2_instance", "i-1"), resource("ec2_volume", "i-1")
    assert targets(whole, {"InstanceIds": ["i-1"]}, *instances) == ["ec2_instance:i-1"]


def test_a_value_is_an_exact_id_or_arn_in_the_place(whole: Playbook) -> None:
    database = resource("rds_instance", "pg-1", name="orders")
    elsewhere = resource("rds_instance", "pg-9", region="us-east-1")
    role = resource("iam_role", "reader", region="global")
    for text, expected in (
        ("pg-1", ["rds_instance:pg-1"]),
        (database.arn, ["rds_instance:pg-1"]),
        ("reader", ["iam_role:reader"]),
        ("orders", []),
        ("PG-1", ["rds_instance:pg-1"]),
        ("READER", []),
        ("pg-9", []),
        (" ", []),
        ("{{ global:REGION }}", []),
    ):
        assert targets(whole, {"Name": text}, database, elsewhere, role) == expected


def test_a_resource_that_a_step_names_itself_is_a_target() -> None:
    database, queue = resource("rds_instance", "pg-1"), resource("sqs_queue", "pg-1")
    for written in ("pg-1", "PG-1", database.arn):
        playbook = Playbook.without_metadata(TEXT.replace("'{{ Name }}'", f"'{written}'"), "look", "look.yaml")
        assert targets(playbook, {}, database, queue) == ["rds_instance:pg-1"]
    assert targets(playbook, {}, queue) == []


def test_a_resource_that_a_step_names_beside_the_target_is_told() -> None:
    stop = stop_playbook()
    text = TEXT.replace("'{{ Name }}'", "pg-9")
    document = Playbook.without_metadata(text, "look", "look.yaml").document
    beside = replace(stop, document=replace(stop.document, steps=(*stop.document.steps, *document.steps)))
    estate = Estate(resource("rds_instance", "pg-1"), resource("rds_instance", "pg-9"))
    found = bind_to_target(beside, {"DBInstanceIdentifier": "pg-1"}, estate, HERE)
    assert [each.identifier for each in found.targets] == ["pg-1"]
    assert any("a step names pg-9 (rds_instance, staging) itself" in reason for reason in found.reasons)


def test_of_several_resources_those_of_the_called_service_count(whole: Playbook) -> None:
    same = resource("rds_instance", "main"), resource("ecs_cluster", "main")
    assert targets(whole, {"Name": "main"}, *same) == ["rds_instance:main"]
    others = resource("eks_cluster", "main"), resource("ecs_cluster", "main")
    assert targets(whole, {"Name": "main"}, *others) == ["ecs_cluster:main", "eks_cluster:main"]


def test_values_inside_of_maps_count_and_numbers_do_not(whole: Playbook) -> None:
    assert targets(whole, {"Tags": {"db": "pg-1", "size": 5}}, resource("rds_instance", "pg-1")) == [
        "rds_instance:pg-1"
    ]


def test_the_role_of_systems_manager_is_no_target_and_may_be_empty() -> None:
    text = TEXT.replace("parameters:", "assumeRole: '{{ Role }}'\nparameters:\n  Role: {type: String}")
    playbook = Playbook.without_metadata(text, "look", "look.yaml")
    role = resource("iam_role", "runner", region="global")
    found = bind_as_a_whole(playbook, {"Role": role.arn}, Estate(role), HERE, {})
    assert found.targets == ()
    assert bind_as_a_whole(playbook, {}, Estate(role), HERE, {}).parameters == {"Role": ""}
    assert "assumeRole is not assumed" in found.explanation


def test_a_typed_id_that_the_estate_does_not_have_is_named(whole: Playbook) -> None:
    found = bind_as_a_whole(
        whole, {"InstanceIds": ["i-1", "i-gone"]}, Estate(resource("ec2_instance", "i-1")), HERE, TYPES
    )
    (told,) = (reason for reason in found.reasons if "not in the estate" in reason)
    assert told.startswith("InstanceIds: i-gone is not in the estate")
    known = bind_as_a_whole(whole, {"InstanceIds": ["i-1"]}, Estate(resource("ec2_instance", "i-1")), HERE, TYPES)
    untyped = bind_as_a_whole(whole, {"Name": "gone"}, Estate(), HERE, TYPES)
    assert not any("not in the estate" in reason for reason in (*known.reasons, *untyped.reasons))


def test_the_candidates_of_an_unknown_name_fit_into_an_error() -> None:
    near = [resource("rds_instance", f"pg-instance-of-the-payments-team-{number}") for number in range(9)]
    with pytest.raises(PlanError, match=r"; and 3 more\. Give an id") as told:
        bound(Estate(*near[:5]), "pg-instance-of-the")
    assert len(str(told.value)) <= 300


def test_many_targets_are_shortened_in_the_explanation(whole: Playbook) -> None:
    instances = [resource("ec2_instance", f"i-{number}") for number in range(7)]
    given = {"InstanceIds": [each.identifier for each in instances]}
    found = bind_as_a_whole(whole, given, Estate(*instances), HERE, TYPES)
    assert found.explanation == "Reads on i-0, i-1, i-2, i-3, i-4 and 2 more."
    assert bind_as_a_whole(whole, {}, Estate(), HERE, TYPES).explanation == "Reads."
