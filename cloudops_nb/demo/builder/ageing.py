"""Moves creation times into the past, so that the resources have different and realistic ages."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.demo.company import Company

#: Ranges of ages in days. Instances of fleets (Auto Scaling groups) are replaced often; other resources may be years
#: old.
FLEET_DAYS = (0.1, 12)
OTHER_DAYS = (20, 900)
DAY = timedelta(days=1)


def age_estate(company: Company, seed: int) -> None:
    """Subtract random ages, which the seed determines, from creation times in moto's EC2, RDS, IAM and S3 backends.

    An attached volume becomes as old as its instance, all creation times of a database become equal, and a snapshot
    stays younger than its volume or database.
    """
    ages = random.Random(seed)  # noqa: S311 - dates for a demonstration
    for account in company.accounts:
        for region in company.regions:
            _age_instances_and_disks(account.account_id, region, ages)
            _age_databases(account.account_id, region, ages)
        _age_global_resources(account.account_id, ages)


def _age_instances_and_disks(account_id: str, region: str, ages: random.Random) -> None:
    from moto.ec2.models import ec2_backends

    backend: Any = ec2_backends[account_id][region]
    for instance in _all_instances(backend):
        fleet = any(tag["key"] == "aws:autoscaling:groupName" for tag in instance.get_tags())
        instance.launch_time -= ages.uniform(*(FLEET_DAYS if fleet else OTHER_DAYS)) * DAY
    for volume in backend.volumes.values():
        start = volume.attachment.instance.launch_time if volume.attachment else volume.create_time
        volume.create_time = start if volume.attachment else start - ages.uniform(*OTHER_DAYS) * DAY
    for snapshot in backend.snapshots.values():
        snapshot.start_time = _random_time_between(snapshot.volume.create_time, snapshot.start_time, ages)


def _all_instances(backend: Any) -> Iterator[Any]:
    for reservation in backend.reservations.values():
        yield from reservation.instances


def _age_databases(account_id: str, region: str, ages: random.Random) -> None:
    from moto.rds.models import rds_backends

    backend: Any = rds_backends[account_id][region]
    for database in [*backend.databases.values(), *backend.clusters.values()]:
        database.created -= ages.uniform(*OTHER_DAYS) * DAY
        for time in ("instance_create_time", "cluster_create_time"):
            if time in vars(database):
                setattr(database, time, database.created)
    for snapshot in backend.database_snapshots.values():
        snapshot.instance_create_time = backend.databases[snapshot.db_instance_identifier].created
        snapshot.created = _random_time_between(snapshot.instance_create_time, snapshot.created, ages)
        snapshot.original_snapshot_create_time = snapshot.created


def _age_global_resources(account_id: str, ages: random.Random) -> None:
    from moto.iam.models import iam_backends
    from moto.s3.models import s3_backends

    iam: Any = iam_backends[account_id]["aws"]
    for principal in [*iam.users.values(), *iam.roles.values(), *iam.groups.values()]:
        principal.create_date -= ages.uniform(*OTHER_DAYS) * DAY
    for user in iam.users.values():
        for key in user.access_keys:
            key.create_date = _random_time_between(user.create_date, key.create_date, ages)
    for bucket in s3_backends[account_id]["aws"].buckets.values():
        bucket.creation_date -= ages.uniform(*OTHER_DAYS) * DAY


def _random_time_between(early: datetime, late: datetime, ages: random.Random) -> datetime:
    return early + ages.random() * (late - early)
