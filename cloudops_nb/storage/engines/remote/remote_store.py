"""``RemoteStore``: a ``VectorStore`` on a Qdrant server or cluster."""

from __future__ import annotations

import math
import random
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from qdrant_client import QdrantClient, models

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.engines.remote.server_collections import ServerCollections
from cloudops_nb.storage.engines.remote.server_connection import RequestLimits, ServerConnection
from cloudops_nb.storage.engines.remote.translation import (
    condition_of,
    fields_of,
    filter_of,
    point_of,
    query_of,
    row_of,
    whole_point_of,
    with_ids,
)
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, AnyOf, Patch, Point, PointFilter, Scored, Sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic import SecretStr

    from cloudops_nb.storage.engines.remote.host_state import HostState
    from cloudops_nb.storage.engines.vector_store import StoredRow, Value, VectorQuery

_Answer = TypeVar("_Answer")

#: Points a request, both ways; a server takes 32 MB at once unless configured otherwise.
PAGE = 250
#: Far above the number of distinct values that a facet can have here.
ALL_VALUES = 1_000_000
#: How often a number that another host took too is given up for another, and the longest pause before, in seconds.
_NUMBERS, _PAUSE = 20, 0.2
_USUAL = RequestLimits()


class RemoteStore:
    """A ``VectorStore`` on a server, which keeps it; threads share it, and every kernel of a data path has its own.

    Every write waits until the server has applied it and written it to its log; requests that failed on the way are
    repeated. From then on its survival is the server's affair.

    Several kernels of one host may use it at once, with all that ``VectorStore`` promises. Several hosts may do so too,
    each with a copy of the data path, but they promise one another less. Two appends that returned never got the same
    number, as long as the server shows an acknowledged write to every later read (one node does, a cluster of replicas
    need not); one that was killed may leave its message with a number that another got. What another host wrote changes
    :meth:`generation` within :data:`~cloudops_nb.storage.engines.remote.host_state.STALE_SECONDS`. :meth:`delete` and
    :meth:`delete_ids` count before they delete.

    Args:
        url: The server's address.
        api_key: Its key, ``None`` for a server without.
        prefix: What the names of the store's collections begin with.
        host: What this kernel shares with others on the same data path.
        patience: How long the server may take to answer.

    Raises:
        ConfigurationError: The address cannot be used, or the key would travel in the clear.
    """

    def __init__(
        self, url: str, api_key: SecretStr | None, prefix: str, host: HostState, patience: RequestLimits = _USUAL
    ) -> None:
        self._place = (url, api_key, prefix, host)
        self._connection = ServerConnection(url, api_key, patience)
        self._collections = ServerCollections(self._connection, prefix, host.identity)
        self._prefix = prefix
        self._host = host

    def __repr__(self) -> str:
        return f"RemoteStore({self._connection.url!r}, prefix={self._prefix!r})"

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert or replace points, in requests of :data:`PAGE`."""
        for start in range(0, len(points), PAGE):
            page = [point_of(point) for point in points[start : start + PAGE]]
            self._write(collection, QdrantClient.upsert, page)

    def append(self, collection: str, point: Point, *, group: str, sequence: str) -> int:
        """Insert a point with the next number of its group; kernels of this host take turns.

        Raises:
            StoreUnavailableError: Other hosts took every number that was tried.
        """
        within = AnyOf(group, [str(point.payload[group])])
        with self._host.turn():
            written = self.retrieve(collection, [point.id], [sequence])
            number = int(written[0].payload[sequence]) if written else self._next(collection, within, sequence)
            if not written:
                payload = {**point.payload, sequence: number}
                self.upsert(collection, [Point(point.id, payload, point.dense, point.sparse)])
            for _ in range(_NUMBERS):
                if self._is_alone(collection, within, sequence, number):
                    return number
                # Another host chose it too. Whoever saw the other gives way, so that nobody keeps a number seen twice.
                time.sleep(random.uniform(0, _PAUSE))  # noqa: S311 - against lockstep, not against guessing
                number = self._next(collection, within, sequence)
                self.patch(collection, [Patch([point.id], {sequence: number})])
        raise StoreUnavailableError("the message was not kept", "other hosts write too fast", "Try again.")

    def patch(self, collection: str, patches: Sequence[Patch]) -> list[str]:
        """Set payload fields, in requests of :data:`PAGE`; returns the ids that do not exist."""
        missing: list[str] = []
        for start in range(0, len(patches), PAGE):
            page = patches[start : start + PAGE]
            wanted = [point_id for patch in page for point_id in patch.ids]
            present = {row.id for row in self.retrieve(collection, wanted, ())}
            missing += [point_id for point_id in wanted if point_id not in present]
            operations: list[models.UpdateOperation] = [
                models.SetPayloadOperation(
                    set_payload=models.SetPayload(payload=dict(patch.payload), filter=with_ids(ids))
                )
                for patch in page
                if (ids := [point_id for point_id in patch.ids if point_id in present])
            ]
            if operations:
                self._write(collection, QdrantClient.batch_update_points, operations)
        return missing

    def delete(self, collection: str, where: PointFilter) -> int:
        """Delete what passes the filter; returns how many points that were."""
        found, selector = self.count(collection, where), models.FilterSelector(filter=filter_of(where))
        if found:
            self._write(collection, QdrantClient.delete, selector)
        return found

    def delete_ids(self, collection: str, ids: Sequence[str]) -> int:
        """Delete points by id; returns how many there were."""
        found = [row.id for row in self.retrieve(collection, list(dict.fromkeys(ids)), ())]
        for start in range(0, len(found), PAGE):
            selector = models.PointIdsList(points=list(found[start : start + PAGE]))
            self._write(collection, QdrantClient.delete, selector)
        return len(found)

    def retrieve(self, collection: str, ids: Sequence[str], fields: Sequence[str]) -> list[StoredRow]:
        """Fetch points by id, in requests of :data:`PAGE`."""
        found: list[StoredRow] = []
        for start in range(0, len(ids), PAGE):
            page = list(ids[start : start + PAGE])
            records = self._read(
                collection, QdrantClient.retrieve, page, with_payload=fields_of(fields), with_vectors=False
            )
            found += map(row_of, records)
        return found

    def rows(
        self, collection: str, where: PointFilter, fields: Sequence[str], limit: int | None = None
    ) -> Iterator[StoredRow]:
        """Yield the points that pass the filter, a page at a time."""
        yield from map(row_of, self._scroll(collection, where, fields_of(fields), limit, vectors=False))

    def points(self, collection: str, where: PointFilter = EVERY_POINT) -> Iterator[Point]:
        """Yield whole points that pass the filter, a page at a time."""
        yield from map(whole_point_of, self._scroll(collection, where, True, None, vectors=True))  # noqa: FBT003 - all fields

    def newest(
        self, collection: str, where: PointFilter, fields: Sequence[str], *, order: str, limit: int
    ) -> list[StoredRow]:
        """Fetch the points with the highest values of a numeric field."""
        by = models.OrderBy(key=order, direction=models.Direction.DESC)
        wanted = {"order_by": by, "with_payload": fields_of(fields), "with_vectors": False}
        records, _ = self._read(collection, QdrantClient.scroll, filter_of(where), limit, **wanted)
        return [row_of(record) for record in records]

    def query(self, collection: str, queries: Sequence[VectorQuery]) -> list[list[Scored]]:
        """Run several queries in one request; a sparse one without dimensions finds nothing and is not sent."""
        sent = [query for query in queries if not isinstance(query.vector, Sparse) or query.vector.indices]
        if not sent:
            return [[] for _ in queries]
        requests = [query_of(query) for query in sent]
        answers = iter(self._read(collection, QdrantClient.query_batch_points, requests))
        hits = {id(query): [Scored(str(hit.id), hit.score) for hit in next(answers).points] for query in sent}
        return [hits.get(id(query), []) for query in queries]

    def count(self, collection: str, where: PointFilter, *, seconds: float | None = None) -> int:
        """Count exactly; with ``seconds``, over a connection of its own, and each request is sent once."""
        if seconds is None:
            return self._count(collection, filter_of(where))
        with self.hurried(seconds) as hurried:
            return hurried.count(collection, where)

    def facet(self, collection: str, key: str, where: PointFilter) -> dict[Value, int]:
        """Count points by the values of a keyword or lookup field, exactly."""
        answer = self._read(collection, QdrantClient.facet, key, filter_of(where), limit=ALL_VALUES, exact=True)
        return {hit.value: hit.count for hit in answer.hits}

    def values(self, collection: str, key: str) -> list[Value]:
        """Return the values of a keyword or lookup field, without counting."""
        answer = self._read(collection, QdrantClient.facet, key, limit=ALL_VALUES, exact=False)
        return [hit.value for hit in answer.hits]

    def generation(self, collection: str) -> int:
        """Return a number that changes with every write of this host, and now and then for those of others."""
        return self._host.generation(collection)

    def stage(self, collection: str) -> str:
        """Make an empty collection beside a live one."""
        return self._collections.stage(collection)

    def adopt(self, collections: Sequence[str]) -> None:
        """Put staged collections in their places, all in one request."""
        self._collections.adopt(collections)
        for collection in collections:
            self._host.wrote(collection)

    def discard(self, collection: str) -> None:
        """Drop a staged collection."""
        self._collections.discard(collection)

    def drop(self, collection: str) -> None:
        """Drop a live collection and everything in it, for a store that has moved away."""
        self._collections.drop(collection)
        self._host.wrote(collection)

    def probe(self, collections: Sequence[str]) -> None:
        """See that the server can be used, and that no other store has collections of these names; makes nothing."""
        self._collections.probe(collections)

    @contextmanager
    def hurried(self, seconds: float) -> Iterator[RemoteStore]:
        """Lend a store on the same collections that sends a request once, and waits so many seconds for its answer."""
        patience = RequestLimits(request_seconds=math.ceil(seconds), attempts=1, seconds=seconds)
        with closing(RemoteStore(*self._place, patience)) as store, self._connection.held():
            yield store

    def flush(self) -> None:
        """Do nothing: the server syncs its log to disk by itself, and has no request for it."""

    def close(self) -> None:
        """Close this kernel's connections; the server stays."""
        self._connection.close()

    def retire(self) -> None:
        """Close for good, once no thread is in the middle of a request; later uses raise StoreUnavailableError."""
        self._connection.retire()

    def _next(self, collection: str, within: AnyOf, sequence: str) -> int:
        newest = self.newest(collection, PointFilter([within]), [sequence], order=sequence, limit=1)
        return int(newest[0].payload[sequence]) + 1 if newest else 0

    def _is_alone(self, collection: str, within: AnyOf, sequence: str, number: int) -> bool:
        same = models.FieldCondition(key=sequence, match=models.MatchValue(value=number))
        return self._count(collection, models.Filter(must=[condition_of(within), same])) == 1

    def _count(self, collection: str, where: models.Filter) -> int:
        return self._read(collection, QdrantClient.count, where, exact=True).count

    def _scroll(
        self,
        collection: str,
        where: PointFilter,
        payload: bool | models.PayloadSelectorInclude,
        limit: int | None,
        *,
        vectors: bool,
    ) -> Iterator[models.Record]:
        after, wanted = None, limit
        while wanted is None or wanted > 0:
            size = PAGE if wanted is None else min(PAGE, wanted)
            options = {"offset": after, "with_payload": payload, "with_vectors": vectors}
            page, after = self._read(collection, QdrantClient.scroll, filter_of(where), size, **options)
            yield from page
            wanted = None if wanted is None else wanted - len(page)
            if after is None:
                return

    def _read(self, collection: str, request: Callable[..., _Answer], *arguments: Any, **options: Any) -> _Answer:
        name = self._collections.named(collection)
        return self._connection.call("the store cannot be read", request, name, *arguments, **options)

    def _write(self, collection: str, request: Callable[..., object], content: object) -> None:
        name = self._collections.named(collection)
        try:
            self._connection.call("a write to the store failed", request, name, content, wait=True)
        finally:  # one that failed may have been applied
            self._host.wrote(collection)
