"""The adapter to Qdrant Edge: runs operations on a shard, with the types of ``vector_store``.

A shard is the folder in which Qdrant Edge keeps one collection. Only the modules whose names begin
with ``edge`` import ``qdrant_edge``. Only the owner process, which opens the shards for all notebook kernels, loads
these modules.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import qdrant_edge as qdrant

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.edge_shard import (
    DENSE,
    engine_errors,
    field_index,
    highest_version,
    open_shard,
)
from cloudops_nb.storage.engines.edge_translation import (
    edge_filter,
    edge_point,
    edge_query,
    payload_selector,
    point_of,
    row_of,
    sparse_of,
)
from cloudops_nb.storage.engines.schema import damage_advice
from cloudops_nb.storage.engines.vector_store import (
    Patch,
    Point,
    PointFilter,
    Scored,
    StoredRow,
    VectorQuery,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import Value

#: The limit in a facet request, which counts points by value; far above the number of distinct values of a field.
ALL_VALUES = 1_000_000
#: The engine's message for an internal fault. After such a fault, the engine refuses all writes until the shard is
#: reopened (observed).
_INTERNAL = "Service runtime error"


class StaleLogError(StorageError):
    """The engine ignored a write, because the shard's write-ahead log lost operations that its points contain.

    The engine numbers operations by their position in the log, and ignores an operation whose number is not above the
    version of the point (observed). A log that is cut at a damaged entry makes it ignore every write.
    """


class EdgeCollection:
    """One collection in one shard, which only this process has open.

    The engine writes a write-ahead log: an update that returned survives a crash of this process; after :meth:`flush`
    it also survives a power cut. The caller makes only one call at a time; only :meth:`flush` may run during another.

    Attributes:
        collection: The collection's schema.
        path: The shard's folder.
        failed: True once the engine has reported an internal fault, after which it refuses all writes.
    """

    def __init__(self, path: Path, collection: Collection) -> None:
        self.collection = collection
        self.failed = False
        self.path = path
        self._highest_version = highest_version(path)
        self._writes_apply = False
        with self._engine_errors(f"the {collection.name} collection cannot be opened", opening=True):
            self._shard = open_shard(path, collection)
            self._create_missing_indexes()

    def upsert(self, points: Sequence[Point]) -> None:
        """Insert or replace points."""
        self._update(qdrant.UpdateOperation.upsert_points([edge_point(point) for point in points]))
        self._require_applied([point.id for point in points])

    def patch(self, patches: Sequence[Patch]) -> list[str]:
        """Set payload fields on existing points; returns the ids that do not exist."""
        missing: list[str] = []
        for patch in patches:
            present = {row.id for row in self.retrieve(patch.ids, ())}
            missing += [point_id for point_id in patch.ids if point_id not in present]
            if present:
                self._update(qdrant.UpdateOperation.set_payload(list(present), dict(patch.payload)))
                self._require_applied(list(present))
        return missing

    def delete(self, where: PointFilter) -> int:
        """Delete the points that pass the filter; returns their number."""
        found = self.count(where)
        if found:
            self._update(qdrant.UpdateOperation.delete_points_by_filter(edge_filter(where) or qdrant.Filter()))
            self._require_deleted(lambda: self.count(where))
        return found

    def delete_ids(self, ids: Sequence[str]) -> int:
        """Delete points by id; returns the number that existed."""
        found = len(self.retrieve(ids, ()))
        if found:
            self._update(qdrant.UpdateOperation.delete_points(list(ids)))
            self._require_deleted(lambda: len(self.retrieve(ids, ())))
        return found

    def retrieve(self, ids: Sequence[str], fields: Sequence[str]) -> list[StoredRow]:
        """Fetch points by id."""
        with self._engine_errors("points cannot be read"):
            return [row_of(record) for record in self._shard.retrieve(list(ids), payload_selector(fields), False)]  # noqa: FBT003 - the engine takes no keyword here

    def page(
        self, where: PointFilter, fields: Sequence[str], limit: int, after: str | None
    ) -> tuple[list[StoredRow], str | None]:
        """Return one page of rows, ordered by id, and the id at which the next page starts."""
        request = qdrant.ScrollRequest(
            offset=after, limit=limit, filter=edge_filter(where), with_payload=payload_selector(fields)
        )
        with self._engine_errors("points cannot be read"):
            records, following = self._shard.scroll(request)
        return [row_of(record) for record in records], None if following is None else str(following)

    def points_page(self, where: PointFilter, limit: int, after: str | None) -> tuple[list[Point], str | None]:
        """Return one page of whole points, ordered by id, and the id at which the next page starts."""
        request = qdrant.ScrollRequest(
            offset=after, limit=limit, filter=edge_filter(where), with_payload=True, with_vector=True
        )
        with self._engine_errors("points cannot be read"):
            records, following = self._shard.scroll(request)
            return [point_of(record) for record in records], None if following is None else str(following)

    def salvaged_points(self, ids: Sequence[str]) -> list[Point]:
        """Fetch whole points by id; a point without a dense vector gets a fixed one, and loses ``vector_hash``."""
        with self._engine_errors("points cannot be read"):
            records = self._shard.retrieve(list(ids), True, True)  # noqa: FBT003 - the engine takes no keyword here
            return [self._salvaged(record) for record in records]

    def newest(self, where: PointFilter, fields: Sequence[str], order: str, limit: int) -> list[StoredRow]:
        """Fetch the points with the highest values of a numeric field, highest first."""
        request = qdrant.ScrollRequest(
            limit=limit,
            filter=edge_filter(where),
            with_payload=payload_selector(fields),
            order_by=qdrant.OrderBy(order, qdrant.Direction.Desc),
        )
        with self._engine_errors("points cannot be read"):
            return [row_of(record) for record in self._shard.scroll(request)[0]]

    def query(self, queries: Sequence[VectorQuery]) -> list[list[Scored]]:
        """Run several queries; returns one list of hits per query, best first."""
        with self._engine_errors("a search failed"):
            # One by one, because the engine's query_batch takes twice as long for a few queries.
            hits_by_query = [self._shard.query(edge_query(query)) for query in queries]
        return [[Scored(str(hit.id), hit.score) for hit in hits] for hits in hits_by_query]

    def count(self, where: PointFilter) -> int:
        """Return the exact number of points that pass the filter."""
        with self._engine_errors("points cannot be counted"):
            return int(self._shard.count(qdrant.CountRequest(exact=True, filter=edge_filter(where))))

    def facet(self, key: str, where: PointFilter) -> dict[Value, int]:
        """Count points by the values of a keyword or lookup field."""
        request = qdrant.FacetRequest(key, limit=ALL_VALUES, exact=True, filter=edge_filter(where))
        with self._engine_errors("points cannot be counted"):
            return {hit.value: int(hit.count) for hit in self._shard.facet(request)}

    def values(self, key: str) -> list[Value]:
        """Return the values of a field from its index, which is a hundred times faster than :meth:`facet`."""
        return list(self.index_counts(key))

    def index_counts(self, key: str) -> dict[Value, int]:
        """Return the number of points that a field's index lists for each value, without looking at the points."""
        with self._engine_errors("values cannot be listed"):
            hits = self._shard.facet(qdrant.FacetRequest(key, limit=ALL_VALUES, exact=False))
            return {hit.value: int(hit.count) for hit in hits}

    def flush(self) -> None:
        """Sync every write that has returned to disk."""
        with self._engine_errors("the store cannot be synced to disk"):
            self._shard.flush()

    def close(self) -> None:
        """Sync and close the shard; if the sync fails, the shard is closed all the same."""
        try:
            self.flush()
        finally:
            with self._engine_errors("the store cannot be closed"):
                self._shard.close()

    def _update(self, operation: qdrant.UpdateOperation) -> None:
        try:
            with self._engine_errors("a write failed"):
                self._shard.update(operation)
        except StorageError as error:
            self.failed = self.failed or is_internal(error)
            raise

    def _engine_errors(self, what: str, *, opening: bool = False) -> AbstractContextManager[None]:
        return engine_errors(what, damage_advice(self.path, self.collection), opening=opening)

    def _salvaged(self, record: qdrant.Record) -> Point:
        vectors: Any = record.vector or {}
        if DENSE in vectors:
            return point_of(record)
        payload = {name: value for name, value in (record.payload or {}).items() if name != self.collection.vector_hash}
        return Point(str(record.id), payload, unit_vector(self.collection).tobytes(), sparse_of(vectors))

    def _require_applied(self, ids: Sequence[str]) -> None:
        """Check the first write since the opening: its operation's number must be above every earlier version.

        Raises:
            StaleLogError: The engine ignored the write, or would ignore writes to other points.
        """
        if self._writes_apply or not ids:
            return
        condition = qdrant.Filter(must=[qdrant.HasIdCondition({ids[0]})])
        # Only a query by vector returns versions.
        vector = qdrant.Query.Nearest(unit_vector(self.collection).tolist(), DENSE)
        with self._engine_errors("a write cannot be checked"):
            hits = self._shard.query(qdrant.QueryRequest(1, query=vector, filter=condition))
        if not hits or hits[0].version <= self._highest_version:
            raise self._stale_log()
        self._writes_apply = True

    def _require_deleted(self, remaining: Callable[[], int]) -> None:
        if not self._writes_apply and remaining():
            raise self._stale_log()

    def _stale_log(self) -> StaleLogError:
        why = f"the write-ahead log in {self.path} is damaged"
        return StaleLogError("a write failed", why, damage_advice(self.path, self.collection))

    def _create_missing_indexes(self) -> None:
        present = self._shard.info().payload_schema
        for name, kind in self.collection.indexes.items():
            if name not in present:
                self._shard.update(qdrant.UpdateOperation.create_field_index(name, field_index(kind)))


def unit_vector(collection: Collection) -> array[float]:
    """Return a dense vector for points and queries whose similarity does not count."""
    return array("f", [1.0, *[0.0] * (collection.dimension - 1)])


def is_internal(error: StorageError) -> bool:
    """Return whether an error is an internal fault of the engine, such as one at damaged data."""
    return _INTERNAL in error.why
