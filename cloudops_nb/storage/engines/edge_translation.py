"""Translates points, filters and queries into Qdrant Edge's types, and its records into rows and points."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import qdrant_edge as qdrant

from cloudops_nb.errors import StoreCorruptedError
from cloudops_nb.storage.engines.edge_shard import DENSE, SPARSE
from cloudops_nb.storage.engines.vector_store import AnyOf, Below, Point, Sparse, StoredRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.storage.engines.vector_store import Condition, PointFilter, VectorQuery


def edge_point(point: Point) -> qdrant.Point:
    """Translate a point."""
    vectors: dict[str, Any] = {DENSE: array("f", point.dense)}
    if point.sparse is not None:
        vectors[SPARSE] = qdrant.SparseVector(*point.sparse.unpack())
    return qdrant.Point(point.id, vectors, dict(point.payload))


def edge_query(query: VectorQuery) -> qdrant.QueryRequest:
    """Translate a query."""
    if query.vector is None:
        return qdrant.QueryRequest(query.limit, filter=edge_filter(query.where))
    if isinstance(query.vector, Sparse):
        nearest = qdrant.Query.Nearest(qdrant.SparseVector(*query.vector.unpack()), SPARSE)
    else:
        nearest = qdrant.Query.Nearest(array("f", query.vector).tolist(), DENSE)
    return qdrant.QueryRequest(query.limit, query=nearest, filter=edge_filter(query.where))


def edge_filter(where: PointFilter) -> qdrant.Filter | None:
    """Translate a filter; an empty one becomes ``None``, which matches every point."""
    if not where.must and not where.must_not:
        return None
    return qdrant.Filter(
        must=[edge_condition(condition) for condition in where.must],
        must_not=[edge_condition(condition) for condition in where.must_not],
    )


def edge_condition(condition: Condition) -> qdrant.FieldCondition:
    """Translate a condition."""
    match condition:
        case AnyOf(name, values):
            return qdrant.FieldCondition(name, match=qdrant.MatchAny(list(values)))  # type: ignore[arg-type]  # all texts, or all numbers
        case Below(name, value):
            return qdrant.FieldCondition(name, range=qdrant.RangeFloat(lt=value))


def payload_selector(fields: Sequence[str]) -> bool | qdrant.PayloadSelector:
    """Select these fields of the payload; without fields, none."""
    return qdrant.PayloadSelector.Include(list(fields)) if fields else False


def row_of(record: qdrant.Record) -> StoredRow:
    """Return the row of a record."""
    return StoredRow(str(record.id), record.payload or {})


def point_of(record: qdrant.Record) -> Point:
    """Return the point of a record.

    Raises:
        StoreCorruptedError: The dense vector is missing.
    """
    vectors: Any = record.vector or {}  # the declared type also allows a single unnamed vector
    if DENSE not in vectors:
        raise StoreCorruptedError("points cannot be read", f"the vector of point {record.id} is missing")
    return Point(str(record.id), record.payload or {}, array("f", vectors[DENSE]).tobytes(), sparse_of(vectors))


def sparse_of(vectors: Mapping[str, Any]) -> Sparse | None:
    """Return the sparse vector among the vectors of a record; ``None`` if it has none."""
    sparse = vectors.get(SPARSE)
    return sparse and Sparse(array("I", sparse.indices).tobytes(), array("f", sparse.values).tobytes())
