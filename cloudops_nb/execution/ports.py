"""What the engine needs from others: AWS clients, the journal and the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cloudops_nb.model import JournalRecord


class Caller(Protocol):
    """Who AWS says is calling: the answer of ``GetCallerIdentity``."""

    @property
    def account_id(self) -> str:
        """The caller's account."""

    @property
    def arn(self) -> str:
        """The caller's ARN, as ``arn:aws:sts::123456789012:assumed-role/Operator/session``."""


class Clients(Protocol):
    """AWS clients by account, safe to ask from any thread."""

    def client(self, account_id: str, service: str, region: str) -> Any:
        """Return a botocore client whose credentials and region are its own, never the process's."""

    def caller(self, account_id: str, *, fresh: bool = False) -> Caller:
        """Return who the clients of an account act as; ``fresh`` asks AWS now, whatever was answered before."""


class JournalPort(Protocol):
    """The journal as the engine writes and reads it."""

    def append(
        self, kind: str, subject: str, body: Mapping[str, Any], *, once: str = "", power_safe: bool = False
    ) -> JournalRecord:
        """Add one record of JSON-ready data.

        Args:
            kind: What sort of record it is.
            subject: The id of what it is about.
            body: The content.
            once: A key that can be recorded a single time, across processes; empty for none.
            power_safe: Whether the record must survive a power cut before this returns.

        Raises:
            AlreadyRecordedError: The key of ``once`` is recorded already.
            JournalError: The journal cannot be written.
        """

    def records(
        self,
        *,
        kind: str | Sequence[str] = (),
        subject: str = "",
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[JournalRecord]:
        """Return records in the order they were written; ``limit`` keeps the newest."""

    def latest_time(self) -> datetime | None:
        """Return the latest time of all records since the last accepted clock; ``None`` for an empty journal."""

    def accept_clock(self, body: Mapping[str, Any]) -> JournalRecord:
        """Record that the current time is right, although :meth:`latest_time` is later; resets that time."""

    def verify(self) -> object:
        """Check that no record was changed, added, removed or moved.

        Raises:
            JournalError: A record was changed, added, removed or moved.
        """


class Clock(Protocol):
    """The time, in UTC."""

    def __call__(self) -> datetime:
        """Return now, with its zone."""
