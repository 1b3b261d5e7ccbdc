"""The open shards of an owner process: runs the clients' operations on them, and syncs their writes to disk.

A shard is the folder of one collection. The owner process opens the shards for all notebook kernels, its clients.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import StorageError, StoreCorruptedError
from cloudops_nb.storage.engines.edge import EdgeCollection, StaleLogError, is_internal
from cloudops_nb.storage.engines.owner.shard_rescue import rebuild_shard, unreadable_points
from cloudops_nb.storage.engines.owner.staged_shards import adopt_staged, finish_adoption, remove_staged
from cloudops_nb.storage.engines.schema import COLLECTIONS, collection_of, staged_name
from cloudops_nb.storage.engines.vector_store import AnyOf, PointFilter
from cloudops_nb.storage.files.private_files import file_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import Point

#: Delay between a write and its sync to disk, in seconds; all writes during the delay share the sync.
FLUSH_DELAY = 0.5
#: Free disk space, in bytes, below which writes that add data are refused. The engine maps its files into memory, and
#: the process dies if a mapped file cannot grow. A file of the write-ahead log and a vector file have 32 MB each
#: (observed), so the reserve has room for a new file of each kind.
RESERVE_BYTES = 64 << 20
_ADDING_OPERATIONS = frozenset({"upsert", "append", "patch", "stage"})
_log = logging.getLogger(__name__)


class ShardClosedError(StorageError):
    """Another thread closed the shard after this thread had looked it up."""


class ShardReplacedError(StorageError):
    """The shard's folder is no longer the one that was opened: it was removed, moved or replaced."""


class Shard:
    """One open collection and the lock that serialises its operations.

    Operations have the names of ``VectorStore``'s methods. Instead of ``rows`` and ``points``, there are ``page`` and
    ``points_page``, which return one page. The numbers of ``append`` are unique because only this process assigns them.
    """

    def __init__(self, collection: EdgeCollection) -> None:
        folder = collection.path
        # The engine replaces files in these folders, but never the folders.
        self._folders = (folder, folder / "segments", folder / "wal")
        # While they are open, no other folder gets their inodes, so an identity shows a replacement reliably.
        self._descriptors = [os.open(each, os.O_RDONLY | os.O_DIRECTORY) for each in self._folders]
        self._identities = [file_identity(each) for each in self._folders]
        self.lock = threading.Lock()
        self.dirty = False
        self._closed = False
        self._flushing = threading.Lock()
        # Starts at the current time, so that the next owner never returns a generation that this one has returned.
        self._generation = time.time_ns()
        self._collection = collection
        self._last_numbers: dict[str, int] = {}
        self._reads: dict[str, Callable[..., Any]] = {
            name: getattr(collection, name)
            for name in ("retrieve", "page", "points_page", "newest", "query", "count", "facet", "values")
        }
        self._writes: dict[str, Callable[..., Any]] = {
            "upsert": collection.upsert,
            "append": self._append,
            "patch": collection.patch,
            "delete": self._delete,
            "delete_ids": self._delete_ids,
        }

    @property
    def failed(self) -> bool:
        """True once the engine has failed; it then refuses writes until the shard is reopened."""
        return self._collection.failed

    @property
    def replaced(self) -> bool:
        """True if the shard's folder was removed, moved or replaced after the opening."""
        return not self._closed and [file_identity(each) for each in self._folders] != self._identities

    def writes(self, operation: str) -> bool:
        """Return whether an operation writes."""
        return operation in self._writes

    def run(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        """Run one operation; even a failed write changes the generation, because a part of that write may be applied.

        Raises:
            ShardClosedError: The shard is closed.
            StorageError: The operation is unknown, or the engine failed.
        """
        with self.lock:
            if self._closed:
                raise ShardClosedError(f"the shard of {self._collection.collection.name} is closed")
            if operation == "generation":
                return self._generation
            if operation in self._reads:
                return self._reads[operation](**arguments)
            if operation not in self._writes:
                raise StorageError("a request to the store failed", f"there is no operation {operation}")
            try:
                return self._writes[operation](**arguments)
            finally:
                self._generation += 1
                self.dirty = True

    def flush(self) -> None:
        """Sync all earlier writes to disk, or wait until another thread has synced them."""
        with self._flushing:
            if self.dirty and not self._closed:
                self._require_same_folder()
                # Reset before the sync, because a write during this sync needs a further sync.
                self.dirty = False
                try:
                    self._collection.flush()
                except StorageError:
                    self.dirty = True
                    raise

    def close(self) -> None:
        """Sync and close the shard; later operations raise :class:`ShardClosedError`.

        Raises:
            ShardReplacedError: The shard's folder was replaced; nothing is synced.
        """
        with self.lock, self._flushing:
            self._require_same_folder()
            self._closed = True
            for descriptor in self._descriptors:
                os.close(descriptor)
            self._collection.close()

    def _require_same_folder(self) -> None:
        # The engine opens some files by their path, so it would write into the folder that is there now.
        if self.replaced:
            raise ShardReplacedError(f"{self._folders[0]} was replaced while it was open")

    def _append(self, point: Point, group: str, sequence: str) -> int:
        # A client repeats an append whose reply was lost. The point then already has its number.
        present = self._collection.retrieve([point.id], [sequence])
        if present:
            return int(present[0].payload[sequence])
        value = str(point.payload[group])
        if value not in self._last_numbers:
            within = PointFilter(must=[AnyOf(group, [value])])
            newest = self._collection.newest(within, [sequence], sequence, 1)
            self._last_numbers[value] = int(newest[0].payload[sequence]) if newest else -1
        number = self._last_numbers[value] + 1
        numbered = type(point)(point.id, {**point.payload, sequence: number}, point.dense, point.sparse)
        self._collection.upsert([numbered])
        self._last_numbers[value] = number
        return number

    def _delete(self, where: PointFilter) -> int:
        # Forget the numbers: the next append must look up the highest number that remains, as ``RemoteStore`` does.
        self._last_numbers.clear()
        return self._collection.delete(where)

    def _delete_ids(self, ids: Sequence[str]) -> int:
        self._last_numbers.clear()
        return self._collection.delete_ids(ids)


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
        if operation in _ADDING_OPERATIONS:
            self._require_space("nothing was written")
        shard_arguments = dict(arguments)
        name = str(shard_arguments.pop("collection", ""))
        if operation in self._replacements:
            return self._replacements[operation](name)
        rescued = False
        while True:
            shard = self._shard(name)
            try:
                result = shard.run(operation, shard_arguments)
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

        A write may also fail for a reason outside the shard, so after a failed write only a shard with unreadable
        points is rebuilt. Maintenance that has staged the collection uses the place of the new shard and goes first.
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
                remove_staged(self._folder, name)
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
