"""Changes of state pass through AWS's states in between, which a hold of the demo makes last until it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.demo.inventory import client

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.demo import Demo


DEADLINE_SECONDS = 60.0


def await_state(final: str, read: Callable[[], str], *, between: str) -> None:
    """Wait for the final state; until then no other than the one between may be seen."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (state := read()) != final:
        assert state == between
        assert time.monotonic() < deadline, f"it is still {state}"


def instance_state(identifier: str) -> str:
    described: dict[str, Any] = client("development", "ec2").describe_instances(InstanceIds=[identifier])
    return str(described["Reservations"][0]["Instances"][0]["State"]["Name"])


def instance_named(name: str) -> str:
    found = client("development", "ec2").describe_instances(Filters=[{"Name": "tag:Name", "Values": [name]}])
    return str(found["Reservations"][0]["Instances"][0]["InstanceId"])


def database_state(name: str) -> str:
    described = client("development", "rds").describe_db_instances(DBInstanceIdentifier=name)
    return str(described["DBInstances"][0]["DBInstanceStatus"])


def test_an_instance_stops_and_starts_through_the_states_between(inside: Demo) -> None:
    ec2, identifier = client("development", "ec2"), instance_named("sandbox-amira")

    with inside.held_transitions():
        ec2.stop_instances(InstanceIds=[identifier])
        assert instance_state(identifier) == "stopping"
        with pytest.raises(ClientError, match="IncorrectInstanceState"):
            ec2.start_instances(InstanceIds=[identifier])
    await_state("stopped", lambda: instance_state(identifier), between="stopping")

    with inside.held_transitions():
        ec2.start_instances(InstanceIds=[identifier])
        assert instance_state(identifier) == "pending"
    await_state("running", lambda: instance_state(identifier), between="pending")


def test_starting_what_runs_changes_nothing(inside: Demo) -> None:
    identifier = instance_named("jenkins-dev")

    client("development", "ec2").start_instances(InstanceIds=[identifier])

    assert instance_state(identifier) == "running"


def test_a_new_instance_is_pending_and_a_terminated_one_shuts_down_first(inside: Demo) -> None:
    ec2 = client("development", "ec2")

    with inside.held_transitions():
        launched = ec2.run_instances(MinCount=1, MaxCount=1, ImageId="ami-12345678")["Instances"]
        identifier = launched[0]["InstanceId"]
        assert instance_state(identifier) == "pending"
    await_state("running", lambda: instance_state(identifier), between="pending")

    with inside.held_transitions():
        ec2.terminate_instances(InstanceIds=[identifier])
        assert instance_state(identifier) == "shutting-down"
    await_state("terminated", lambda: instance_state(identifier), between="shutting-down")


def test_a_database_stops_through_stopping_and_refuses_a_second_stop(inside: Demo) -> None:
    rds, name = client("development", "rds"), "pg-instance-dev1"

    with inside.held_transitions():
        assert rds.stop_db_instance(DBInstanceIdentifier=name)["DBInstance"]["DBInstanceStatus"] == "stopping"
        with pytest.raises(ClientError, match="InvalidDBInstanceState"):
            rds.stop_db_instance(DBInstanceIdentifier=name)
        assert database_state(name) == "stopping"

    await_state("stopped", lambda: database_state(name), between="stopping")


def test_a_database_reboots(inside: Demo) -> None:
    name = "mysql-instance-dev1"

    with inside.held_transitions():
        client("development", "rds").reboot_db_instance(DBInstanceIdentifier=name)
        assert database_state(name) == "rebooting"

    await_state("available", lambda: database_state(name), between="rebooting")


def test_an_aurora_cluster_stops_through_stopping(inside: Demo) -> None:
    rds, name = client("staging", "rds"), "catalogue-aurora-staging"

    def state() -> str:
        return str(rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["Status"])

    with inside.held_transitions():
        rds.stop_db_cluster(DBClusterIdentifier=name)
        assert state() == "stopping"

    await_state("stopped", state, between="stopping")


def test_a_hold_does_not_bring_back_a_transition_that_has_ended(inside: Demo) -> None:
    name = "mysql-instance-dev1"
    client("development", "rds").reboot_db_instance(DBInstanceIdentifier=name)
    await_state("available", lambda: database_state(name), between="rebooting")

    with inside.held_transitions():
        assert database_state(name) == "available"


def test_a_dry_run_answers_as_aws_does_and_changes_nothing(inside: Demo) -> None:
    ec2 = client("development", "ec2")
    volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]

    # moto itself would ignore DryRun here and delete the volume.
    with pytest.raises(ClientError, match="DryRunOperation"):
        ec2.delete_volume(VolumeId=volume, DryRun=True)

    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
