"""The data of a scan's plan: the selection, the list calls, and the calls that a dry run shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudops_nb.model import Account, CellKey
    from cloudops_nb.specs.model import ResourceSpec


@dataclass(frozen=True, slots=True)
class ScanTask:
    """One list call with all its pages, and the cells that it fills.

    With one call, a type of scope ``account`` fills one cell per region. If ``every_region`` is set, resources in
    further regions get cells of their own; otherwise they are dropped, because the scan was not asked for them.
    ``note`` is part of every result. ``every_detail`` includes the expensive details.
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
        """The region of the calls; a global type may have another home than its partition's other global types."""
        return self.spec.home or self.region


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One kind of call that a scan would make in one account and region; ``times`` says in words how often."""

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
    """The checked scope of a scan; ``None`` means all regions or all accounts."""

    specs: tuple[ResourceSpec, ...]
    regions: tuple[str, ...] | None
    accounts: tuple[str, ...] | None
    every_detail: bool = False
