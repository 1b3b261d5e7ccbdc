"""The table of the operations by which policies are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cloudops_nb.declarations.tables import bundled_table


@dataclass(frozen=True, slots=True)
class PolicyOperation:
    """An operation that reads policies, and how often in words; a ``fallback`` is for where others are refused."""

    service: str
    operation: str
    times: str
    fallback: bool = False


@cache
def policy_operations() -> tuple[PolicyOperation, ...]:
    """Return every operation by which a scan may read policies."""
    return tuple(PolicyOperation(**row) for row in bundled_table(__package__, "operations.yaml"))
