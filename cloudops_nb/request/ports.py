"""What the request builder needs from the parts it doesn't import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloudops_nb.model import JournalRecord, Resource, ResourceFilter, SearchHit


class Estate(Protocol):
    """The estate on the notebook host."""

    def lookup(self, text: str) -> Sequence[Resource]:
        """Return the resources whose id, name or ARN equals ``text`` without regard to case."""

    def resources(self, where: ResourceFilter = ..., *, limit: int | None = None) -> Sequence[SearchHit]:
        """Return the resources that pass every filter."""

    def search(self, query: str, *, limit: int = ..., where: ResourceFilter = ...) -> Sequence[SearchHit]:
        """Return the best matches for a query in words."""

    def facets(self, field: str) -> Mapping[str, int]:
        """Return each value of a field and how many resources have it."""


class Abilities(Protocol):
    """What the playbooks of this host can do, by intent."""

    def types_for(self, intent: str) -> Collection[str]:
        """Return the resource types that playbooks for an intent act on."""

    def value_types_for(self, intent: str) -> Collection[str]:
        """Return the types of values that playbooks for an intent take from a request."""


class Ledger(Protocol):
    """Where everything that leaves the host is recorded."""

    def append(self, kind: str, subject: str, body: Mapping[str, Any]) -> JournalRecord:
        """Record one request before it leaves."""


class Transport(Protocol):
    """The way to a playbook server; a request and its answer are whole documents of bytes."""

    @property
    def destination(self) -> str:
        """Where the bytes go, as the ledger names it."""

    def send(self, body: bytes) -> bytes:
        """Send one request and return the answer.

        Raises:
            EgressRefusedError: The server refused the request or could not be reached.
        """
