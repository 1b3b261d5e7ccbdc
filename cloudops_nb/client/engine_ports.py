"""What the engine of plans is given: the journal and the clients as they are at each call, not as they once were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import JournalRecord
    from cloudops_nb.storage.facade import StorageService


class PresentJournal:
    """The journal that the store has now: a restore or new keys put another one in its place."""

    def __init__(self, storage: StorageService) -> None:
        self._storage = storage

    def append(
        self, kind: str, subject: str, body: Mapping[str, Any], *, once: str = "", power_safe: bool = False
    ) -> JournalRecord:
        """Add a record."""
        return self._storage.journal.append(kind, subject, body, once=once, power_safe=power_safe)

    def records(self, **filters: Any) -> list[JournalRecord]:
        """Return records, oldest first."""
        return self._storage.journal.records(**filters)


class LazyClients:
    """AWS clients whose sessions are opened when the first one is asked for."""

    def __init__(self, sessions: Callable[[], AccountSessions]) -> None:
        self._sessions = sessions

    def client(self, account_id: str, service: str, region: str) -> Any:
        """Return a client of an account."""
        return self._sessions().client(account_id, service, region)

    def caller(self, account_id: str, *, fresh: bool = False) -> Any:
        """Return who the account's clients act as; asked anew if ``fresh``."""
        return self._sessions().caller(account_id, fresh=fresh)
