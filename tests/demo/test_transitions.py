"""Changes of state take their time and pass through AWS's states in between."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.demo.inventory import client

if TYPE_CHECKING:
    from collections.abc import Callable


DEADLINE_SECONDS = 30.0

pytestmark = pytest.mark.usefixtures("inside")


def states_until(final: str, read: Callable[[], str]) -> list[str]:
    """Return the different states seen, in order, until the final one or the deadline."""
    seen = [read()]
    deadline = time.monotonic() + DEADLINE_SECONDS
    while seen[-1] != final and time.monotonic() < deadline:
        state = read()
        if state != seen[-1]:
            seen.append(state)
    return seen


def instance_named(name: str) -> tuple[str, Callable[[], str]]:
    ec2 = client("development", "ec2")
    found = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": [name]}])
    identifier = found["Reservations"][0]["Instances"][0]["InstanceId"]

    def state() -> str:
        described: dict[str, Any] = ec2.describe_instances(InstanceIds=[identifier])
        return str(described["Reservations"][0]["Instances"][0]["State"]["Name"])

    return identifier, state


def database_state(name: str) -> str:
    described = client("development", "rds").describe_db_instances(DBInstanceIdentifier=name)
    return str(described["DBInstances"][0]["DBInstanceStatus"])


def test_an_instance_stops_and_starts_through_the_states_between() -> None:
    ec2 = client("development", "ec2")
    identifier, state = instance_named("sandbox-amira")

    ec2.stop_instances(InstanceIds=[identifier])
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.start_instances(InstanceIds=[identifier])
    assert states_until("stopped", state) == ["stopping", "stopped"]

    ec2.start_instances(InstanceIds=[identifier])
    assert states_until("running", state) == ["pending", "running"]


def test_starting_what_runs_changes_nothing() -> None:
    identifier, state = instance_named("jenkins-dev")

    client("development", "ec2").start_instances(InstanceIds=[identifier])

    assert state() == "running"


def test_a_new_instance_is_pending_and_a_terminated_one_shuts_down_first() -> None:
    ec2 = client("development", "ec2")
    identifier = ec2.run_instances(MinCount=1, MaxCount=1, ImageId="ami-12345678")["Instances"][0]["InstanceId"]

    def state() -> str:
        described: dict[str, Any] = ec2.describe_instances(InstanceIds=[identifier])
        return str(described["Reservations"][0]["Instances"][0]["State"]["Name"])

    assert states_until("running", state) == ["pending", "running"]
    ec2.terminate_instances(InstanceIds=[identifier])
    assert states_until("terminated", state) == ["shutting-down", "terminated"]


def test_a_database_stops_through_stopping_and_refuses_a_second_stop() -> None:
    rds, name = client("development", "rds"), "pg-instance-dev1"

    assert rds.stop_db_instance(DBInstanceIdentifier=name)["DBInstance"]["DBInstanceStatus"] == "stopping"
    with pytest.raises(ClientError, match="InvalidDBInstanceState"):
        rds.stop_db_instance(DBInstanceIdentifier=name)

    assert states_until("stopped", lambda: database_state(name)) == ["stopping", "stopped"]


def test_a_database_reboots() -> None:
    client("development", "rds").reboot_db_instance(DBInstanceIdentifier="mysql-instance-dev1")

    assert states_until("available", lambda: database_state("mysql-instance-dev1")) == ["rebooting", "available"]


def test_an_aurora_cluster_stops_through_stopping() -> None:
    rds = client("staging", "rds")

    def state() -> str:
        clusters = rds.describe_db_clusters(DBClusterIdentifier="catalogue-aurora-staging")["DBClusters"]
        return str(clusters[0]["Status"])

    rds.stop_db_cluster(DBClusterIdentifier="catalogue-aurora-staging")

    assert states_until("stopped", state) == ["stopping", "stopped"]


def test_a_dry_run_answers_as_aws_does_and_changes_nothing() -> None:
    ec2 = client("development", "ec2")
    volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]

    # moto itself would ignore DryRun here and delete the volume.
    with pytest.raises(ClientError, match="DryRunOperation"):
        ec2.delete_volume(VolumeId=volume, DryRun=True)

    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
