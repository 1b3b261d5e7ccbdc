"""One open shard (the folder of a collection) of an owner process: runs operations, and notices a replaced folder."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.vector_store import AnyOf, PointFilter
from cloudops_nb.storage.files.private_files import file_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cloudops_nb.storage.engines.edge import EdgeCollection
    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import Point

_READS = ("retrieve", "page", "points_page", "newest", "query", "count", "facet", "values", "index_counts")


class ShardClosedError(StorageError):
    """Another thread closed the shard after this thread had looked it up."""


class ShardReplacedError(StorageError):
    """The shard's folder is no longer the one that was opened: it was removed, moved or replaced."""


class Shard:
    """One open collection and the lock that serialises its operations.

    Operations have the names of ``VectorStore``'s methods. Instead of ``rows`` and ``points``, there are ``page`` and
    ``points_page``, which return one page. The numbers of ``append`` are unique because only this process assigns them.

    Attributes:
        dirty: True if there are writes that were not synced.
        sound: True once the indexes were compared with the points.
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
        self.sound = False
        self._closed = False
        self._flushing = threading.Lock()
        # Starts at the current time, so that the next owner never returns a generation that this one has returned.
        self._generation = time.time_ns()
        self._collection = collection
        self._last_numbers: dict[str, int] = {}
        self._reads: dict[str, Callable[..., Any]] = {name: getattr(collection, name) for name in _READS}
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
    def collection(self) -> Collection:
        """The collection's schema."""
        return self._collection.collection

    @property
    def path(self) -> Path:
        """The shard's folder."""
        return self._collection.path

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
        with self.alone():
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

    @contextmanager
    def alone(self) -> Iterator[EdgeCollection]:
        """Lend the open collection while no other operation runs.

        Raises:
            ShardClosedError: The shard is closed.
        """
        with self.lock:
            if self._closed:
                raise ShardClosedError(f"the shard of {self.collection.name} is closed")
            yield self._collection

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
