"""The life of a playbook version, from draft to archive; the table is ``lifecycle.yaml``."""

from __future__ import annotations

from enum import StrEnum
from functools import cache

from pydantic import BaseModel, ConfigDict, TypeAdapter

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import PlaybookError


class Lifecycle(StrEnum):
    """The ten states."""

    DRAFT = "draft"
    READY = "ready"
    PENDING_REVIEW = "pending_review"
    APPROVED = "approved"
    ACTIVE = "active"
    REJECTED = "rejected"
    NEEDS_UPDATE = "needs_update"
    BROKEN = "broken"
    DEPRECATED = "deprecated"
    ARCHIVED = "archived"

    @property
    def runnable(self) -> bool:
        """Whether a playbook in this state runs without an explicit override."""
        return _table()[self].runnable

    @property
    def meaning(self) -> str:
        """What the state says, as a clause."""
        return _table()[self].meaning

    @property
    def next(self) -> frozenset[Lifecycle]:
        """The states that may follow."""
        return _table()[self].next

    def move_to(self, state: Lifecycle) -> Lifecycle:
        """Return ``state``.

        Raises:
            PlaybookError: The table has no such transition.
        """
        if state not in self.next:
            after = ", ".join(sorted(self.next)) or "nothing"
            raise PlaybookError(f"a playbook cannot go from {self} to {state}", f"after {self} comes {after}")
        return state


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    meaning: str
    next: frozenset[Lifecycle]
    runnable: bool = False


@cache
def _table() -> dict[Lifecycle, _Row]:
    return TypeAdapter(dict[Lifecycle, _Row]).validate_python(bundled_table(__package__, "lifecycle.yaml"))
