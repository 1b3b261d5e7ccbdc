"""What a scan was asked for and what it makes of that: the selection, the list calls, the calls that are planned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudops_nb.model import Account, CellKey
    from cloudops_nb.specs.model import ResourceSpec


@dataclass(frozen=True, slots=True)
class ScanTask:
    """One list call with all its pages, and the cells that it fills.

    A type of scope ``account`` fills a cell a region with one call; if ``every_region`` is set, resources found in
    regions that have no cell yet get one, else they were not asked for and are left out. ``note`` goes into every
    result. ``every_detail`` asks for the expensive details too.
    """

    spec: ResourceSpec
    account: Account
    region: str
    keys: tuple[CellKey, ...]
    every_region: bool = False
    every_detail: bool = False
    note: str = ""

    @property
    def call_region(self) -> str:
        """Where the calls are made: a type of no region may be answered elsewhere than the partition's other ones."""
        return self.spec.home or self.region


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One kind of call that a scan would make, in one account and region; ``times`` says how often."""

    account: str
    region: str
    service: str
    operation: str
    times: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = "".join(f" {name}={value}" for name, value in self.parameters.items())
        return f"{self.account} {self.region} {self.service}:{self.operation}{given} ({self.times})"


@dataclass(frozen=True, slots=True)
class Selection:
    """What a scan was asked to cover; ``None`` means everything. Checked against what exists, without a call."""

    specs: tuple[ResourceSpec, ...]
    regions: tuple[str, ...] | None
    accounts: tuple[str, ...] | None
    every_detail: bool = False
