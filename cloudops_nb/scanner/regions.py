"""What is known about partitions and regions without asking AWS."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

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


def partition_of_arn(arn: str) -> str:
    """Return the partition that an ARN names (``aws``, ``aws-cn``, ``aws-us-gov`` …)."""
    parts = arn.split(":")
    return parts[1] if len(parts) > 1 and parts[1] else COMMERCIAL


def _partition(name: str) -> dict[str, Any]:
    return _table().get(name) or _table()[COMMERCIAL]


@cache
def _table() -> dict[str, dict[str, Any]]:
    text = resources.files("cloudops_nb.scanner").joinpath("regions.yaml").read_text(encoding="utf-8")
    table: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return table
