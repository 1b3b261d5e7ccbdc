"""The resource that is built from one item of a listing, without a call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cloudops_nb.model import Account, Resource, Ternary
from cloudops_nb.scanner.reading.resource_builder import UNREAD, ListedItem, ListingContext, build_resource
from cloudops_nb.specs.files import parse_specs
from tests.scanner.bundled import bundled_spec
from tests.scanner.unjudged import Unjudged

pytestmark = pytest.mark.fast


def _around(partition: str = "aws") -> ListingContext:
    account = Account(name="prod", account_id="123456789012")
    return ListingContext(account, partition, "eu-west-1", Unjudged(), datetime.now(UTC))


def _built(resource_type: str, data: dict[str, Any], *, partition: str = "aws", **item: Any) -> Resource:
    return build_resource(bundled_spec(resource_type), ListedItem(data, **item), _around(partition))


def _instance(state: str = "running", **more: Any) -> dict[str, Any]:
    return {"InstanceId": "i-1", "State": {"Name": state}, "RootDeviceType": "ebs", **more}


TAGS = [{"Key": "Name", "Value": "from-tag"}]


@pytest.mark.parametrize(
    ("resource_type", "data", "name"),
    [
        ("ec2_instance", {"InstanceId": "i-1", "State": {"Name": "running"}, "Tags": TAGS}, "from-tag"),
        ("ec2_security_group", {"GroupId": "sg-1", "GroupName": "web", "Tags": TAGS}, "from-tag"),
        ("rds_instance", {"DBInstanceIdentifier": "db", "TagList": TAGS}, "db"),
        ("eks_cluster", {"listedName": "prod", "described": {"cluster": {"tags": {"Name": "eksctl-prod"}}}}, "prod"),
    ],
)
def test_a_unique_name_of_the_resource_itself_comes_before_its_name_tag(resource_type, data, name):
    built = _built(resource_type, data)

    assert built.name == name
    assert built.tags["Name"] in {"from-tag", "eksctl-prod"}


def _database(status: str = "available", **more: Any) -> dict[str, Any]:
    return {"DBInstanceIdentifier": "db", "DBInstanceStatus": status, "Engine": "postgres", "MultiAZ": False, **more}


@pytest.mark.parametrize(
    ("resource_type", "data", "verb", "value", "reason"),
    [
        ("ec2_instance", _instance(), "can_stop", Ternary.TRUE, ""),
        ("ec2_instance", _instance(RootDeviceType="instance-store"), "can_stop", Ternary.FALSE, "instance store"),
        ("ec2_instance", _instance(InstanceLifecycle="spot"), "can_stop", Ternary.UNKNOWN, "Spot"),
        ("ec2_instance", _instance("stopping"), "can_stop", Ternary.FALSE, "it is stopping, not running"),
        ("ec2_instance", _instance("stopped"), "can_start", Ternary.TRUE, ""),
        ("ec2_instance", _instance("terminated"), "can_delete", Ternary.FALSE, "it is terminated already"),
        ("ec2_instance", _instance(), "can_delete", Ternary.UNKNOWN, "termination protection"),
        ("rds_instance", _database(), "can_stop", Ternary.TRUE, ""),
        ("rds_instance", _database("stopped"), "can_stop", Ternary.FALSE, "it is stopped, not available"),
        ("rds_instance", _database("stopped"), "can_start", Ternary.TRUE, ""),
        ("rds_instance", _database(Engine="aurora-mysql"), "can_stop", Ternary.FALSE, "cluster"),
        ("rds_instance", _database(DBClusterIdentifier="c"), "can_stop", Ternary.FALSE, "cluster"),
        ("rds_instance", _database("stopped", DBClusterIdentifier="c"), "can_start", Ternary.FALSE, "cluster"),
        ("rds_instance", _database(Engine="custom-oracle-ee"), "can_stop", Ternary.FALSE, "Custom"),
        ("rds_instance", _database(ReadReplicaSourceDBInstanceIdentifier="a"), "can_stop", Ternary.FALSE, "is a read"),
        ("rds_instance", _database(ReadReplicaDBInstanceIdentifiers=["a"]), "can_stop", Ternary.FALSE, "has read"),
        ("rds_instance", _database(Engine="sqlserver-ee", MultiAZ=True), "can_stop", Ternary.FALSE, "Multi-AZ"),
        ("rds_instance", _database(Engine="sqlserver-ee"), "can_stop", Ternary.TRUE, ""),
        ("rds_instance", _database(MultiAZ=True), "can_stop", Ternary.TRUE, ""),
        ("rds_instance", _database(DeletionProtection=True), "can_delete", Ternary.FALSE, "deletion protection"),
        ("ec2_volume", {"VolumeId": "v", "State": "in-use"}, "can_delete", Ternary.FALSE, "attached"),
        ("ec2_volume", {"VolumeId": "v", "State": "available"}, "can_delete", Ternary.TRUE, ""),
        ("iam_role", {"RoleName": "r", "Path": "/aws-service-role/x/"}, "can_delete", Ternary.FALSE, "service-linked"),
        (
            "autoscaling_group",
            {"AutoScalingGroupName": "a", "Instances": [{}]},
            "can_delete",
            Ternary.FALSE,
            "instances",
        ),
        ("ec2_vpc", {"VpcId": "v"}, "can_stop", Ternary.FALSE, "there is nothing to stop"),
    ],
)
def test_constraints_follow_the_items_own_configuration(
    resource_type: str, data: dict[str, Any], verb: str, value: Ternary, reason: str
) -> None:
    constraint = getattr(_built(resource_type, data).constraints, verb)
    assert constraint.value is value
    assert reason in constraint.reason
    assert bool(constraint.reason) is (value is not Ternary.TRUE)


def test_the_name_is_the_name_tag_then_the_types_own_then_the_identifier() -> None:
    group = {"GroupId": "sg-1", "GroupName": "web"}
    assert _built("ec2_security_group", group).name == "web"
    assert _built("ec2_security_group", {**group, "Tags": [{"Key": "Name", "Value": "front"}]}).name == "front"
    assert _built("ec2_security_group", {**group, "Tags": [{"Key": "Name", "Value": ""}]}).name == "web"
    assert _built("ec2_instance", _instance()).name == "i-1"


def test_arns_are_of_the_accounts_partition() -> None:
    assert (
        _built("ec2_instance", _instance(), partition="aws-cn").arn
        == "arn:aws-cn:ec2:eu-west-1:123456789012:instance/i-1"
    )
    assert _built("s3_bucket", {"Name": "b"}, partition="aws-us-gov").arn == "arn:aws-us-gov:s3:::b"


def test_a_bucket_without_a_region_is_global() -> None:
    assert _built("s3_bucket", {"Name": "b"}).region == "global"
    assert _built("s3_bucket", {"Name": "b", "BucketRegion": "eu-west-3"}).region == "eu-west-3"


def test_what_was_not_read_is_unknown_and_named() -> None:
    table = _built("dynamodb_table", {"TableName": "t"}, unread={"description": "AccessDenied: no"})
    assert table.constraints.can_delete.value is Ternary.UNKNOWN
    assert table.constraints.can_delete.reason == "its description could not be read: AccessDenied: no"
    assert "protected" not in table.constraints.facts
    assert "billing_mode" not in table.metadata
    assert table.metadata[UNREAD] == {"description": "AccessDenied: no"}


def test_an_item_of_another_form_than_expected_keeps_its_row() -> None:
    odd = _built("rds_instance", _database(Engine=None))
    assert odd.constraints.can_stop.value is Ternary.UNKNOWN
    assert "unexpected form" in odd.constraints.can_stop.reason


def test_a_field_of_an_odd_form_costs_itself_only() -> None:
    broken = {
        "QueueUrl": "https://sqs/1/jobs",
        "answer": {"Attributes": {"RedrivePolicy": "{", "CreatedTimestamp": "1"}},
    }
    queue = _built("sqs_queue", broken)
    assert (queue.name, queue.relations) == ("jobs", ())


def test_metadata_of_a_missing_answer_is_left_out_not_guessed() -> None:
    table = _built("dynamodb_table", {"TableName": "t"}, unread={"description": "AccessDenied: no"})
    assert set(table.metadata) <= {UNREAD, "recovery_days"}


def test_tags_are_read_by_the_words_of_their_service() -> None:
    text = (
        "service: ecs\ntypes:\n  - resource_type: ecs_cluster\n    cloudformation_type: AWS::ECS::Cluster\n"
        "    list: {operation: ListClusters, items: clusters}\n    identifier: name\n    arn: arn\n"
        "    tags: {style: list, path: tags, key: key, value: value}\n"
    )
    (spec,) = parse_specs(text, "ecs.yaml")
    item = ListedItem(
        {"name": "web", "arn": "arn:aws:ecs:eu-west-1:1:cluster/web", "tags": [{"key": "Team", "value": "a"}]}
    )
    assert build_resource(spec, item, _around()).tags == {"Team": "a"}


def test_facts_are_booleans_numbers_or_texts() -> None:
    facts = _built("rds_instance", _database(MultiAZ=True, BackupRetentionPeriod=7)).constraints.facts
    assert facts["multi_az"] is True
    assert facts["has_backups"] is True
    assert facts["read_replicas"] == 0
    assert "protected" not in facts


def test_metadata_is_plain_json() -> None:
    instance = _built("ec2_instance", _instance(LaunchTime=datetime(2026, 1, 2, tzinfo=UTC)))
    assert instance.metadata["launched"] == "2026-01-02T00:00:00+00:00"
