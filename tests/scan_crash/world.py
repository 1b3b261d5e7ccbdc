"""The estate that is scanned: another one in every version, the same for every process that asks."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from cloudops_nb.aws import credentials
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.settings import Settings
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws import EstateOfSpecs, Latency, SyntheticAws
from tests.synthetic_aws.models import loader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cloudops_nb.model import CellKey, Resource
    from cloudops_nb.specs.model import ResourceSpec

ACCOUNTS, REGIONS = ("123456789012", "111122223333"), ("eu-west-1", "us-east-1")
#: With and without details, tags of their own, and a listing for all regions; some in one call, some in many pages.
TYPES = (
    "ec2_instance", "ec2_volume", "rds_instance", "s3_bucket", "dynamodb_table", "sqs_queue", "elbv2_target_group",
    "lambda_function", "iam_role", "autoscaling_group",
)  # fmt: skip
THREADS = 8
_FEWEST, _MOST, _PAGE = 4, 14, 3
#: Rows by cell and identity.
Rows = dict["CellKey", dict[str, dict[str, Any]]]


def settings_of(folder: Path) -> Settings:
    """Return the settings of the store that is scanned into."""
    return Settings(
        data_path=folder / "store", key_file=folder / "key" / "encryption.key", scan_threads=THREADS,
        qdrant_idle_seconds=20,
    )  # fmt: skip


def prepare() -> None:
    """Read once what every scan of this process, and of those forked from it, reads: specs, and AWS's models."""
    for service in {"sts", "resourcegroupstaggingapi", *(each.called for each in _specs())}:
        loader().load_service_model(service, "service-2")
        loader().load_service_model(service, "paginators-1")


def aws_of(version: int, latency: Latency | None = None) -> SyntheticAws:
    """Return an AWS whose cells have other numbers of resources in each version; never so few that none are left."""

    def count(spec: ResourceSpec, account: str, region: str) -> int:
        return random.Random(f"{version} {spec.resource_type} {account} {region}").randint(_FEWEST, _MOST)  # noqa: S311

    return SyntheticAws(
        otherwise=EstateOfSpecs(_specs(), regions=REGIONS, count=count),
        accounts=ACCOUNTS, regions=REGIONS, latency=latency, largest_page=_PAGE,
    )  # fmt: skip


def _specs() -> list[ResourceSpec]:
    return [spec for spec in bundled_specs() if spec.resource_type in TYPES]


def sessions_of(aws: SyntheticAws) -> AccountSessions:
    """Return sessions whose calls the synthetic AWS answers, made of its models."""
    with patch.object(credentials, "data_loader", loader):
        return AccountSessions(aws.accounts, threads=THREADS, events=aws.events())


def truth(version: int) -> Rows:
    """Return what an undisturbed scan of a version finds."""
    sessions = sessions_of(aws_of(version))
    items = Scanner(sessions, threads=THREADS).scan(services=TYPES)
    rows = by_cell(resource for item in items if isinstance(item, PageRead) for resource in item.resources)
    sessions.close()
    return rows


def by_cell(resources: Iterable[Resource]) -> Rows:
    """Return resources as plain data by cell and identity, without the time at which they were read."""
    rows: Rows = {}
    for resource in resources:
        rows.setdefault(resource.cell, {})[resource.canonical_key] = replace(resource, last_synced=None).to_dict()
    return rows
