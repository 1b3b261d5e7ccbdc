"""What is known about partitions and regions without asking AWS."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.regions import EndpointResolver

from cloudops_nb.aws.botocore_data import data_loader
from cloudops_nb.declarations.tables import bundled_table

#: The region of cells and resources of global services.
GLOBAL = "global"
#: The partition of an ARN or a region that names none.
COMMERCIAL = "aws"


def home_region(partition: str) -> str:
    """Return where a partition's global services answer."""
    return str(_partition(partition)["home"])


def default_regions(partition: str) -> tuple[str, ...]:
    """Return the regions that an account has without opting in."""
    return tuple(_partition(partition)["enabled_by_default"])


def enabled_by_default(region: str) -> bool:
    """Return whether an account has the region without opting in; global services are always there."""
    return region == GLOBAL or any(region in partition["enabled_by_default"] for partition in _table().values())


@cache
def known_regions() -> frozenset[str]:
    """Return every region that botocore knows, in every partition, and ``global``."""
    return frozenset(name for each in _endpoints().get_available_partitions() for name in _regions_of(each)) | {GLOBAL}


@cache
def offered(endpoint_prefix: str, region: str) -> bool:
    """Return whether a service may answer in a region: ``False`` only where botocore's endpoint data says it does not.

    They do not say so of a region newer than they are, of a service that they do not have, nor of one that answers for
    a whole partition.

    Args:
        endpoint_prefix: What the endpoint data call the service.
        region: The region.
    """
    known = _endpoints()
    partitions = known.get_available_partitions()
    partition = next((each for each in partitions if region in _regions_of(each)), None)
    if partition is None:
        return True
    here = set(known.get_available_endpoints(endpoint_prefix, partition, allow_non_regional=True))
    if here:
        return region in here or here.isdisjoint(_regions_of(partition))
    return not any(known.get_available_endpoints(endpoint_prefix, each, allow_non_regional=True) for each in partitions)


def partition_of_arn(arn: str) -> str:
    """Return the partition that an ARN names (``aws``, ``aws-cn``, ``aws-us-gov`` …)."""
    parts = arn.split(":")
    return parts[1] if len(parts) > 1 and parts[1] else COMMERCIAL


@cache
def _endpoints() -> EndpointResolver:
    return EndpointResolver(data_loader().load_data("endpoints"))


@cache
def _regions_of(partition: str) -> frozenset[str]:
    return frozenset(_endpoints().get_available_endpoints("ec2", partition))


def _partition(name: str) -> dict[str, Any]:
    return _table().get(name) or _table()[COMMERCIAL]


@cache
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = bundled_table(__package__, "regions.yaml")
    return table
