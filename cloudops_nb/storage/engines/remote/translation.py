"""Translates points, filters and queries into ``qdrant-client``'s models, and its records into rows and points."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from qdrant_client import models

from cloudops_nb.storage.engines.vector_store import AnyOf, Below, Point, Sparse, StoredRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.storage.engines.vector_store import Condition, PointFilter, VectorQuery

DENSE = "dense"
SPARSE = "lexical"


def filter_of(where: PointFilter) -> models.Filter:
    """Translate a filter; before and after the translation, an empty filter matches every point."""
    return models.Filter(
        must=[condition_of(condition) for condition in where.must] or None,
        must_not=[condition_of(condition) for condition in where.must_not] or None,
    )


def condition_of(condition: Condition) -> models.FieldCondition:
    """Translate a condition."""
    match condition:
        case AnyOf(name, values):
            return models.FieldCondition(key=name, match=models.MatchAny(any=list(values)))
        case Below(name, value):
            return models.FieldCondition(key=name, range=models.Range(lt=value))


def with_ids(ids: Sequence[str]) -> models.Filter:
    """Return a filter that matches points by id; unlike a list of ids, it does not fail if a point is missing."""
    return models.Filter(must=[models.HasIdCondition(has_id=list(ids))])


def point_of(point: Point) -> models.PointStruct:
    """Translate a point to write."""
    vectors: dict[str, Any] = {DENSE: array("f", point.dense).tolist()}
    if point.sparse is not None:
        vectors[SPARSE] = _sparse(point.sparse)
    return models.PointStruct(id=point.id, vector=vectors, payload=dict(point.payload))


def query_of(query: VectorQuery) -> models.QueryRequest:
    """Translate a query; the server returns its hits without payload and vectors."""
    nearest, using = _nearest(query.vector)
    return models.QueryRequest(
        query=nearest,
        using=using,
        filter=filter_of(query.where),
        limit=query.limit,
        with_payload=False,
        with_vector=False,
    )


def fields_of(fields: Sequence[str]) -> bool | models.PayloadSelectorInclude:
    """Translate the names of the payload fields to fetch; an empty list fetches no payload."""
    return models.PayloadSelectorInclude(include=list(fields)) if fields else False


def row_of(record: models.Record) -> StoredRow:
    """Translate a record's id and payload into a row."""
    return StoredRow(str(record.id), record.payload or {})


def whole_point_of(record: models.Record) -> Point:
    """Translate a record with all vectors into a point."""
    vectors: Any = record.vector  # the declared type also allows a single unnamed vector
    sparse = vectors.get(SPARSE)
    packed = None
    if sparse is not None:
        packed = Sparse(array("I", sparse.indices).tobytes(), array("f", sparse.values).tobytes())
    return Point(str(record.id), record.payload or {}, array("f", vectors[DENSE]).tobytes(), packed)


def _nearest(vector: bytes | Sparse | None) -> tuple[models.NearestQuery | None, str | None]:
    """Translate a query's vector; also return the name of the vector that it is compared with in each point."""
    match vector:
        case None:
            return None, None
        case Sparse():
            return models.NearestQuery(nearest=_sparse(vector)), SPARSE
        case _:
            return models.NearestQuery(nearest=array("f", vector).tolist()), DENSE


def _sparse(vector: Sparse) -> models.SparseVector:
    indices, values = vector.unpack()
    return models.SparseVector(indices=indices, values=values)
