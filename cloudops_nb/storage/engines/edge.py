"""The one adapter to Qdrant Edge's operations: plain types in, plain types out.

Nothing but this module and :mod:`~cloudops_nb.storage.engines.edge_shard` imports ``qdrant_edge``, and only the owner
process loads them.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import qdrant_edge as qdrant

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.edge_shard import DENSE, SPARSE, engine_errors, field_index, open_shard
from cloudops_nb.storage.engines.vector_store import (
    AnyOf,
    Below,
    Patch,
    Point,
    PointFilter,
    Scored,
    Sparse,
    StoredRow,
    VectorQuery,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import Condition, Value

#: Far above the number of distinct values that a facet can have here.
ALL_VALUES = 1_000_000
#: How the engine names a fault of its own; it refuses all further writes until the shard is opened anew.
_INTERNAL = "Service runtime error"


class EdgeCollection:
    """One collection in one shard directory, opened by this process alone.

    The engine's write-ahead log is on: an update that returned survives a crash of this process, and :meth:`flush`
    makes it survive a power cut. The caller serialises calls.
    """

    def __init__(self, path: Path, collection: Collection) -> None:
        self.collection = collection
        self.failed = False
        with engine_errors(f"the {collection.name} collection cannot be opened", opening=True):
            self._shard = open_shard(path, collection)
            self._create_missing_indexes()

    def upsert(self, points: Sequence[Point]) -> None:
        """Insert or replace points."""
        self._update(qdrant.UpdateOperation.upsert_points([_point(point) for point in points]))

    def patch(self, patches: Sequence[Patch]) -> list[str]:
        """Set payload fields on the points that exist; returns the ids of those that do not."""
        missing: list[str] = []
        for patch in patches:
            present = {row.id for row in self.retrieve(patch.ids, ())}
            missing += [point_id for point_id in patch.ids if point_id not in present]
            if present:
                self._update(qdrant.UpdateOperation.set_payload(list(present), dict(patch.payload)))
        return missing

    def delete(self, where: PointFilter) -> int:
        """Delete what passes the filter; returns how many points that were."""
        found = self.count(where)
        if found:
            self._update(qdrant.UpdateOperation.delete_points_by_filter(_filter(where) or qdrant.Filter()))
        return found

    def delete_ids(self, ids: Sequence[str]) -> int:
        """Delete points by id; returns how many there were."""
        found = len(self.retrieve(ids, ()))
        if found:
            self._update(qdrant.UpdateOperation.delete_points(list(ids)))
        return found

    def retrieve(self, ids: Sequence[str], fields: Sequence[str]) -> list[StoredRow]:
        """Fetch points by id."""
        with engine_errors("points cannot be read"):
            return [_row(record) for record in self._shard.retrieve(list(ids), _fields(fields), False)]  # noqa: FBT003 - the engine takes no keyword here

    def page(
        self, where: PointFilter, fields: Sequence[str], limit: int, after: str | None
    ) -> tuple[list[StoredRow], str | None]:
        """Fetch one page in the order of ids, and the id at which the next one starts."""
        request = qdrant.ScrollRequest(offset=after, limit=limit, filter=_filter(where), with_payload=_fields(fields))
        with engine_errors("points cannot be read"):
            records, following = self._shard.scroll(request)
        return [_row(record) for record in records], None if following is None else str(following)

    def points_page(self, where: PointFilter, limit: int, after: str | None) -> tuple[list[Point], str | None]:
        """Fetch one page of whole points in the order of ids, and the id at which the next one starts."""
        request = qdrant.ScrollRequest(
            offset=after, limit=limit, filter=_filter(where), with_payload=True, with_vector=True
        )
        with engine_errors("points cannot be read"):
            records, following = self._shard.scroll(request)
        return [_whole(record) for record in records], None if following is None else str(following)

    def newest(self, where: PointFilter, fields: Sequence[str], order: str, limit: int) -> list[StoredRow]:
        """Fetch the points with the highest values of a numeric field, highest first."""
        request = qdrant.ScrollRequest(
            limit=limit,
            filter=_filter(where),
            with_payload=_fields(fields),
            order_by=qdrant.OrderBy(order, qdrant.Direction.Desc),
        )
        with engine_errors("points cannot be read"):
            return [_row(record) for record in self._shard.scroll(request)[0]]

    def query(self, queries: Sequence[VectorQuery]) -> list[list[Scored]]:
        """Run several queries, one after the other: for a handful, ``query_batch`` takes twice as long."""
        with engine_errors("a search failed"):
            answers = [self._shard.query(_query(query)) for query in queries]
        return [[Scored(str(point.id), point.score) for point in answer] for answer in answers]

    def count(self, where: PointFilter) -> int:
        """Count exactly."""
        with engine_errors("points cannot be counted"):
            return int(self._shard.count(qdrant.CountRequest(exact=True, filter=_filter(where))))

    def facet(self, key: str, where: PointFilter) -> dict[Value, int]:
        """Count points by the values of a keyword or lookup field."""
        request = qdrant.FacetRequest(key, limit=ALL_VALUES, exact=True, filter=_filter(where))
        with engine_errors("points cannot be counted"):
            return {hit.value: int(hit.count) for hit in self._shard.facet(request)}

    def values(self, key: str) -> list[Value]:
        """Return the values of a field, as its index has them: a hundredth of the time that counting takes."""
        with engine_errors("values cannot be listed"):
            return [hit.value for hit in self._shard.facet(qdrant.FacetRequest(key, limit=ALL_VALUES, exact=False))]

    def flush(self) -> None:
        """Sync everything to disk."""
        with engine_errors("the store cannot be synced to disk"):
            self._shard.flush()

    def close(self) -> None:
        """Sync and close; closed it is in any case."""
        try:
            self.flush()
        finally:
            with engine_errors("the store cannot be closed"):
                self._shard.close()

    def _update(self, operation: qdrant.UpdateOperation) -> None:
        try:
            with engine_errors("a write failed"):
                self._shard.update(operation)
        except StorageError as error:
            self.failed = self.failed or _INTERNAL in error.why
            raise

    def _create_missing_indexes(self) -> None:
        present = self._shard.info().payload_schema
        for name, kind in self.collection.indexes.items():
            if name not in present:
                self._shard.update(qdrant.UpdateOperation.create_field_index(name, field_index(kind)))


def _point(point: Point) -> qdrant.Point:
    vectors: dict[str, Any] = {DENSE: array("f", point.dense)}
    if point.sparse is not None:
        vectors[SPARSE] = qdrant.SparseVector(*point.sparse.unpack())
    return qdrant.Point(point.id, vectors, dict(point.payload))


def _query(query: VectorQuery) -> qdrant.QueryRequest:
    if query.vector is None:
        return qdrant.QueryRequest(query.limit, filter=_filter(query.where))
    if isinstance(query.vector, Sparse):
        nearest = qdrant.Query.Nearest(qdrant.SparseVector(*query.vector.unpack()), SPARSE)
    else:
        nearest = qdrant.Query.Nearest(array("f", query.vector).tolist(), DENSE)
    return qdrant.QueryRequest(query.limit, query=nearest, filter=_filter(query.where))


def _filter(where: PointFilter) -> qdrant.Filter | None:
    if not where.must and not where.must_not:
        return None
    return qdrant.Filter(
        must=[_condition(condition) for condition in where.must],
        must_not=[_condition(condition) for condition in where.must_not],
    )


def _condition(condition: Condition) -> qdrant.FieldCondition:
    match condition:
        case AnyOf(name, values):
            return qdrant.FieldCondition(name, match=qdrant.MatchAny(list(values)))  # type: ignore[arg-type]  # all texts, or all numbers
        case Below(name, value):
            return qdrant.FieldCondition(name, range=qdrant.RangeFloat(lt=value))


def _fields(fields: Sequence[str]) -> bool | qdrant.PayloadSelector:
    return qdrant.PayloadSelector.Include(list(fields)) if fields else False


def _row(record: qdrant.Record) -> StoredRow:
    return StoredRow(str(record.id), record.payload or {})


def _whole(record: qdrant.Record) -> Point:
    vectors: Any = record.vector  # the engine's type leaves open that a point has one unnamed vector
    sparse = vectors.get(SPARSE)
    packed = sparse and Sparse(array("I", sparse.indices).tobytes(), array("f", sparse.values).tobytes())
    return Point(str(record.id), record.payload or {}, array("f", vectors[DENSE]).tobytes(), packed)
