"""Partitions and regions, from a bundled table and botocore's endpoint data; no calls to AWS."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import UnknownRegionError
from botocore.regions import EndpointResolver

from cloudops_nb.aws.fast_botocore.door import data_loader
from cloudops_nb.declarations.tables import bundled_table

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The name that stands for the region of global services and of their resources.
GLOBAL = "global"
#: The partition that is assumed if an ARN does not name a partition.
COMMERCIAL = "aws"


def home_region(partition: str) -> str:
    """Return the region whose endpoints serve a partition's global services; an unknown partition counts as ``aws``."""
    return str(_partition(partition)["home"])


def first_region(preferred: Iterable[str], partition: str = "") -> str:
    """Return the region of an account's first calls, if its own configuration names none.

    Args:
        preferred: Regions of any partition; the first one that fits is returned.
        partition: The account's partition; if it is not known, every region fits.
    """
    fitting = (each for each in preferred if each != GLOBAL and partition in ("", partition_of_region(each)))
    return next(fitting, home_region(partition or COMMERCIAL))


def partition_of_region(region: str) -> str:
    """Return the partition of a region, or ``aws`` if botocore does not know the region."""
    try:
        return str(_endpoint_data().get_partition_for_region(region))
    except UnknownRegionError:
        return COMMERCIAL


def default_regions(partition: str) -> tuple[str, ...]:
    """Return the regions that every account of a partition has without opting in, sorted."""
    return tuple(_partition(partition)["enabled_by_default"])


def enabled_by_default(region: str) -> bool:
    """Return whether a region needs no opt-in; true for ``global``."""
    return region == GLOBAL or any(region in partition["enabled_by_default"] for partition in _partitions().values())


@cache
def known_regions() -> frozenset[str]:
    """Return every region that botocore knows, in every partition, and ``global``."""
    partitions = _endpoint_data().get_available_partitions()
    return frozenset(name for each in partitions for name in _regions_of(each)) | {GLOBAL}


@cache
def offered(endpoint_prefix: str, region: str) -> bool:
    """Return whether a service may be available in a region: ``False`` only if botocore's endpoint data rule it out.

    The result is ``True`` for a region or a service that the data do not contain. It is also ``True`` for a service
    whose endpoints belong to no region, for example if the whole partition has one endpoint (``aws-global``).

    Args:
        endpoint_prefix: The service's name in the endpoint data.
        region: The region.
    """
    endpoints = _endpoint_data()
    partitions = endpoints.get_available_partitions()
    partition = next((each for each in partitions if region in _regions_of(each)), None)
    if partition is None:
        return True
    offering = set(endpoints.get_available_endpoints(endpoint_prefix, partition, allow_non_regional=True))
    if offering:
        return region in offering or offering.isdisjoint(_regions_of(partition))
    return not any(
        endpoints.get_available_endpoints(endpoint_prefix, each, allow_non_regional=True) for each in partitions
    )


def partition_of_arn(arn: str) -> str:
    """Return the partition in an ARN (``aws``, ``aws-cn``, ``aws-us-gov`` …), or ``aws`` if it names none."""
    parts = arn.split(":")
    return parts[1] if len(parts) > 1 and parts[1] else COMMERCIAL


@cache
def _endpoint_data() -> EndpointResolver:
    return EndpointResolver(data_loader().load_data("endpoints"))


@cache
def _regions_of(partition: str) -> frozenset[str]:
    # EC2 is in every region, so its endpoints list all regions.
    return frozenset(_endpoint_data().get_available_endpoints("ec2", partition))


def _partition(name: str) -> dict[str, Any]:
    return _partitions().get(name) or _partitions()[COMMERCIAL]


@cache
def _partitions() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = bundled_table(__package__, "regions.yaml")
    return table
