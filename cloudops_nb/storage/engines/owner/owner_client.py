"""The kernel's side: a ``VectorStore`` whose every method is one or a few frames to the owner process."""

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
from cloudops_nb.storage.files.creation_lock import creation_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from cloudops_nb.storage.engines.vector_store import Patch, Point, PointFilter, StoredRow, Value, VectorQuery

#: Points a frame, both ways.
PAGE = 500
#: How long one operation may take, in seconds.
ANSWER_SECONDS = 120.0
_ATTEMPTS = 6
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0


class OwnerClient:
    """A ``VectorStore`` on the owner process of a data path, which it starts when there is none.

    Threads share it: each operation borrows a connection. An operation whose connection breaks (the owner was killed,
    or just went idle) is repeated on a new one; all are idempotent, so nothing is lost or doubled. What returned is in
    the owner's log on disk and survives a crash of any process. Ctrl-C at any moment costs one connection.
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
        """Insert a point with the next number of its group; the owner gives the number."""
        return int(self._call("append", collection=collection, point=point, group=group, sequence=sequence))

    def patch(self, collection: str, patches: Sequence[Patch]) -> list[str]:
        """Set payload fields; returns the ids that do not exist."""
        missing: list[str] = []
        for start in range(0, len(patches), PAGE):
            missing += self._call("patch", collection=collection, patches=patches[start : start + PAGE])
        return missing

    def delete(self, collection: str, where: PointFilter) -> int:
        """Delete what passes the filter."""
        return int(self._call("delete", collection=collection, where=where))

    def delete_ids(self, collection: str, ids: Sequence[str]) -> int:
        """Delete points by id."""
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
        """Yield the points that pass the filter, a page at a time."""
        after, wanted = None, limit
        while wanted is None or wanted > 0:
            size = PAGE if wanted is None else min(PAGE, wanted)
            page, after = self._call("page", collection=collection, where=where, fields=fields, limit=size, after=after)
            yield from page
            wanted = None if wanted is None else wanted - len(page)
            if after is None:
                return

    def points(self, collection: str, where: PointFilter = EVERY_POINT) -> Iterator[Point]:
        """Yield whole points that pass the filter, a page at a time."""
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
        """Run several queries in one turn."""
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
        """Make an empty collection beside a live one."""
        return str(self._call("stage", collection=collection))

    def adopt(self, collections: Sequence[str]) -> None:
        """Put staged collections in their places."""
        for collection in collections:
            self._call("adopt", collection=collection)

    def discard(self, collection: str) -> None:
        """Drop a staged collection."""
        self._call("discard", collection=collection)

    def flush(self) -> None:
        """Make everything acknowledged survive a power cut."""
        self._call("flush")

    def close(self) -> None:
        """Close this kernel's connections; the owner goes on for other kernels, and ends when idle."""
        with self._lock:
            connections, self._idle = self._idle, []
        for connection in connections:
            connection.close()

    def retire(self) -> None:
        """Close for good, once no thread is in the middle of an operation; later uses raise StoreUnavailableError.

        Raises:
            StoreUnavailableError: An operation does not end; nothing is closed.
        """
        self._retirement.retire(ANSWER_SECONDS)
        self.close()

    def _call(self, operation: str, seconds: float = ANSWER_SECONDS, /, **arguments: Any) -> Any:
        """Send a request and wait for its answer, on as many connections as it takes.

        Raises:
            StorageError: The owner answered with one, or cannot be reached or started.
        """
        frame = pack_frame([operation, arguments])
        try:
            with self._retirement.operation():
                status, *answer = self._answered(frame, seconds)
        except ConnectionLostError as error:
            why = f"it ended {_ATTEMPTS} times while it served this request"
            raise StoreUnavailableError("the store does not answer", why, f"See {self._paths.log}.") from error
        if status != "ok":
            raise_failure(status, *answer)
        return answer[0]

    def _answered(self, frame: bytes, seconds: float) -> Any:
        # Nearly every request is answered at once, and to set up the repetition costs more than that does.
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
                if not _answers(connection, seconds):
                    why = f"an operation took longer than {seconds:.0f} s"
                    raise StoreUnavailableError("the store does not answer", why, f"See {self._paths.log}.")
                return unpack_frame(connection.recv_bytes(LARGEST_FRAME))
            except (EOFError, OSError) as error:
                raise ConnectionLostError from error

    @contextmanager
    def _borrowed(self) -> Iterator[Connection[Any, Any]]:
        """Lend a connection; one that was interrupted in mid-conversation is never lent again."""
        connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.close()
            self.close()  # the others most likely broke with it
            raise
        with self._lock:
            self._idle.append(connection)

    def _take(self) -> Connection[Any, Any]:
        with self._lock:
            if self._process != os.getpid():  # a forked child must not talk on its parent's connections
                self._process, self._idle = os.getpid(), []
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _connect(self) -> Connection[Any, Any]:
        with suppress(ConnectionLostError):
            return connect_to_owner(self._paths)
        # Whoever waits for the lock finds the owner that was started meanwhile.
        with creation_lock(self._paths.start_lock, seconds=START_SECONDS):
            with suppress(ConnectionLostError):
                return connect_to_owner(self._paths)
            start_owner(self._paths, self._idle_seconds)
            return connect_to_owner(self._paths)


def _answers(connection: Connection[Any, Any], seconds: float) -> bool:
    """Wait for an answer, or for the end of the connection, as its ``poll`` does in several times the time."""
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
