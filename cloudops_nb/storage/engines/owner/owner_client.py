"""``OwnerClient``: a ``VectorStore`` that sends each operation to the owner process in one or a few frames."""

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
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Scored
from cloudops_nb.storage.files.private_files import creation_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from cloudops_nb.storage.engines.vector_store import Patch, Point, PointFilter, StoredRow, Value, VectorQuery

#: Points per frame, in both directions.
PAGE = 500
#: Longest wait for the answer to one operation, in seconds.
ANSWER_SECONDS = 120.0
_ATTEMPTS = 6
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0


class OwnerClient:
    """A ``VectorStore`` in the owner process of a data path; starts the process if it is not running.

    Threads may share a client: each operation borrows a connection. If the connection breaks, because the owner was
    killed or is exiting as idle, the operation is repeated on a new one. All operations are idempotent, so nothing is
    lost or duplicated. A write that returned is in the owner's write-ahead log and survives a crash of any process.
    An interrupt closes the connection of the operation that it hits.
    """

    def __init__(self, data_path: Path, *, idle_seconds: float) -> None:
        self._paths = OwnerPaths(data_path)
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._idle: list[Connection[Any, Any]] = []
        self._process = os.getpid()
        self._retirement = Retirement()

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert or replace points, in frames of :data:`PAGE`."""
        for start in range(0, len(points), PAGE):
            self._call("upsert", collection=collection, points=points[start : start + PAGE])

    def append(self, collection: str, point: Point, *, group: str, sequence: str) -> int:
        """Insert a point with the next number of its group, which the owner assigns."""
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
        after, wanted = None, limit
        while wanted is None or wanted > 0:
            size = PAGE if wanted is None else min(PAGE, wanted)
            page, after = self._call("page", collection=collection, where=where, fields=fields, limit=size, after=after)
            yield from page
            wanted = None if wanted is None else wanted - len(page)
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
        answers = self._call("query", collection=collection, queries=queries)
        return [[Scored(*hit) for hit in hits] for hits in answers]

    def count(self, collection: str, where: PointFilter, *, seconds: float | None = None) -> int:
        """Count exactly."""
        return int(self._call("count", seconds or ANSWER_SECONDS, collection=collection, where=where))

    def facet(self, collection: str, key: str, where: PointFilter) -> dict[Value, int]:
        """Count points by the values of a keyword or lookup field."""
        counts: dict[Value, int] = self._call("facet", collection=collection, key=key, where=where)
        return counts

    def values(self, collection: str, key: str) -> list[Value]:
        """Return the values of a keyword or lookup field."""
        values: list[Value] = self._call("values", collection=collection, key=key)
        return values

    def generation(self, collection: str) -> int:
        """Return a number that changes with every write by any kernel."""
        return int(self._call("generation", collection=collection))

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
        """Close this kernel's connections; the owner keeps serving other kernels, and exits when idle."""
        with self._lock:
            connections, self._idle = self._idle, []
        for connection in connections:
            connection.close()

    def retire(self) -> None:
        """Close permanently, after the operations of other threads; later operations raise StoreUnavailableError.

        Raises:
            StoreUnavailableError: An operation does not end; the client stays usable.
        """
        self._retirement.retire(ANSWER_SECONDS)
        self.close()

    def _call(self, operation: str, seconds: float = ANSWER_SECONDS, /, **arguments: Any) -> Any:
        """Send a request until it is answered, on up to six connections.

        Raises:
            StorageError: The owner answered with an error, or cannot be reached or started.
        """
        frame = pack_frame([operation, arguments])
        try:
            with self._retirement.operation():
                status, *answer = self._answered(frame, seconds)
        except ConnectionLostError as error:
            why = f"its process ended {_ATTEMPTS} times during this request"
            raise StoreUnavailableError("the store does not answer", why, f"See {self._paths.log}.") from error
        if status != "ok":
            raise_failure(status, *answer)
        return answer[0]

    def _answered(self, frame: bytes, seconds: float) -> Any:
        # Almost every request succeeds at the first attempt, which takes less time than setting up tenacity.
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
                if not _has_answer(connection, seconds):
                    why = f"an operation took longer than {seconds:.0f} s"
                    raise StoreUnavailableError("the store does not answer", why, f"See {self._paths.log}.")
                return unpack_frame(connection.recv_bytes(LARGEST_FRAME))
            except (EOFError, OSError) as error:
                raise ConnectionLostError from error

    @contextmanager
    def _borrowed(self) -> Iterator[Connection[Any, Any]]:
        """Lend a connection; after an error or interrupt it is closed, because a late answer may be on its way."""
        connection = self._idle_or_new_connection()
        try:
            yield connection
        except BaseException:
            connection.close()
            self.close()  # the owner has probably ended, so the other connections are broken too
            raise
        with self._lock:
            self._idle.append(connection)

    def _idle_or_new_connection(self) -> Connection[Any, Any]:
        with self._lock:
            if self._process != os.getpid():  # a forked child must not use its parent's connections
                self._process, self._idle = os.getpid(), []
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _connect(self) -> Connection[Any, Any]:
        with suppress(ConnectionLostError):
            return connect_to_owner(self._paths)
        # After waiting for the lock, an owner that another kernel has started may be running.
        with creation_lock(self._paths.start_lock, seconds=START_SECONDS):
            with suppress(ConnectionLostError):
                return connect_to_owner(self._paths)
            start_owner(self._paths, self._idle_seconds)
            return connect_to_owner(self._paths)


def _has_answer(connection: Connection[Any, Any], seconds: float) -> bool:
    """Wait for an answer or the end of the connection; several times faster than ``Connection.poll``."""
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
