"""The simulated estate is large, varied and related as a company's would be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.demo.inventory import EstateRow, client, inventory

if TYPE_CHECKING:
    from cloudops_nb.demo import Demo


def tags_of(resource: dict[str, Any], key: str = "Tags") -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get(key, ())}


@pytest.fixture(scope="module")
def rows(running: Demo) -> list[EstateRow]:
    """The whole estate, listed once."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        return inventory(running)


def test_the_estate_has_hundreds_of_resources_of_many_types_in_nine_places(rows: list[EstateRow]) -> None:
    kinds = Counter(row.kind for row in rows)
    places = {(row.account, row.region) for row in rows if row.kind == "instance"}

    assert len(rows) >= 400
    assert len(kinds) >= 12
    assert len(places) == 9
    assert min(kinds.values()) >= 5


def test_the_databases_that_people_ask_for_are_there(rows: list[EstateRow]) -> None:
    databases = {row.name: row for row in rows if row.kind == "database"}

    assert databases["pg-instance-main1"][1:3] == ("production", "eu-west-1")
    assert databases["pg-instance-main1"].state == "available"
    assert databases["pg-instance-staging1"].account == "staging"
    assert databases["mysql-instance-crm1"].state == "stopped"


def test_some_instances_are_stopped_and_most_run(rows: list[EstateRow]) -> None:
    states = Counter(row.state for row in rows if row.kind == "instance")

    assert set(states) == {"running", "stopped"}
    assert states["running"] > 3 * states["stopped"] >= 15


def test_every_account_is_its_own(inside: Demo) -> None:
    callers = [client(account["profile"], "sts").get_caller_identity() for account in inside.accounts]

    assert [caller["Account"] for caller in callers] == ["111122223333", "444455556666", "123456789012"]
    assert callers[0]["Arn"] == "arn:aws:sts::111122223333:assumed-role/CloudOpsDemo/cloudops-demo"


def test_the_demo_has_the_regions_it_says(inside: Demo) -> None:
    described = client("production", "ec2").describe_regions()["Regions"]

    assert {region["RegionName"] for region in described} == set(inside.regions)
    assert len(inside.regions) == 3


def test_resources_carry_the_companys_tags(inside: Demo) -> None:
    found = client("production", "ec2").describe_instances(Filters=[{"Name": "tag:Name", "Values": ["jenkins"]}])
    jenkins = tags_of(found["Reservations"][0]["Instances"][0])

    assert jenkins["Environment"] == "production"
    assert {"Team", "App", "CostCentre", "Backup"} <= set(jenkins)


def test_leftovers_have_no_tags_and_one_tag_is_hostile(inside: Demo) -> None:
    reservations = client("development", "ec2").describe_instances()["Reservations"]
    tags = [tags_of(instance) for reservation in reservations for instance in reservation["Instances"]]

    assert {} in tags
    assert any("<script>" in tag.get("Note", "") for tag in tags)


def test_a_fleets_instances_are_the_targets_of_its_balancer(inside: Demo) -> None:
    group = client("production", "autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=["storefront-web-prod"]
    )["AutoScalingGroups"][0]
    members = {instance["InstanceId"] for instance in group["Instances"]}
    health = client("production", "elbv2").describe_target_health(TargetGroupArn=group["TargetGroupARNs"][0])
    described = client("production", "ec2").describe_instances(
        Filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": ["storefront-web-prod"]}]
    )

    assert len(members) == 6
    assert {target["Target"]["Id"] for target in health["TargetHealthDescriptions"]} == members
    assert {i["InstanceId"] for r in described["Reservations"] for i in r["Instances"]} == members


def test_a_queue_redrives_to_its_dead_letter_queue_and_feeds_its_function(inside: Demo) -> None:
    queues = client("production", "sqs")
    url = queues.get_queue_url(QueueName="orders")["QueueUrl"]
    policy = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    sources = client("production", "lambda").list_event_source_mappings(FunctionName="order-confirmation")

    assert "arn:aws:sqs:eu-west-1:111122223333:orders-dlq" in policy
    assert sources["EventSourceMappings"][0]["EventSourceArn"].endswith(":orders")


def test_a_replica_names_its_source_and_the_source_its_replicas(inside: Demo) -> None:
    databases = client("production", "rds")
    main = databases.describe_db_instances(DBInstanceIdentifier="pg-instance-main1")["DBInstances"][0]
    replica = databases.describe_db_instances(DBInstanceIdentifier="pg-instance-main1-replica1")["DBInstances"][0]

    assert main["MultiAZ"]
    assert replica["ReadReplicaSourceDBInstanceIdentifier"] == "pg-instance-main1"
    assert "pg-instance-main1-replica1" in main["ReadReplicaDBInstanceIdentifiers"]


def test_the_role_of_the_demo_may_operate_but_not_delete_in_production(inside: Demo) -> None:
    attached = client("production", "iam").list_attached_role_policies(RoleName="CloudOpsDemo")["AttachedPolicies"]

    assert {policy["PolicyName"] for policy in attached} == {"cloudops-operate", "cloudops-production-guard"}


def test_the_estate_is_older_than_the_server_and_its_fleets_are_younger_than_its_databases(inside: Demo) -> None:
    found = client("production", "ec2").describe_instances()["Reservations"]
    launched = {i["LaunchTime"]: tags_of(i) for r in found for i in r["Instances"]}
    fleets = [time for time, tags in launched.items() if "aws:autoscaling:groupName" in tags]
    databases = client("production", "rds").describe_db_instances()["DBInstances"]
    snapshots = client("production", "rds").describe_db_snapshots(DBInstanceIdentifier="pg-instance-main1")

    assert min(fleets) > max(database["InstanceCreateTime"] for database in databases)
    assert all(s["InstanceCreateTime"] < s["SnapshotCreateTime"] for s in snapshots["DBSnapshots"])
    assert (max(launched) - min(launched)).days > 30
