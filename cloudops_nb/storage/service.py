"""``StorageService``: everything that this host keeps, behind one object."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.chat import ChatStore
    from cloudops_nb.storage.estate import EstateStore
    from cloudops_nb.storage.health import Health
    from cloudops_nb.storage.journal import Journal
    from cloudops_nb.storage.scan_state import ScanState
    from cloudops_nb.storage.vault import Vault
    from cloudops_nb.storage.vector_store import VectorStore

_Part = TypeVar("_Part")


class StorageService:
    """The estate, the conversations, the journal and the scan state of one data path; also a context manager.

    Making one touches nothing: each part opens at its first use and may be shared between threads. Several processes
    may each have one on the same data path.

    Args:
        settings: The data path, the key's source, and the idle time of the store's process.
        embedder: Returns the embedder; called at the first write or search of the estate.
    """

    def __init__(self, settings: Settings, embedder: Callable[[], Embedder]) -> None:
        self._settings = settings
        self._embedder = embedder
        self._lock = threading.RLock()
        self._parts: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def vault(self) -> Vault:
        """The store's keys; opening them makes a new store where there is none."""
        from cloudops_nb.storage.vault import open_vault

        return self._part("vault", lambda: open_vault(self._settings))

    @property
    def vector_store(self) -> VectorStore:
        """The Qdrant engine behind the estate and the conversations."""
        from cloudops_nb.storage.owner.client import OwnerClient

        # The vault first: it checks the data path, and no shard may come before its key.
        path, idle_seconds = self.vault.data_path, self._settings.qdrant_idle_seconds
        return self._part("vector_store", lambda: OwnerClient(path, idle_seconds=idle_seconds))

    @property
    def journal(self) -> Journal:
        """What was planned, approved, executed and sent."""
        from cloudops_nb.storage.journal import Journal

        return self._part("journal", lambda: Journal(self._settings.data_path, self.vault))

    @property
    def scan_state(self) -> ScanState:
        """How each scan cell ended last."""
        from cloudops_nb.storage.scan_state import ScanState

        return self._part("scan_state", lambda: ScanState(self.journal.database, self.vault))

    @property
    def estate(self) -> EstateStore:
        """Every resource that a scan saw."""
        from cloudops_nb.storage.estate import EstateStore

        return self._part("estate", lambda: EstateStore(self.vector_store, self.vault, self.scan_state, self._embedder))

    @property
    def chat(self) -> ChatStore:
        """Every conversation."""
        from cloudops_nb.storage.chat import ChatStore

        return self._part("chat", lambda: ChatStore(self.vector_store, self.vault))

    def health(self) -> Health:
        """Look at the collections and the disk; an error of the store is reported, not raised."""
        from cloudops_nb.storage.health import check_health

        return check_health(self.vector_store, self._settings.data_path)

    def flush(self) -> None:
        """Make everything that was written to the estate and the conversations survive a power cut.

        Without it that takes up to half a second; the journal needs none.
        """
        self.vector_store.flush()

    def close(self) -> None:
        """Let go of the store; what was written stays, and the store's process ends when no kernel uses it.

        A service that is used again opens again.
        """
        with self._lock:
            parts, self._parts = self._parts, {}
        for name in ("vector_store", "journal"):
            if name in parts:
                parts[name].close()

    def _part(self, name: str, open_part: Callable[[], _Part]) -> _Part:
        with self._lock:
            if name not in self._parts:
                self._parts[name] = open_part()
            part: _Part = self._parts[name]
            return part
