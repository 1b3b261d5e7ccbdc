"""A scan of a simulated AWS finds what was made there, and says how every cell ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.model import CellState, Relation, Ternary
from cloudops_nb.scanner.policies.policy_calls import policy_operations
from cloudops_nb.scanner.reading.task_reader import PageRead

if TYPE_CHECKING:
    from collections.abc import Callable

PROD, STAGE = "123456789012", "111122223333"


def test_everything_that_was_made_is_found_with_its_names_and_tags(found: Any, estate: Any) -> None:
    made = estate.made
    assert found.names("rds_instance") == ["pg-copy", "pg-main", "pg-single", "pg-stage"]
    assert found.names("s3_bucket") == ["far-bucket", "near-bucket"]
    assert found.names("dynamodb_table") == ["carts", "offers", "orders"]
    assert found.names("sqs_queue") == ["jobs", "jobs-dead"]
    assert found.names("iam_role") == ["worker"]
    assert found.names("iam_user") == ["deployer"]
    assert found.names("lambda_function") == ["thumbs"]
    assert found.names("elbv2_load_balancer") == ["front"]
    assert found.names("elbv2_target_group") == ["web"]
    assert found.names("autoscaling_group") == ["workers"]
    ids = {each.identifier for each in found.resources}
    assert {made[name] for name in ("web", "idle", "vpc", "subnet_a", "subnet_b", "group")} <= ids
    for resource_type, name in (
        ("ec2_instance", "web-1"), ("rds_instance", "pg-main"), ("s3_bucket", "near-bucket"), ("iam_role", "worker"),
        ("lambda_function", "thumbs"), ("dynamodb_table", "orders"), ("elbv2_load_balancer", "front"),
        ("autoscaling_group", "workers"), ("iam_user", "deployer"),
    ):  # fmt: skip
        assert found.one(resource_type, name).tags["Environment"] == "production", resource_type
    assert found.one("sqs_queue", "jobs").tags == {"Team": "ops"}
    assert found.one("rds_instance", "pg-single").tags == {}


def test_every_cell_of_the_choice_has_ended_and_counts_its_resources(found: Any, seed: Any) -> None:
    regional = [spec for spec in seed if spec.scope != "global"]
    everywhere = [spec for spec in seed if spec.scope == "global"]
    assert len(found.results) == 2 * (2 * len(regional) + len(everywhere))
    assert {result.state for result in found.results.values()} == {CellState.OK, CellState.OK_EMPTY}
    assert found.results[f"{PROD}/eu-west-1/rds_instance"].resources == 3
    assert found.results[f"{STAGE}/eu-west-1/rds_instance"].resources == 1
    assert found.results[f"{STAGE}/us-east-1/rds_instance"].state is CellState.OK_EMPTY
    assert sum(result.resources for result in found.results.values()) == len(found.resources)


def test_a_resource_belongs_to_the_cell_that_read_it(found: Any) -> None:
    for resource in found.resources:
        assert str(resource.cell) in found.results
        assert resource.account_name == {PROD: "prod", STAGE: "stage"}[resource.account_id]
    assert found.one("s3_bucket", "near-bucket").region == "eu-west-1"
    assert found.one("s3_bucket", "far-bucket").region == "us-east-1"
    assert found.one("iam_role", "worker").region == "global"


def test_arns_are_read_or_written_as_aws_writes_them(found: Any, estate: Any) -> None:
    made = estate.made
    assert found.one("ec2_instance", "web-1").arn == f"arn:aws:ec2:eu-west-1:{PROD}:instance/{made['web']}"
    assert found.one("rds_instance", "pg-main").arn == f"arn:aws:rds:eu-west-1:{PROD}:db:pg-main"
    assert found.one("s3_bucket", "near-bucket").arn == "arn:aws:s3:::near-bucket"
    assert found.one("sqs_queue", "jobs").arn == f"arn:aws:sqs:eu-west-1:{PROD}:jobs"
    assert found.one("iam_role", "worker").arn == made["role"]
    arns = [each.arn for each in found.resources]
    assert len(set(arns)) == len(arns)
    assert all(arn.startswith("arn:aws:") for arn in arns)


def test_relations_lead_to_the_other_resource(found: Any, estate: Any) -> None:
    made = estate.made
    web = found.one("ec2_instance", "web-1").relations
    assert Relation("in_vpc", "ec2_vpc", made["vpc"], "", "eu-west-1") in web
    assert Relation("has_security_group", "ec2_security_group", made["group"], "", "eu-west-1") in web

    def leads(kind: str, start: Any, end: Any) -> bool:
        return [link.points_to(end) for link in start.relations if link.kind == kind] == [True]

    main, copy = found.one("rds_instance", "pg-main"), found.one("rds_instance", "pg-copy")
    assert leads("has_target", found.one("elbv2_target_group", "web"), found.one("ec2_instance", "web-1"))
    assert leads("uses_role", found.one("lambda_function", "thumbs"), found.one("iam_role", "worker"))
    assert leads("replica_of", copy, main)
    assert leads("has_replica", main, copy)
    assert leads("dead_letters_to", found.one("sqs_queue", "jobs"), found.one("sqs_queue", "jobs-dead"))
    workers = found.one("autoscaling_group", "workers")
    (worker,) = [each for each in workers.relations if each.kind == "has_instance"]
    (member,) = [each for each in found.resources if each.identifier == worker.identifier]
    assert leads("in_auto_scaling_group", member, workers)
    assert member.constraints.facts["has_dependencies"] is True


def test_constraints_say_what_can_be_done_and_why_not(found: Any, estate: Any) -> None:
    web = found.one("ec2_instance", "web-1").constraints
    assert (web.can_stop.value, web.can_start.value) == (Ternary.TRUE, Ternary.FALSE)
    assert web.can_start.reason == "it is running, not stopped"
    idle = found.one("ec2_instance", estate.made["idle"]).constraints
    assert (idle.can_stop.value, idle.can_start.value) == (Ternary.FALSE, Ternary.TRUE)
    main = found.one("rds_instance", "pg-main").constraints
    assert main.can_stop.reason == "it has read replicas"
    assert main.can_delete.reason == "deletion protection is on"
    assert (main.facts["protected"], main.facts["has_backups"], main.facts["read_replicas"]) == (True, True, 1)
    assert found.one("rds_instance", "pg-copy").constraints.can_stop.reason == "it is a read replica"
    assert found.one("rds_instance", "pg-single").constraints.can_stop.value is Ternary.TRUE
    assert found.one("s3_bucket", "near-bucket").constraints.can_delete.value is Ternary.UNKNOWN
    assert found.one("s3_bucket", "near-bucket").constraints.facts["versioned"] is True
    assert found.one("ec2_security_group", "web").constraints.facts["open_to_the_world"] is True
    assert found.one("s3_bucket", "far-bucket").constraints.can_stop.reason == "there is nothing to stop"


def test_metadata_is_json_and_holds_the_engine(found: Any) -> None:
    main = found.one("rds_instance", "pg-main")
    assert (main.metadata["engine"], main.metadata["instance_class"]) == ("postgres", "db.t3.micro")
    for resource in found.resources:
        assert type(resource).from_dict(resource.to_dict()).to_dict() == resource.to_dict()


def test_permissions_are_unknown_where_nobody_knows_the_principal_and_name_who_would_act(found: Any) -> None:
    prod, stage = found.one("rds_instance", "pg-main").iam, found.one("rds_instance", "pg-stage").iam
    assert "rds:StopDBInstance" in prod.unknown
    assert not [*prod.allowed, *prod.denied]
    assert "NoSuchEntity" in prod.reasons["rds:StopDBInstance"]
    assert stage.principal == f"arn:aws:iam::{STAGE}:role/Scan"


def test_a_choice_of_one_type_and_account_makes_only_its_calls(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any
) -> None:
    found = collect(
        make_scanner(events=faults.events), services=["rds_instance"], accounts=["stage"], regions=["eu-west-1"]
    )
    assert list(found.results) == [f"{STAGE}/eu-west-1/rds_instance"]
    policies = {f"{each.service}:{each.operation}" for each in policy_operations()}
    assert {key[0] for key in faults.calls} - policies == {
        "sts:GetCallerIdentity",
        "sts:AssumeRole",
        "rds:DescribeDBInstances",
    }


def test_buckets_outside_the_chosen_regions_are_left_alone(
    make_scanner: Callable[..., Any], collect: Callable[..., Any]
) -> None:
    found = collect(make_scanner(), services=["s3"], accounts=[PROD], regions=["eu-west-1"])
    assert found.names("s3_bucket") == ["near-bucket"]
    assert list(found.results) == [f"{PROD}/eu-west-1/s3_bucket"]


def test_without_regions_each_account_is_asked_for_its_own(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any
) -> None:
    found = collect(make_scanner(events=faults.events), services=["rds_instance"], accounts=["prod"], regions=None)
    assert faults.made("ec2:DescribeRegions") == 1
    assert len(found.results) > 17
    assert all(not result.detail for result in found.results.values())


def test_regions_that_could_not_be_asked_for_are_assumed_and_say_so(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any
) -> None:
    faults.set("ec2:DescribeRegions", refuse("UnauthorizedOperation", 403))
    found = collect(make_scanner(events=faults.events), services=["rds_instance"], accounts=["prod"], regions=None)
    assert len(found.results) == 17
    assert all(result.detail.startswith("regions assumed (UnauthorizedOperation") for result in found.results.values())
    assert found.names("rds_instance") == ["pg-copy", "pg-main", "pg-single"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"services": ["rsd"]}, "unknown service or resource type rsd: did you mean rds"),
        ({"services": ["ec2_instances"]}, "did you mean ec2_instance"),
        ({"regions": ["eu-west-11"]}, "unknown region eu-west-11: did you mean eu-west-1"),
        ({"accounts": ["prd"]}, "unknown account prd: did you mean prod"),
    ],
)
def test_what_does_not_exist_is_refused_before_any_call(
    make_scanner: Callable[..., Any], faults: Any, choice: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_scanner(events=faults.events).scan(**choice)
    assert not faults.calls


def test_planned_calls_are_those_that_a_scan_makes(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any
) -> None:
    scanner = make_scanner(events=faults.events)
    choice: dict[str, Any] = {"services": ["lambda", "s3"], "accounts": ["prod"], "regions": ["eu-west-1", "us-east-1"]}
    planned = scanner.planned_calls(**choice)
    assert not faults.calls
    collect(scanner, **choice)
    renamed = {"resource-groups-tagging-api": "resourcegroupstaggingapi"}
    made = {(renamed.get(service, service), name) for service, name in (key[0].split(":") for key in faults.calls)}
    policies = {(each.service, each.operation) for each in policy_operations()}
    assert made - policies == {(call.service, call.operation) for call in planned} - policies
    assert made & policies
    assert "prod eu-west-1 lambda:ListFunctions (once per page)" in map(str, planned)


def test_progress_reaches_its_total_and_counts_what_was_found(
    make_scanner: Callable[..., Any], collect: Callable[..., Any]
) -> None:
    seen: list[Any] = []
    found = collect(make_scanner(), services=["rds", "dynamodb"], progress=seen.append)
    last = seen[-1]
    assert (last.done, last.total, last.failed) == (len(found.results), len(found.results), 0)
    assert last.resources == len(found.resources)
    assert last.calls == sum(result.calls for result in found.results.values())
    assert last.eta == 0
    assert [each.done for each in seen] == sorted(each.done for each in seen)
    assert str(last).startswith(f"{last.total}/{last.total} cells, ")


def test_a_cells_pages_come_before_its_result(make_scanner: Callable[..., Any]) -> None:
    ended = set()
    for item in make_scanner().scan(regions=["eu-west-1"], services=["rds", "ec2"]):
        if isinstance(item, PageRead):
            assert item.key not in ended
        else:
            ended.add(item.key)


def test_the_user_agent_names_the_tool_and_the_scan(make_scanner: Callable[..., Any], faults: Any) -> None:
    list(make_scanner(events=faults.events).scan(regions=["eu-west-1"], services=["rds_instance"], scan_id="0a1b2c"))
    reads = [agent for agent in faults.agents if "md/scan/0a1b2c" in agent]
    assert len(reads) == len(faults.agents) - faults.made("sts:AssumeRole") - faults.made("sts:GetCallerIdentity")
    assert all("cloudops_nb/" in agent and "md/cloudops-nb-test" in agent for agent in faults.agents)
