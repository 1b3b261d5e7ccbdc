"""``OwnerClient``: a ``VectorStore`` that sends its operations to the owner process of a data path.

The owner process holds the embedded vector store of a data path (a store's folder) for all notebook kernels. An
operation is one request, or, if it is long, several requests.
"""

from __future__ import annotations

import os
import select
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.engines.owner.endpoint import OwnerPaths
from cloudops_nb.storage.engines.owner.owner_connection import (
    START_SECONDS,
    ConnectionLostError,
    connect_to_owner,
    start_owner,
)
from cloudops_nb.storage.engines.owner.wire_frames import LARGEST_FRAME, pack_frame, raise_failure, unpack_frame
from cloudops_nb.storage.engines.retirement import Retirement
from cloudops_nb.storage.engines.schema import collection_of, damage_advice
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Scored
from cloudops_nb.storage.files.private_files import creation_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from cloudops_nb.storage.engines.vector_store import Patch, Point, PointFilter, StoredRow, Value, VectorQuery

#: The number of points in one request or one reply, when many points are sent or fetched.
PAGE = 500
#: Longest wait for the reply to one request, in seconds.
REPLY_SECONDS = 120.0
_ATTEMPTS = 6
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0


class OwnerClient:
    """The client of the owner process of a data path; starts that process if it is not running.

    Threads may share a client: each request borrows a connection. If the connection breaks, because the owner was
    killed or is ending, the request is repeated on a new connection. All requests are idempotent, so nothing is lost or
    duplicated. A write that returned is in the owner's write-ahead log and survives a crash of any process. If a
    request is interrupted, its connection is closed.
    """

    def __init__(self, data_path: Path, *, idle_seconds: float) -> None:
        self._paths = OwnerPaths(data_path)
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._idle_connections: list[Connection[Any, Any]] = []
        self._process = os.getpid()
        self._retirement = Retirement()

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert or replace points, in requests of :data:`PAGE` points."""
        for start in range(0, len(points), PAGE):
            self._call("upsert", collection=collection, points=points[start : start + PAGE])

    def append(self, collection: str, point: Point, *, group: str, sequence: str) -> int:
        """Insert a point with the next number of its group; the owner assigns the number."""
        return int(self._call("append", collection=collection, point=point, group=group, sequence=sequence))

    def patch(self, collection: str, patches: Sequence[Patch]) -> list[str]:
        """Set payload fields on existing points; returns the ids that do not exist."""
        missing: list[str] = []
        for start in range(0, len(patches), PAGE):
            missing += self._call("patch", collection=collection, patches=patches[start : start + PAGE])
        return missing

    def delete(self, collection: str, where: PointFilter) -> int:
        """Delete the points that pass the filter; returns their number."""
        return int(self._call("delete", collection=collection, where=where))

    def delete_ids(self, collection: str, ids: Sequence[str]) -> int:
        """Delete points by id; returns the number that existed."""
        return int(self._call("delete_ids", collection=collection, ids=ids))

    def retrieve(self, collection: str, ids: Sequence[str], fields: Sequence[str]) -> list[StoredRow]:
        """Fetch points by id."""
        found: list[StoredRow] = []
        for start in range(0, len(ids), PAGE):
            found += self._call("retrieve", collection=collection, ids=ids[start : start + PAGE], fields=fields)
        return found

    def rows(
        self, collection: str, where: PointFilter, fields: Sequence[str], limit: int | None = None
    ) -> Iterator[StoredRow]:
        """Yield the points that pass the filter, page by page."""
        after, remaining = None, limit
        while remaining is None or remaining > 0:
            size = PAGE if remaining is None else min(PAGE, remaining)
            page, after = self._call("page", collection=collection, where=where, fields=fields, limit=size, after=after)
            yield from page
            remaining = None if remaining is None else remaining - len(page)
            if after is None:
                return

    def points(self, collection: str, where: PointFilter = EVERY_POINT) -> Iterator[Point]:
        """Yield whole points that pass the filter, page by page."""
        after = None
        while True:
            page, after = self._call("points_page", collection=collection, where=where, limit=PAGE, after=after)
            yield from page
            if after is None:
                return

    def newest(
        self, collection: str, where: PointFilter, fields: Sequence[str], *, order: str, limit: int
    ) -> list[StoredRow]:
        """Fetch the points with the highest values of a numeric field."""
        rows: list[StoredRow] = self._call(
            "newest", collection=collection, where=where, fields=fields, order=order, limit=limit
        )
        return rows

    def query(self, collection: str, queries: Sequence[VectorQuery]) -> list[list[Scored]]:
        """Run several queries in one request."""
        hits_by_query = self._call("query", collection=collection, queries=queries)
        return [[Scored(*hit) for hit in hits] for hits in hits_by_query]

    def count(self, collection: str, where: PointFilter, *, seconds: float | None = None) -> int:
        """Return the exact number of points that pass the filter."""
        return int(self._call("count", seconds or REPLY_SECONDS, collection=collection, where=where))

    def facet(self, collection: str, key: str, where: PointFilter) -> dict[Value, int]:
        """Count points by the values of a keyword or lookup field."""
        counts: dict[Value, int] = self._call("facet", collection=collection, key=key, where=where)
        return counts

    def values(self, collection: str, key: str) -> list[Value]:
        """Return the values of a keyword or lookup field."""
        values: list[Value] = self._call("values", collection=collection, key=key)
        return values

    def generation(self, collection: str) -> int:
        """Return a number that changes with every write of any client to the collection."""
        return int(self._call("generation", collection=collection))

    def mend_indexes(self, collection: str) -> list[str]:
        """Let the owner compare the indexes with the points, once per opening, and rebuild a damaged collection."""
        return [str(field) for field in self._call("mend_indexes", collection=collection)]

    def stage(self, collection: str) -> str:
        """Create an empty staged collection; returns its name."""
        return str(self._call("stage", collection=collection))

    def adopt(self, collections: Sequence[str]) -> None:
        """Replace live collections with their staged ones."""
        for collection in collections:
            self._call("adopt", collection=collection)

    def discard(self, collection: str) -> None:
        """Drop a staged collection."""
        self._call("discard", collection=collection)

    def flush(self) -> None:
        """Make every acknowledged write survive a power cut."""
        self._call("flush")

    def close(self) -> None:
        """Close this client's unused connections; the owner still serves other clients, and exits when it is idle."""
        with self._lock:
            connections, self._idle_connections = self._idle_connections, []
        for connection in connections:
            connection.close()

    def retire(self) -> None:
        """Close permanently once the operations of other threads end; later operations raise StoreUnavailableError.

        Raises:
            StoreUnavailableError: An operation did not end within :data:`REPLY_SECONDS`; the client stays usable.
        """
        self._retirement.retire(REPLY_SECONDS)
        self.close()

    def _call(self, operation: str, seconds: float = REPLY_SECONDS, /, **arguments: Any) -> Any:
        """Send a request, on up to :data:`_ATTEMPTS` connections, until the owner replies; return the reply's value.

        Raises:
            StorageError: The owner replied with an error, or cannot be reached or started.
        """
        frame = pack_frame([operation, arguments])
        try:
            with self._retirement.operation():
                status, *reply = self._reply_to(frame, seconds)
        except ConnectionLostError as error:
            why = f"the connection to the store's process was lost {_ATTEMPTS} times during this request"
            raise StoreUnavailableError("the store does not answer", why, self._advice(arguments)) from error
        if status != "ok":
            raise_failure(status, *reply)
        return reply[0]

    def _advice(self, arguments: Mapping[str, Any]) -> str:
        """Return what to do if the owner dies in each attempt: the files of the collection may be damaged."""
        name = str(arguments.get("collection", ""))
        collection = collection_of(name)
        advice = f"Try again, and see {self._paths.log}."
        if collection is None:
            return advice
        return f"{advice} If it fails again: {damage_advice(self._paths.folder / name, collection)}"

    def _reply_to(self, frame: bytes, seconds: float) -> Any:
        # Make the first attempt without tenacity: it almost always succeeds, and is faster than setting tenacity up.
        with suppress(ConnectionLostError):
            return self._exchange(frame, seconds)
        retrying = Retrying(
            retry=retry_if_exception_type(ConnectionLostError),
            stop=stop_after_attempt(_ATTEMPTS - 1),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT),
            reraise=True,
        )
        return retrying(self._exchange, frame, seconds)

    def _exchange(self, frame: bytes, seconds: float) -> Any:
        with self._borrowed() as connection:
            try:
                self._retirement.check()
                connection.send_bytes(frame)
                if not _has_reply(connection, seconds):
                    why = f"an operation took longer than {seconds:.0f} s"
                    raise StoreUnavailableError("the store does not answer", why, f"See {self._paths.log}.")
                return unpack_frame(connection.recv_bytes(LARGEST_FRAME))
            except (EOFError, OSError) as error:
                raise ConnectionLostError from error

    @contextmanager
    def _borrowed(self) -> Iterator[Connection[Any, Any]]:
        """Lend a connection.

        After an error or interrupt the connection is closed: the reply to the failed request may still arrive there,
        and must not be taken for the reply to the next request.
        """
        connection = self._idle_or_new_connection()
        try:
            yield connection
        except BaseException:
            connection.close()
            # After most errors the owner has ended, so its other connections are broken too; if not, they are reopened.
            self.close()
            raise
        with self._lock:
            self._idle_connections.append(connection)

    def _idle_or_new_connection(self) -> Connection[Any, Any]:
        with self._lock:
            if self._process != os.getpid():  # a forked child must not use its parent's connections
                self._process, self._idle_connections = os.getpid(), []
            if self._idle_connections:
                return self._idle_connections.pop()
        return self._connect()

    def _connect(self) -> Connection[Any, Any]:
        with suppress(ConnectionLostError):
            return connect_to_owner(self._paths)
        with creation_lock(self._paths.start_lock, seconds=START_SECONDS):
            # While this thread waited for the lock, another client may have started an owner.
            with suppress(ConnectionLostError):
                return connect_to_owner(self._paths)
            start_owner(self._paths, self._idle_seconds)
            return connect_to_owner(self._paths)


def _has_reply(connection: Connection[Any, Any], seconds: float) -> bool:
    """Wait until a reply arrives or the connection ends; return false if neither happens within ``seconds``.

    This is several times faster than ``Connection.poll``.
    """
    poller = select.poll()
    poller.register(connection, select.POLLIN)
    return bool(poller.poll(seconds * 1000))
