"""``OpenStore``: the parts of one store (keys, vector store, journal, …), opened at first use and closed together."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar
from weakref import WeakSet

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.files.store_file import StoreFile, prepare_data_path
from cloudops_nb.storage.opening.handover import finish_handover, handover_pending
from cloudops_nb.storage.opening.usage_lock import UsageLock
from cloudops_nb.storage.scan_locks import ScanLocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.chat import ChatStore
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.estate.store import EstateStore
    from cloudops_nb.storage.journal.journal import Journal
    from cloudops_nb.storage.scan_state import ScanState
    from cloudops_nb.storage.vault import Vault

_Part = TypeVar("_Part")


class OpenParts(NamedTuple):
    """The main parts of one store, all opened under the same keys."""

    vault: Vault
    vector_store: VectorStore
    journal: Journal


class OpenStore:
    """One store: the estate, the conversations, the journal and the scan state; also a context manager.

    The constructor opens nothing: each part opens at its first use, and may be shared between threads. Several
    processes may each have an ``OpenStore`` on the same data path (the store's folder).

    Args:
        settings: The data path; the key source; whether the vector store is embedded or a Qdrant server; and how long
            the owner process, which runs the embedded vector store, waits for a new client before it ends.
        embedder: Returns the embedder, which turns texts into vectors; called when the first text must be embedded.
    """

    def __init__(self, settings: Settings, embedder: Callable[[], Embedder]) -> None:
        self._settings = settings
        self._embedder = embedder
        self._lock = threading.RLock()
        self._parts: dict[str, Any] = {}
        self._usage_lock = UsageLock(settings.data_path)
        #: The locks of the store's scans; holds those of this process.
        self.scan_locks = ScanLocks(settings.data_path)
        self._alone = False
        self._maintenance_blockers: list[Callable[[], str]] = []
        self._shut_out_threads: WeakSet[threading.Thread] = WeakSet()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def vault(self) -> Vault:
        """The store's keys; opening them creates the store if there is none."""
        return self._part("vault", self._open_vault)

    @property
    def vector_store(self) -> VectorStore:
        """The vector store that holds the estate and the conversations: embedded, or a Qdrant server."""
        # Open the vault first: it checks the data path, and makes the key of a new store before there is any data.
        return self._part("vector_store", lambda: self._open_engine(self.vault.data_path))

    @property
    def journal(self) -> Journal:
        """The record of plans, approvals, executions and sent requests."""
        from cloudops_nb.storage.journal.journal import Journal

        return self._part("journal", lambda: Journal(self._settings.data_path, self.vault))

    @property
    def scan_state(self) -> ScanState:
        """The latest result for each resource type in each account and region, and the call rates that AWS accepted."""
        return self._part("scan_state", self._open_scan_state)

    @property
    def estate(self) -> EstateStore:
        """The AWS resources that scans found."""
        return self._part("estate", self._open_estate)

    @property
    def chat(self) -> ChatStore:
        """The conversations: what users asked, and the answers."""
        from cloudops_nb.storage.chat import ChatStore

        return self._part("chat", lambda: ChatStore(self.vector_store, self.vault))

    @contextmanager
    def alone(self) -> Iterator[Self]:
        """Hold the store exclusively inside the block, so that maintenance can replace its parts; may be nested.

        Objects that this store returned before, such as ``journal``, are closed for good. Another thread that asks
        this store for a part waits until the block ends. Inside the block and after it, each part opens again at its
        next use.

        Raises:
            StoreUnavailableError: Another program has the store open, or a function that was registered by
                :meth:`block_maintenance_while` gives a reason to refuse.
        """
        with self._lock:
            if self._alone:
                yield self
                return
            for reason in filter(None, (blocker() for blocker in self._maintenance_blockers)):
                raise StoreUnavailableError("the store is in use", reason, "Wait for it to end, then try again.")
            self._close_parts()
            prepare_data_path(self._settings.data_path)
            with self._usage_lock.exclusive():
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
        """Make :meth:`alone` raise while ``reason`` returns a text, such as "an approved plan is running here"."""
        self._maintenance_blockers.append(reason)

    def consistent_parts(self) -> OpenParts:
        """Return the main parts, all opened under the same keys, even while another thread changes the keys."""
        with self._lock:
            return OpenParts(self.vault, self.vector_store, self.journal)

    def flush(self) -> None:
        """Make every earlier write to the estate and the conversations survive a power cut.

        The embedded vector store does this by itself, up to half a second after a write. A Qdrant server decides by
        itself when to sync, and a flush does nothing. The journal needs no flush.
        """
        self.vector_store.flush()

    def close(self) -> None:
        """Close the store; the data stays, and the owner process ends some time after the last client disconnects.

        Objects that this store returned, such as ``journal``, are closed for good; the next use of the store opens new
        ones.
        """
        self._close_parts()

    def shut_out(self, threads: Iterable[threading.Thread]) -> None:
        """Refuse these threads the store from now on, so that they cannot reopen it if they outlast :meth:`close`."""
        self._shut_out_threads.update(threads)

    def reopen(self) -> None:
        """Close every part; the next use of a part opens it under the current keys.

        Scheduled backups continue; ``StorageService.close`` stops them.
        """
        self._close_parts()

    def _close_parts(self) -> None:
        with self._lock:
            parts, self._parts = self._parts, {}
            try:
                if "estate" in parts:
                    parts["estate"].end_scans()
                for name in ("vector_store", "journal"):
                    if name in parts:
                        parts[name].retire()
            finally:
                if not self._alone:
                    self._usage_lock.release()

    def _open_vault(self) -> Vault:
        from cloudops_nb.storage.opening.vault_opening import open_vault

        prepare_data_path(self._settings.data_path)
        if self._alone:
            return open_vault(self._settings)
        try:
            self._share()
            return open_vault(self._settings)
        except BaseException:
            # Without a vault no part is open. A lock that is kept would make the restore that the error advises fail.
            self._usage_lock.release()
            raise

    def _share(self) -> None:
        """Take the shared usage lock, after the work that a killed process or an older version has left is done."""
        self._usage_lock.share()
        if self._unfinished():
            try:
                with self._usage_lock.exclusive():
                    self._finish_handover()
            except StoreUnavailableError:
                # If several notebook kernels start at once, one of them does this work and keeps the store open, so
                # the others do not get the exclusive lock. That is not an error once the work is done.
                if self._unfinished():
                    raise
            self._usage_lock.share()

    def _finish_handover(self) -> None:
        """Finish a replacement of parts that a killed process has left, and upgrade a store of an older format."""
        if self._unfinished():
            from cloudops_nb.storage.opening.upgrade import upgrade

            engine = self._open_engine(self._settings.data_path)
            try:
                finish_handover(self._settings.data_path, engine)
                upgrade(self._settings, engine)
            finally:
                engine.close()

    def _unfinished(self) -> bool:
        # Some parts may be replaced and others not yet (a handover that was killed), or the store has an older format.
        return handover_pending(self._settings.data_path) or StoreFile(self._settings.data_path).outdated()

    def _open_engine(self, data_path: Path) -> VectorStore:
        from cloudops_nb.storage.engines.choice import open_engine

        return open_engine(self._settings, data_path)

    def _open_estate(self) -> EstateStore:
        from cloudops_nb.storage.estate.store import EstateStore

        return EstateStore(self.vector_store, self.vault, self.scan_state, self.scan_locks, self._embedder)

    def _open_scan_state(self) -> ScanState:
        from cloudops_nb.storage.journal.scan_anchor import ScanAnchor
        from cloudops_nb.storage.scan_state import ScanState

        return ScanState(self.journal.database, self.vault, ScanAnchor(self.journal, self.vault))

    def _part(self, name: str, open_part: Callable[[], _Part]) -> _Part:
        with self._lock:
            if threading.current_thread() in self._shut_out_threads:
                raise StoreUnavailableError("the store was closed", "this task was still running")
            if name not in self._parts:
                self._parts[name] = open_part()
            part: _Part = self._parts[name]
            return part
