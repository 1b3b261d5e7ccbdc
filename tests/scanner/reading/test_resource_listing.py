"""Resources that are listed per parent, described in batches, and detailed only on request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from cloudops_nb.model import CellState, Relation, Ternary
from cloudops_nb.scanner.reading.resource_builder import UNREAD
from cloudops_nb.specs.files import parse_specs

if TYPE_CHECKING:
    from collections.abc import Callable

PROD = "123456789012"
#: A region that no other test scans.
REGION = "eu-central-1"
CELL = f"{PROD}/{REGION}/ecs_service"
TIMEOUT = ReadTimeoutError(endpoint_url="https://ecs.eu-central-1.amazonaws.com")

ECS = """
service: ecs
types:
  - resource_type: ecs_service
    cloudformation_type: AWS::ECS::Service
    parent:
      into: cluster
      list: {operation: ListClusters, items: "clusterArns[].{arn: @}", page_size: 100, absent: [NotInUseException]}
      parameters: {cluster: arn}
      gone: [ClusterNotFoundException]
    list: {operation: ListServices, items: "serviceArns[].{arn: @}", page_size: 100}
    batches:
      - {into: described, operation: DescribeServices, keys: services, key: arn, items: services, match: serviceArn,
         size: 10, parameters: {cluster: cluster.arn, include: "['TAGS']"}}
    details:
      - {into: tasks, operation: ListTasks, on_demand: true,
         parameters: {cluster: cluster.arn, serviceName: arn_name(arn)}}
    identifier: arn_name(arn)
    arn: arn
    state: described.status
    tags: {style: list, path: described.tags, key: key, value: value}
    relations: [{kind: in_cluster, resource_type: ecs_cluster, path: arn_name(cluster.arn)}]
    constraints:
      can_stop: [{when: "length(tasks.taskArns || `[]`) > `0`", value: false, reason: "it has tasks"}, {value: true}]
      can_delete: [{when: "described.desiredCount > `0`", value: false, reason: "it wants tasks"}, {value: true}]
    facts: {tasks: "length(tasks.taskArns || `[]`)"}
    metadata: {launch_type: described.launchType, desired: described.desiredCount}
"""


def client(service: Any, estate: Any, region: str) -> Any:  # the stubs ask for a literal
    keys = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    return boto3.Session(*keys, region_name=region).client(service, endpoint_url=estate.endpoint)


@pytest.fixture(scope="session")
def clusters(estate: Any) -> list[str]:
    """Three clusters: one with twelve services, one with one, one with none."""
    ecs = client("ecs", estate, REGION)
    ecs.register_task_definition(family="web", containerDefinitions=[{"name": "web", "image": "web", "memory": 64}])
    service = {"taskDefinition": "web", "desiredCount": 1, "launchType": "EC2"}
    tags = [{"key": "Team", "value": "pay"}]
    for cluster, services in (("many", 12), ("one", 1), ("none", 0)):
        ecs.create_cluster(clusterName=cluster)
        for number in range(services):
            ecs.create_service(cluster=cluster, serviceName=f"{cluster}-{number:02}", tags=tags, **service)
    return [arn.rpartition("/")[2] for arn in ecs.list_clusters()["clusterArns"]]


@pytest.fixture
def scan(
    clusters: list[str], make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any
) -> Callable[..., Any]:
    """Scans services of clusters, or what another spec says; with one thread calls come in the order of the parents."""

    def run(text: str = ECS, **options: Any) -> Any:
        scanner = make_scanner(events=faults.events, specs=parse_specs(text, "mine.yaml"), threads=1)
        return collect(scanner, **{"accounts": ["prod"], "regions": [REGION], **options})

    return run


@pytest.fixture
def refused(answer: Any) -> Callable[[str], Any]:
    """Makes the answer by which a service that speaks JSON refuses."""
    return lambda code: answer(json.dumps({"__type": code, "message": "no"}), 400)


def test_a_listing_is_made_for_every_parent_and_described_in_batches(scan: Any, faults: Any) -> None:
    found = scan()
    assert found.results[CELL].state is CellState.OK
    assert len(found.names("ecs_service")) == found.results[CELL].resources == 13
    calls = {
        operation: faults.made(f"ecs:{operation}") for operation in ("ListClusters", "ListServices", "DescribeServices")
    }
    assert calls == {"ListClusters": 1, "ListServices": 3, "DescribeServices": 3}
    service = found.one("ecs_service", "one-00")
    assert service.relations == (Relation("in_cluster", "ecs_cluster", "one", PROD, REGION),)
    assert (service.state, service.tags, service.metadata["launch_type"]) == ("ACTIVE", {"Team": "pay"}, "EC2")
    assert service.constraints.can_delete.reason == "it wants tasks"


def test_many_threads_find_the_same(
    clusters: list[str], make_scanner: Callable[..., Any], collect: Callable[..., Any]
) -> None:
    scanner = make_scanner(specs=parse_specs(ECS, "mine.yaml"), threads=8)
    assert len(collect(scanner, accounts=["prod"], regions=[REGION]).names("ecs_service")) == 13


def test_a_refused_parent_leaves_the_cell_partial_and_the_others_read(
    scan: Any, clusters: list[str], faults: Any, refused: Any
) -> None:
    faults.set("ecs:ListServices", refused("AccessDeniedException"), region=REGION, calls=range(2, 3))
    found = scan()
    assert found.results[CELL].state is CellState.PARTIAL
    assert "1 of 3 parents (cluster) could not be listed: AccessDeniedException: no" in found.results[CELL].detail
    lost = {"many": 12, "one": 1, "none": 0}[clusters[1]]
    assert len(found.names("ecs_service")) == found.results[CELL].resources == 13 - lost


@pytest.mark.parametrize(
    ("code", "state"), [("AccessDeniedException", CellState.DENIED), ("SomethingNew", CellState.ERROR)]
)
def test_refused_parents_are_the_cells_failure(
    scan: Any, faults: Any, refused: Any, code: str, state: CellState
) -> None:
    faults.set("ecs:ListServices", refused(code), region=REGION)
    result = scan().results[CELL]
    assert (result.state, result.resources) == (state, 0)
    assert result.detail.startswith("3 of 3 parents (cluster) could not be listed")


def test_a_transient_failure_of_a_parent_is_reported_before_a_denied_one(scan: Any, faults: Any, refused: Any) -> None:
    faults.set("ecs:ListServices", refused("AccessDeniedException"), region=REGION, calls=range(1, 2))
    faults.set("ecs:ListServices", TIMEOUT, region=REGION, calls=range(2, 99))
    assert scan().results[CELL].state is CellState.TIMEOUT


def test_a_parent_deleted_in_between_is_skipped(scan: Any, faults: Any, refused: Any) -> None:
    faults.set("ecs:ListServices", refused("ClusterNotFoundException"), region=REGION)
    result = scan().results[CELL]
    assert (result.state, result.resources, result.detail) == (CellState.OK_EMPTY, 0, "")


def test_parents_that_cannot_be_listed_are_the_cells_failure(scan: Any, faults: Any, refused: Any, answer: Any) -> None:
    faults.set("ecs:ListClusters", refused("AccessDeniedException"), region=REGION, calls=range(1, 2))
    faults.set("ecs:ListClusters", answer("{}"), region=REGION, calls=range(2, 3))
    assert scan().results[CELL].state is CellState.DENIED
    broken = scan().results[CELL]
    assert (broken.state, broken.detail) == (CellState.ERROR, "ListClusters returned no clusterArns[].{arn: @}")


def test_an_answer_without_its_list_for_one_parent_is_not_an_empty_parent(scan: Any, faults: Any, answer: Any) -> None:
    faults.set("ecs:ListServices", answer("{}"), region=REGION, calls=range(1, 2))
    result = scan().results[CELL]
    assert result.state is CellState.PARTIAL
    assert "ListServices returned no serviceArns" in result.detail


def test_a_service_that_is_not_in_use_has_no_resources(scan: Any, faults: Any, refused: Any) -> None:
    faults.set("ecs:ListClusters", refused("NotInUseException"), region=REGION)
    result = scan().results[CELL]
    assert (result.state, result.detail) == (CellState.OK_EMPTY, "")


def test_a_service_that_says_midway_that_it_is_not_in_use_is_not_believed(
    scan: Any, faults: Any, refused: Any, answer: Any
) -> None:
    first = {"clusterArns": [f"arn:aws:ecs:{REGION}:{PROD}:cluster/one"], "nextToken": "2"}
    faults.set("ecs:ListClusters", answer(json.dumps(first)), region=REGION, calls=range(1, 2))
    faults.set("ecs:ListClusters", refused("NotInUseException"), region=REGION, calls=range(2, 3))
    result = scan().results[CELL]
    assert (result.state, result.resources) == (CellState.PARTIAL, 1)
    assert "NotInUseException" in result.detail


def test_expired_credentials_at_a_parent_are_renewed_and_all_is_read_again(
    scan: Any, faults: Any, refused: Any
) -> None:
    faults.set("ecs:ListServices", refused("SomethingNew"), region=REGION, calls=range(1, 2))
    faults.set("ecs:ListServices", refused("ExpiredTokenException"), region=REGION, calls=range(2, 3))
    found = scan()
    assert (found.results[CELL].state, found.results[CELL].resources) == (CellState.OK, 13)


def test_what_a_batch_does_not_find_any_more_is_gone(scan: Any, faults: Any, answer: Any) -> None:
    left = {"services": [{"serviceArn": f"arn:aws:ecs:{REGION}:{PROD}:service/many/many-00", "status": "ACTIVE"}]}
    faults.set("ecs:DescribeServices", answer(json.dumps(left)), region=REGION)
    found = scan()
    assert "many-00" in found.names("ecs_service")
    assert "many-01" not in found.names("ecs_service")


def test_a_denied_batch_keeps_its_rows_and_says_what_is_missing(scan: Any, faults: Any, refused: Any) -> None:
    faults.set("ecs:DescribeServices", refused("AccessDeniedException"), region=REGION)
    found = scan()
    assert found.results[CELL].state is CellState.OK
    assert found.results[CELL].detail == "13 without described (AccessDeniedException: no)"
    service = found.one("ecs_service", "one-00")
    assert service.metadata == {UNREAD: {"described": "AccessDeniedException: no"}}
    assert service.constraints.can_delete.value is Ternary.UNKNOWN
    assert service.arn.endswith("service/one/one-00")


@pytest.mark.parametrize("text", ["{}", '{"services": []}', '{"services": [{"serviceArn": "another"}]}'])
def test_a_batch_that_returns_none_of_several_items_is_an_error(scan: Any, faults: Any, answer: Any, text: str) -> None:
    faults.set("ecs:DescribeServices", answer(text), region=REGION)
    found = scan()
    assert found.results[CELL].state is CellState.PARTIAL
    assert len([name for name in found.names("ecs_service") if name.startswith("many")]) == 12


def test_a_batch_lost_in_passing_makes_the_cell_partial(scan: Any, faults: Any) -> None:
    faults.set("ecs:DescribeServices", TIMEOUT, region=REGION)
    found = scan()
    assert found.results[CELL].state is CellState.PARTIAL
    assert len(found.names("ecs_service")) == 13


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("identifier: arn_name(arn)", "identifier: described.serviceName"), ("arn: arn\n", "arn: described.serviceArn\n")],
)
def test_an_item_whose_identity_was_in_a_failed_batch_becomes_no_resource(
    *, scan: Any, faults: Any, refused: Any, right: str, wrong: str
) -> None:
    faults.set("ecs:DescribeServices", refused("AccessDeniedException"), region=REGION)
    found = scan(ECS.replace(f"    {right}", f"    {wrong}"))
    assert found.results[CELL].state is CellState.PARTIAL
    assert found.names("ecs_service") == []


def test_an_item_without_an_identifier_leaves_the_cell_partial(scan: Any) -> None:
    found = scan(ECS.replace("identifier: arn_name(arn)", "identifier: described.platformFamily"))
    assert found.results[CELL].state is CellState.PARTIAL
    assert found.results[CELL].detail == "13 without identifier (AWS did not return it)"


def test_an_expensive_detail_is_unknown_until_it_is_asked_for(scan: Any, faults: Any) -> None:
    found = scan()
    assert found.results[CELL].state is CellState.OK
    assert found.results[CELL].detail == ""
    service = found.one("ecs_service", "one-00")
    assert service.constraints.can_stop.value is Ternary.UNKNOWN
    assert service.constraints.can_stop.reason == "its tasks was not read: it is read only by a scan with every detail"
    assert service.constraints.facts == {}
    assert UNREAD not in service.metadata
    assert faults.made("ecs:ListTasks") == 0
    whole = scan(every_detail=True).one("ecs_service", "one-00")
    assert whole.constraints.can_stop.value is Ternary.TRUE
    assert whole.constraints.facts == {"tasks": 0}
    assert faults.made("ecs:ListTasks") == 13


def test_a_detail_that_needs_a_missing_answer_is_missing_too(scan: Any, faults: Any, refused: Any) -> None:
    needs = ECS.replace("on_demand: true,", "").replace(
        "serviceName: arn_name(arn)", "serviceName: described.serviceName"
    )
    faults.set("ecs:DescribeServices", refused("AccessDeniedException"), region=REGION)
    service = scan(needs).one("ecs_service", "one-00")
    assert service.metadata[UNREAD] == dict.fromkeys(("described", "tasks"), "AccessDeniedException: no")
    assert faults.made("ecs:ListTasks") == 0


def test_a_detail_that_needs_an_expensive_one_is_expensive_too(scan: Any, faults: Any) -> None:
    more = "  - {into: more, operation: DescribeTasks, parameters: {cluster: cluster.arn, tasks: tasks.taskArns}}\n"
    text = ECS.replace("    identifier: arn_name(arn)\n", f"    {more}    identifier: arn_name(arn)\n")
    (result,) = scan(text).results.values()
    assert (result.state, result.detail) == (CellState.OK, "")
    assert faults.made("ecs:DescribeTasks") == 0


def test_the_pages_of_a_detail_are_joined(scan: Any, faults: Any, answer: Any) -> None:
    faults.set(
        "ecs:ListTasks", answer('{"taskArns": ["a", "b"], "nextToken": "2"}'), region=REGION, calls=range(1, 26, 2)
    )
    faults.set("ecs:ListTasks", answer('{"taskArns": ["c"]}'), region=REGION, calls=range(2, 27, 2))
    found = scan(every_detail=True)
    assert {each.constraints.facts["tasks"] for each in found.resources} == {3}


def test_planned_calls_name_parents_batches_and_only_the_details_asked_for(make_scanner: Callable[..., Any]) -> None:
    scanner = make_scanner(specs=parse_specs(ECS, "mine.yaml"))
    choice: dict[str, Any] = {"accounts": ["prod"], "regions": [REGION]}
    calls = [call for call in scanner.planned_calls(**choice) if call.service == "ecs"]
    planned = [str(call).removeprefix(f"prod {REGION} ecs:") for call in calls]
    assert planned == [
        "ListClusters (once per page)",
        "ListServices cluster=arn (once per cluster and page)",
        "DescribeServices cluster=cluster.arn include=['TAGS'] services=arn (once per 10 ecs_service)",
    ]
    more = scanner.planned_calls(**choice, every_detail=True)
    assert [call.operation for call in more][-1] == "ListTasks"
