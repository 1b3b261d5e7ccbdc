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

_Response = TypeVar("_Response")

#: Points per request, in both directions; a server accepts 32 MB by default (service.max_request_size_mb).
PAGE = 250
#: The limit in a facet request, which counts points by value; far above the number of distinct values of a field.
ALL_VALUES = 1_000_000
#: How often an append tries to get a number of its own, and the longest pause between two tries, in seconds.
_NUMBERING_ATTEMPTS, _LONGEST_PAUSE = 20, 0.2
_DEFAULT_LIMITS = RequestLimits()


class RemoteStore:
    """A ``VectorStore`` on a Qdrant server; threads may share it, and each notebook kernel has its own.

    A write returns once the server has written it to the server's log and applied it. From then on, the server decides
    what the write survives. Requests that fail because the server is unavailable are repeated.

    Several kernels of one host may use the server at once, with all guarantees of ``VectorStore``. If several hosts use
    it, each with a copy of the data path (the store's folder), the guarantees are weaker:

    - Two appends get different numbers only if every read sees all writes that the server acknowledged before that
      read. This is true of a single server; it may be false of a cluster with replicas.
    - An append that is killed may leave its point with a number that another point also has.
    - After a write of another host, it may take
      :data:`~cloudops_nb.storage.engines.remote.host_state.STALE_SECONDS` until :meth:`generation` changes.

    :meth:`delete` and :meth:`delete_ids` count the points before they delete them. So if there are concurrent writes,
    the returned number may differ from the number of deleted points.

    Args:
        url: The server's address.
        api_key: The server's API key; ``None`` if the server needs no key.
        prefix: The prefix of the collections' names on the server.
        host: The files that this kernel shares with other kernels of the data path.
        limits: The limits of each call to the server, such as its timeout.

    Raises:
        ConfigurationError: The address is invalid, or the key would be sent unencrypted.
    """

    def __init__(
        self, url: str, api_key: SecretStr | None, prefix: str, host: HostState, limits: RequestLimits = _DEFAULT_LIMITS
    ) -> None:
        self._arguments = (url, api_key, prefix, host)
        self._connection = ServerConnection(url, api_key, limits)
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
        """Insert a point with the next number of its group; the kernels of this host take turns.

        Raises:
            StoreUnavailableError: Other hosts took every number that was tried. The point exists, and repeating the
                call gives it a unique number.
        """
        within = AnyOf(group, [str(point.payload[group])])
        with self._host.turn():
            present = self.retrieve(collection, [point.id], [sequence])
            number = int(present[0].payload[sequence]) if present else self._next_number(collection, within, sequence)
            if not present:
                payload = {**point.payload, sequence: number}
                self.upsert(collection, [Point(point.id, payload, point.dense, point.sparse)])
            for _ in range(_NUMBERING_ATTEMPTS):
                if self._is_unique(collection, within, sequence, number):
                    return number
                # Another host chose the same number. Each host that notices this chooses a new number. The pause before
                # is random, so that the hosts do not choose the same number again.
                time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311 - no secret
                number = self._next_number(collection, within, sequence)
                self.patch(collection, [Patch([point.id], {sequence: number})])
        why = "other hosts added messages to the same conversation at the same time"
        raise StoreUnavailableError("a message could not be numbered", why, "Try again.")

    def patch(self, collection: str, patches: Sequence[Patch]) -> list[str]:
        """Set payload fields on existing points, in requests of :data:`PAGE`; returns the ids that do not exist."""
        missing: list[str] = []
        for start in range(0, len(patches), PAGE):
            page = patches[start : start + PAGE]
            ids_of_page = [point_id for patch in page for point_id in patch.ids]
            present = {row.id for row in self.retrieve(collection, ids_of_page, ())}
            missing += [point_id for point_id in ids_of_page if point_id not in present]
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
        """Delete the points that pass the filter; returns their number."""
        found, selector = self.count(collection, where), models.FilterSelector(filter=filter_of(where))
        if found:
            self._write(collection, QdrantClient.delete, selector)
        return found

    def delete_ids(self, collection: str, ids: Sequence[str]) -> int:
        """Delete points by id; returns the number that existed."""
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
        """Yield the points that pass the filter, page by page."""
        yield from map(row_of, self._scroll(collection, where, fields_of(fields), limit, vectors=False))

    def points(self, collection: str, where: PointFilter = EVERY_POINT) -> Iterator[Point]:
        """Yield whole points that pass the filter, page by page."""
        yield from map(whole_point_of, self._scroll(collection, where, True, None, vectors=True))  # noqa: FBT003 - all fields

    def newest(
        self, collection: str, where: PointFilter, fields: Sequence[str], *, order: str, limit: int
    ) -> list[StoredRow]:
        """Fetch the points with the highest values of a numeric field."""
        order_by = models.OrderBy(key=order, direction=models.Direction.DESC)
        options = {"order_by": order_by, "with_payload": fields_of(fields), "with_vectors": False}
        records, _ = self._read(collection, QdrantClient.scroll, filter_of(where), limit, **options)
        return [row_of(record) for record in records]

    def query(self, collection: str, queries: Sequence[VectorQuery]) -> list[list[Scored]]:
        """Run several queries in one request; a sparse query without dimensions has no hits and is not sent."""
        sent = [query for query in queries if not isinstance(query.vector, Sparse) or query.vector.indices]
        if not sent:
            return [[] for _ in queries]
        requests = [query_of(query) for query in sent]
        responses = self._read(collection, QdrantClient.query_batch_points, requests)
        # The keys are id(query), because a query that holds lists is not hashable.
        hits = {
            id(query): [Scored(str(hit.id), hit.score) for hit in response.points]
            for query, response in zip(sent, responses, strict=True)
        }
        return [hits.get(id(query), []) for query in queries]

    def count(self, collection: str, where: PointFilter, *, seconds: float | None = None) -> int:
        """Return the exact number of points; with ``seconds``, send the request only once, on a separate connection."""
        if seconds is None:
            return self._count(collection, filter_of(where))
        with self.hurried(seconds) as hurried:
            return hurried.count(collection, where)

    def facet(self, collection: str, key: str, where: PointFilter) -> dict[Value, int]:
        """Count points by the values of a keyword or lookup field, exactly."""
        response = self._read(collection, QdrantClient.facet, key, filter_of(where), limit=ALL_VALUES, exact=True)
        return {hit.value: hit.count for hit in response.hits}

    def values(self, collection: str, key: str) -> list[Value]:
        """Return the values of a keyword or lookup field, without counting."""
        response = self._read(collection, QdrantClient.facet, key, limit=ALL_VALUES, exact=False)
        return [hit.value for hit in response.hits]

    def generation(self, collection: str) -> int:
        """Return a number that changes with every write of this host, and periodically for writes of other hosts."""
        return self._host.generation(collection)

    def mend_indexes(self, collection: str) -> list[str]:  # noqa: ARG002 - the interface's
        """Do nothing: the server's files are not this store's."""
        return []

    def stage(self, collection: str) -> str:
        """Create an empty staged collection; returns its name."""
        return self._collections.stage(collection)

    def adopt(self, collections: Sequence[str]) -> None:
        """Replace live collections with their staged ones, all in one request."""
        self._collections.adopt(collections)
        for collection in collections:
            self._host.wrote(collection)

    def discard(self, collection: str) -> None:
        """Drop a staged collection."""
        self._collections.discard(collection)

    def drop(self, collection: str) -> None:
        """Drop a collection and all its points, after the store has moved to another engine."""
        self._collections.drop(collection)
        self._host.wrote(collection)

    def probe(self, collections: Sequence[str]) -> None:
        """Check that the server is usable, and that no other store uses these collection names; creates nothing."""
        self._collections.probe(collections)

    @contextmanager
    def hurried(self, seconds: float) -> Iterator[RemoteStore]:
        """Lend a second store for the same collections; it sends each request once, with a timeout of ``seconds``."""
        limits = RequestLimits(request_seconds=math.ceil(seconds), attempts=1, seconds=seconds)
        with closing(RemoteStore(*self._arguments, limits)) as store, self._connection.operation():
            yield store

    def flush(self) -> None:
        """Do nothing: the server syncs its log to disk by itself, and a client cannot request it."""

    def close(self) -> None:
        """Close this kernel's connections to the server."""
        self._connection.close()

    def retire(self) -> None:
        """Close permanently once the requests of other threads end; later requests raise StoreUnavailableError."""
        self._connection.retire()

    def _next_number(self, collection: str, within: AnyOf, sequence: str) -> int:
        newest = self.newest(collection, PointFilter([within]), [sequence], order=sequence, limit=1)
        return int(newest[0].payload[sequence]) + 1 if newest else 0

    def _is_unique(self, collection: str, within: AnyOf, sequence: str, number: int) -> bool:
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
        after, remaining = None, limit
        while remaining is None or remaining > 0:
            size = PAGE if remaining is None else min(PAGE, remaining)
            options = {"offset": after, "with_payload": payload, "with_vectors": vectors}
            page, after = self._read(collection, QdrantClient.scroll, filter_of(where), size, **options)
            yield from page
            remaining = None if remaining is None else remaining - len(page)
            if after is None:
                return

    def _read(self, collection: str, request: Callable[..., _Response], *arguments: Any, **options: Any) -> _Response:
        name = self._collections.named(collection)
        return self._connection.call("the store cannot be read", request, name, *arguments, **options)

    def _write(self, collection: str, request: Callable[..., object], content: object) -> None:
        name = self._collections.named(collection)
        try:
            self._connection.call("a write to the store failed", request, name, content, wait=True)
        finally:  # even after an error: the server may have applied the write
            self._host.wrote(collection)
