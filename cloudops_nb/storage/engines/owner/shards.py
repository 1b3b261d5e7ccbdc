"""The open shards of an owner process: runs the clients' operations on them, and syncs their writes to disk.

A shard is the folder of one collection. The owner process opens the shards for all notebook kernels, its clients.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import StorageError, StoreCorruptedError
from cloudops_nb.storage.engines.edge import EdgeCollection, StaleLogError, is_internal
from cloudops_nb.storage.engines.owner.index_check import DamagedIndexError, require_sound_indexes
from cloudops_nb.storage.engines.owner.shard import Shard, ShardClosedError
from cloudops_nb.storage.engines.owner.shard_rescue import rebuild_shard, unreadable_points
from cloudops_nb.storage.engines.owner.staged_shards import adopt_staged, finish_adoption, remove_rebuilt, remove_staged
from cloudops_nb.storage.engines.schema import COLLECTIONS, collection_of, staged_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cloudops_nb.storage.engines.schema import Collection

#: Delay between a write and its sync to disk, in seconds; all writes during the delay share the sync.
FLUSH_DELAY = 0.5
#: Free disk space, in bytes, below which writes that add data are refused. The engine maps its files into memory, and
#: the process dies if a mapped file cannot grow. A file of the write-ahead log and a vector file have 32 MB each
#: (observed), so the reserve has room for a new file of each kind.
RESERVE_BYTES = 64 << 20
_ADDING_OPERATIONS = frozenset({"upsert", "append", "patch", "stage"})
_log = logging.getLogger(__name__)


class Shards:
    """All shards of a data path, each opened at its first use; safe to share between threads.

    A background thread syncs writes after :data:`FLUSH_DELAY`, so that a burst of writes costs one sync. If a shard
    cannot be opened, only operations on its collection fail, and each of them first tries to open it again.

    Attributes:
        wrote_anything: True if any collection was written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, Shard] = {}
        self._opening = threading.Lock()
        self._mending = threading.Lock()
        self._unsynced = threading.Event()
        self._closed = False
        self.wrote_anything = False
        self._replacements = {"stage": self._stage, "adopt": self._adopt, "discard": self._discard}
        self._flusher = threading.Thread(target=self._flush_forever, name="flush", daemon=True)
        self._flusher.start()

    def run(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        """Run one operation on the collection that its arguments name; ``flush`` syncs every collection.

        Raises:
            StorageError: The operation failed.
            StoreCorruptedError: The engine cannot open the collection's files.
        """
        if operation == "flush":
            return self.flush()
        if operation == "mend_indexes":
            return self._mend_indexes(**arguments)
        if operation in _ADDING_OPERATIONS:
            self._require_space("nothing was written")
        shard_arguments = dict(arguments)
        name = str(shard_arguments.pop("collection", ""))
        if operation in self._replacements:
            return self._replacements[operation](name)
        return self._run(name, operation, lambda shard: shard.run(operation, shard_arguments))

    def _run(self, name: str, operation: str, action: Callable[[Shard], Any]) -> Any:
        """Run an action on an open shard; if the engine finds damage, rebuild the shard and repeat the action."""
        rescued = False
        while True:
            shard = self._shard(name)
            try:
                result = action(shard)
            except ShardClosedError:  # another thread has replaced or is reopening the shard; look it up again
                continue
            except StorageError as error:
                self._close_failed(name, shard)
                if rescued or not self._rescue(name, shard, error, reading=not shard.writes(operation)):
                    raise
                rescued = True
                continue
            if shard.dirty:
                self.wrote_anything = True
                self._unsynced.set()
            return result

    def _mend_indexes(self, collection: str) -> Sequence[str]:
        """Rebuild a shard whose indexes do not fit its points; returns the fields of these indexes.

        Each shard is checked once after its opening. A shard that could not be rebuilt is checked again at each call.
        """
        wrong: dict[str, None] = {}

        def check(shard: Shard) -> None:
            try:
                require_sound_indexes(shard)
            except DamagedIndexError as error:
                wrong.update(dict.fromkeys(error.fields))
                raise

        with self._mending, suppress(DamagedIndexError):
            self._run(collection, "mend_indexes", check)
        return list(wrong)

    def flush(self) -> None:
        """Sync every collection that was written to."""
        for shard in list(self._shards.values()):
            shard.flush()

    @property
    def replaced(self) -> bool:
        """True if the folder of an open shard was removed, moved or replaced."""
        return any(shard.replaced for shard in list(self._shards.values()))

    def close(self) -> None:
        """Sync and close every shard; later operations block forever, so the process must end after this."""
        self._closed = True
        self._unsynced.set()
        self._flusher.join()
        # Never released, so that the threads of connected clients cannot reopen a shard.
        self._opening.acquire()
        for name in list(self._shards):
            try:
                self._shards.pop(name).close()
            except StorageError as error:
                _log.error("closing %s: %s", name, error)

    def _require_space(self, what: str) -> None:
        if shutil.disk_usage(self._folder).free < RESERVE_BYTES:
            raise StorageError(what, "the disk is full", "Free some space and try again.")

    def _shard(self, name: str) -> Shard:
        with self._opening:
            if name not in self._shards:
                collection = _known_collection(name)
                finish_adoption(self._folder, name)
                if not (self._folder / name).exists():
                    self._require_space(f"the {name} collection cannot be created")
                self._shards[name] = Shard(EdgeCollection(self._folder / name, collection))
            return self._shards[name]

    def _close_failed(self, name: str, shard: Shard) -> None:
        """Close a shard if its engine failed: the next operation reopens it, with every write that has returned."""
        with self._opening:
            if shard.failed and self._shards.get(name) is shard:
                try:
                    self._close_shards(name)
                except StorageError as error:
                    _log.error("closing %s: %s", name, error)

    def _rescue(self, name: str, shard: Shard, error: StorageError, *, reading: bool) -> bool:
        """Rebuild a shard in which the engine found damage; return whether to repeat the operation.

        After a failed read, and after a write that the engine ignored, the shard is rebuilt. After any other failed
        write it is rebuilt only if some point cannot be read, because the reason may be outside the shard. Maintenance
        that has staged the collection goes first.
        """
        stale = isinstance(error, StaleLogError)
        if name not in COLLECTIONS or not (stale or isinstance(error, StoreCorruptedError) or is_internal(error)):
            return False
        with self._opening:
            if self._shards.get(name, shard) is not shard:  # another thread has rescued it
                return True
            if (self._folder / staged_name(name)).exists():
                return False
            try:
                self._close_shards(name)
            except StorageError as problem:
                _log.error("closing %s: %s", name, problem)
            try:
                if not (stale or reading or unreadable_points(self._folder, name)):
                    return False
                self._require_space(f"the damaged {name} collection cannot be rebuilt")
                rebuild_shard(self._folder, name)
            except StorageError as problem:
                _log.error("%s cannot be rebuilt: %s", name, problem)
                remove_rebuilt(self._folder, name)
                return False
        return True

    def _stage(self, name: str) -> str:
        self._discard(name)
        staged = staged_name(name)
        self._shard(staged)
        return staged

    def _adopt(self, name: str) -> None:
        _known_collection(name)
        with self._opening:
            self._close_shards(name, staged_name(name))
            adopt_staged(self._folder, name)

    def _discard(self, name: str) -> None:
        _known_collection(name)
        with self._opening:
            self._close_shards(staged_name(name))
            remove_staged(self._folder, name)

    def _close_shards(self, *names: str) -> None:
        for name in names:
            if name in self._shards:
                self._shards.pop(name).close()

    def _flush_forever(self) -> None:
        while not self._closed:
            self._unsynced.wait()
            self._unsynced.clear()
            if self._closed:
                return
            time.sleep(FLUSH_DELAY)
            try:
                self.flush()
            except StorageError as error:
                _log.error("syncing: %s", error)


def _known_collection(name: str) -> Collection:
    collection = collection_of(name)
    if collection is None:
        raise StorageError("a request to the store failed", f"there is no collection {name}")
    return collection
