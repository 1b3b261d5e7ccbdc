"""Creates RDS instances, replicas and snapshots, Aurora clusters, DynamoDB tables and Redis caches."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudops_nb.demo.builder.workbench import Workbench
    from cloudops_nb.demo.company import Entry


def build_databases(bench: Workbench) -> None:
    """Create the databases, snapshots, tables and caches of a place (an account in a region)."""
    if any(bench.entries("databases")):
        _build_subnet_group(bench)
    for entry in bench.entries("databases"):
        _build_rds_instance(bench, entry)
    for entry in bench.entries("replicas"):
        bench.client("rds").create_db_instance_read_replica(
            DBInstanceIdentifier=entry["name"],
            SourceDBInstanceIdentifier=entry["source"],
            DBInstanceClass=entry["class"],
            Tags=bench.tag_list(entry),
        )
    for entry in bench.entries("aurora"):
        _build_aurora_cluster(bench, entry)
    for entry in bench.entries("database_snapshots"):
        bench.client("rds").create_db_snapshot(
            DBSnapshotIdentifier=entry["name"], DBInstanceIdentifier=entry["database"], Tags=bench.tag_list(entry)
        )
    for entry in bench.entries("tables"):
        _build_dynamodb_table(bench, entry)
    for entry in bench.entries("caches"):
        bench.client("elasticache").create_cache_cluster(
            CacheClusterId=entry["name"],
            CacheNodeType=entry["node"],
            Engine="redis",
            NumCacheNodes=1,
            SecurityGroupIds=[bench.recorded_id("security_group", "redis")],
            Tags=bench.tag_list(entry),
        )


def _build_subnet_group(bench: Workbench) -> None:
    name = f"{bench.where.env}-shop"
    bench.client("rds").create_db_subnet_group(
        DBSubnetGroupName=name,
        DBSubnetGroupDescription="Data tier of the shop",
        SubnetIds=bench.recorded_ids("subnet", f"{name}-data-"),
        Tags=bench.tag_list({"name": name, "app": "network"}),
    )


def _common_arguments(bench: Workbench, entry: Entry) -> dict[str, Any]:
    """Return the arguments that RDS instances and Aurora clusters have in common.

    The password may be random: no AWS API returns it, so nothing in the demo depends on it.
    """
    return {
        "DBSubnetGroupName": f"{bench.where.env}-shop",
        "VpcSecurityGroupIds": [bench.recorded_id("security_group", group) for group in entry["groups"]],
        "DeletionProtection": entry.get("protected", False),
        "MasterUsername": "shop",
        "MasterUserPassword": secrets.token_hex(16),
        "StorageEncrypted": True,
        "Tags": bench.tag_list(entry),
    }


def _build_rds_instance(bench: Workbench, entry: Entry) -> None:
    rds, name = bench.client("rds"), entry["name"]
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        Engine=entry["engine"],
        EngineVersion=entry["version"],
        DBInstanceClass=entry["class"],
        AllocatedStorage=entry["size"],
        StorageType="gp3",
        MultiAZ=entry.get("multi_az", False),
        BackupRetentionPeriod=entry["backup_days"],
        DBName="shop",
        **_common_arguments(bench, entry),
    )
    if entry.get("state") == "stopped":
        rds.stop_db_instance(DBInstanceIdentifier=name)


def _build_aurora_cluster(bench: Workbench, entry: Entry) -> None:
    rds, name = bench.client("rds"), entry["name"]
    rds.create_db_cluster(
        DBClusterIdentifier=name,
        Engine=entry["engine"],
        EngineVersion=entry["version"],
        DatabaseName="catalogue",
        BackupRetentionPeriod=7,
        **_common_arguments(bench, entry),
    )
    for number in range(1, entry["members"] + 1):
        rds.create_db_instance(
            DBInstanceIdentifier=f"{name}-{number}",
            DBClusterIdentifier=name,
            Engine=entry["engine"],
            DBInstanceClass=entry["class"],
            Tags=bench.tag_list(entry, f"{name}-{number}"),
        )


def _build_dynamodb_table(bench: Workbench, entry: Entry) -> None:
    dynamodb, name = bench.client("dynamodb"), entry["name"]
    keys = [(entry["key"], "HASH")] + ([(entry["sort"], "RANGE")] if "sort" in entry else [])
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        DeletionProtectionEnabled=entry.get("recovery", False),
        Tags=bench.tag_list(entry),
    )
    if entry.get("recovery"):
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    if "ttl" in entry:
        dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": entry["ttl"]}
        )
