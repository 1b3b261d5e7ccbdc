"""``OpenStore``: the parts of one data path, opened together and closed together."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar
from weakref import WeakSet

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.files.store_file import StoreFile, prepare_data_path
from cloudops_nb.storage.opening.handover import finish_handover, handover_pending
from cloudops_nb.storage.opening.usage_lock import UsageLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.chat import ChatStore
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.estate.store import EstateStore
    from cloudops_nb.storage.journal.records import Journal
    from cloudops_nb.storage.scan_state import ScanState
    from cloudops_nb.storage.vault import Vault

_Part = TypeVar("_Part")


class OpenParts(NamedTuple):
    """Parts of one service that belong to each other: opened under the same keys, and closed together."""

    vault: Vault
    vector_store: VectorStore
    journal: Journal


class OpenStore:
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
        self._presence = UsageLock(settings.data_path)
        self._alone = False
        self._reasons: list[Callable[[], str]] = []
        self._shut_out: WeakSet[threading.Thread] = WeakSet()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def vault(self) -> Vault:
        """The store's keys; opening them makes a new store where there is none."""
        return self._part("vault", self._open_vault)

    @property
    def vector_store(self) -> VectorStore:
        """The Qdrant engine behind the estate and the conversations."""
        # The vault first: it checks the data path, and no shard may come before its key.
        return self._part("vector_store", lambda: self._open_engine(self.vault.data_path))

    @property
    def journal(self) -> Journal:
        """What was planned, approved, executed and sent."""
        from cloudops_nb.storage.journal.records import Journal

        return self._part("journal", lambda: Journal(self._settings.data_path, self.vault))

    @property
    def scan_state(self) -> ScanState:
        """How each scan cell ended last."""
        from cloudops_nb.storage.scan_state import ScanState

        return self._part("scan_state", lambda: ScanState(self.journal.database, self.vault))

    @property
    def estate(self) -> EstateStore:
        """Every resource that a scan saw."""
        from cloudops_nb.storage.estate.store import EstateStore

        return self._part("estate", lambda: EstateStore(self.vector_store, self.vault, self.scan_state, self._embedder))

    @property
    def chat(self) -> ChatStore:
        """Every conversation."""
        from cloudops_nb.storage.chat import ChatStore

        return self._part("chat", lambda: ChatStore(self.vector_store, self.vault))

    @contextmanager
    def alone(self) -> Iterator[Self]:
        """Hold the store against every other program, for work that replaces parts of it; opens anew afterwards.

        Parts that were taken from this service before are closed for good; its other threads wait. May be nested.

        Raises:
            StoreUnavailableError: Another program has the store open.
        """
        with self._lock:
            if self._alone:
                yield self
                return
            for reason in filter(None, (ask() for ask in self._reasons)):
                raise StoreUnavailableError("the store is in use", reason, "Wait for it to end, and try again.")
            self._close_parts()
            prepare_data_path(self._settings.data_path)
            with self._presence.alone():
                self._alone = True
                try:
                    self._finish_handover()
                    yield self
                finally:
                    try:
                        self._close_parts()
                    finally:
                        self._alone = False

    def block_maintenance_while(self, reason: Callable[[], str]) -> None:
        """Refuse :meth:`alone` as long as ``reason`` returns one, as "an approved plan is running here"."""
        self._reasons.append(reason)

    def consistent_parts(self) -> OpenParts:
        """Return parts that belong to each other, for work that maintenance in another thread must not split."""
        with self._lock:
            return OpenParts(self.vault, self.vector_store, self.journal)

    def flush(self) -> None:
        """Make everything that was written to the estate and the conversations survive a power cut.

        Without it that takes up to half a second; the journal needs none.
        """
        self.vector_store.flush()

    def close(self) -> None:
        """Let go of the store; what was written stays, and the store's process ends when no kernel uses it.

        Parts taken from this service are closed for good; a service that is used again opens new ones.
        """
        self._close_parts()

    def shut_out(self, threads: Iterable[threading.Thread]) -> None:
        """Keep threads that outlast :meth:`close` from opening the store again behind the back of whoever closed it."""
        self._shut_out.update(threads)

    def reopen(self) -> None:
        """Let every part open anew at its next use, as after a change of keys; scheduled backups go on."""
        self._close_parts()

    def _close_parts(self) -> None:
        with self._lock:
            parts, self._parts = self._parts, {}
            try:
                for name in ("vector_store", "journal"):
                    if name in parts:
                        parts[name].retire()
            finally:
                if not self._alone:
                    self._presence.leave()

    def _open_vault(self) -> Vault:
        from cloudops_nb.storage.opening.vault_opening import open_vault

        prepare_data_path(self._settings.data_path)
        if not self._alone:
            self._presence.share()
            if self._unfinished():
                try:
                    with self._presence.alone():
                        self._finish_handover()
                except StoreUnavailableError:
                    # Of kernels that start at once, one does it, and has the store open when the others get their turn.
                    if self._unfinished():
                        raise
                self._presence.share()
        return open_vault(self._settings)

    def _finish_handover(self) -> None:
        """Finish what a killed process began, and bring an older version's store to the present format."""
        if self._unfinished():
            from cloudops_nb.storage.opening.upgrade import upgrade

            engine = self._open_engine(self._settings.data_path)
            try:
                finish_handover(self._settings.data_path, engine)
                upgrade(self._settings, engine)
            finally:
                engine.close()

    def _unfinished(self) -> bool:
        # Parts of two stores lie in one folder, or parts of an older one.
        return handover_pending(self._settings.data_path) or StoreFile(self._settings.data_path).outdated()

    def _open_engine(self, data_path: Path) -> VectorStore:
        from cloudops_nb.storage.engines.choice import open_engine

        return open_engine(self._settings, data_path)

    def _part(self, name: str, open_part: Callable[[], _Part]) -> _Part:
        with self._lock:
            if threading.current_thread() in self._shut_out:
                raise StoreUnavailableError("the store was closed")
            if name not in self._parts:
                self._parts[name] = open_part()
            part: _Part = self._parts[name]
            return part
