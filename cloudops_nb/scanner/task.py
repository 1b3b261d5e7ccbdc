"""The data of a scan's plan: the selection, the tasks, and the calls that a dry run shows.

A cell is one resource type in one account and region. A spec is the declaration of a resource type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudops_nb.model import Account, CellKey
    from cloudops_nb.specs.model import ResourceSpec


@dataclass(frozen=True, slots=True)
class ScanTask:
    """One list call with all its pages, and the cells that it fills.

    A type of scope ``account`` is listed once per account, although each of its resources has a region. Its list call
    fills one cell per region, and may return resources in regions without a cell in ``keys``. If ``every_region`` is
    set, these regions get cells too; otherwise their resources are dropped, because the scan was limited to certain
    regions.

    ``note`` becomes part of the detail text of every cell's result. If ``every_detail`` is set, the task also makes the
    expensive detail calls, which take one call per resource.

    A task with ``identifiers`` reads only the resources with these identifiers. The number of resources in its cells'
    results counts only these.
    """

    spec: ResourceSpec
    account: Account
    region: str
    keys: tuple[CellKey, ...]
    every_region: bool = False
    every_detail: bool = False
    note: str = ""
    identifiers: frozenset[str] = frozenset()

    @property
    def call_region(self) -> str:
        """The region to call: the home region that the spec of a global type may name, else ``region``."""
        return self.spec.home or self.region


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One kind of call that a scan would make in one account and region.

    ``times`` says in words how often the call is made.
    """

    account: str
    region: str
    service: str
    operation: str
    times: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        parameters = "".join(f" {name}={value}" for name, value in self.parameters.items())
        return f"{self.account} {self.region} {self.service}:{self.operation}{parameters} ({self.times})"


@dataclass(frozen=True, slots=True)
class Selection:
    """The checked scope of a scan; ``None`` means all accounts, or all regions of each account."""

    specs: tuple[ResourceSpec, ...]
    regions: tuple[str, ...] | None
    accounts: tuple[str, ...] | None
    every_detail: bool = False
