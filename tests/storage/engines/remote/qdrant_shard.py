"""A collection of the stand-in server: Qdrant's own engine, asked with what was parsed from REST requests.

What it does not know it refuses, so that no test passes on a request which the stand-in only half understood.
"""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import qdrant_edge as edge
from qdrant_client import models

if TYPE_CHECKING:
    from pathlib import Path


_Kind = TypeVar("_Kind")


class RefusedError(Exception):
    """The server's answer to a request that it does not serve: a status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def known(value: object, kind: type[_Kind]) -> _Kind:
    """Return a part of a request if it is of the kind that the stand-in knows; refuse it otherwise."""
    if not isinstance(value, kind):
        raise RefusedError(400, f"the stand-in knows a {kind.__name__} here, not a {type(value).__name__}")
    return value


class ServedCollection:
    """One collection in one shard; calls take turns, as the engine's GIL would make them anyway."""

    def __init__(self, folder: Path, wanted: models.CreateCollection) -> None:
        fields = {"vectors", "sparse_vectors", "hnsw_config", "metadata"}
        if unknown := wanted.model_fields_set - fields:
            raise RefusedError(400, f"the stand-in does not know {sorted(unknown)} of a collection")
        self.wanted = wanted
        self.indexes: dict[str, str] = {}
        #: Integer indexes that know no order.
        self.lookups: set[str] = set()
        self._lock = threading.Lock()
        self._operation = 0
        hnsw = wanted.hnsw_config or models.HnswConfigDiff(m=16, ef_construct=100)
        self._folder = folder
        folder.mkdir(parents=True)
        self._shard = edge.EdgeShard.create(
            str(folder),
            edge.EdgeConfig(
                vectors={
                    name: edge.EdgeVectorParams(
                        params.size,
                        _same_name(edge.Distance, params.distance),
                        datatype=_same_name(edge.VectorStorageDatatype, params.datatype) if params.datatype else None,
                    )
                    for name, params in known(wanted.vectors, dict).items()
                },
                sparse_vectors={
                    name: edge.EdgeSparseVectorParams(modifier=_same_name(edge.Modifier, params.modifier))
                    for name, params in (wanted.sparse_vectors or {}).items()
                },
                hnsw_config=edge.HnswIndexConfig(
                    known(hnsw.m, int), known(hnsw.ef_construct, int), full_scan_threshold=10_000
                ),
            ),
        )

    def drop(self) -> None:
        with self._lock:
            self._shard.close()
            shutil.rmtree(self._folder)

    def info(self) -> dict[str, Any]:
        with self._lock:
            counted = self._shard.info()
        vectors = known(self.wanted.vectors, dict)
        parameters = {"vectors": _json(vectors), "sparse_vectors": _json(self.wanted.sparse_vectors)}
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": counted.points_count,
            "segments_count": counted.segments_count,
            "config": {
                "params": {name: value for name, value in parameters.items() if value},
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
                "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 5},
                "metadata": self.wanted.metadata,
            },
            "payload_schema": {name: {"data_type": kind, "points": 0} for name, kind in self.indexes.items()},
        }

    def index(self, field: str, kind: models.PayloadSchemaType | models.IntegerIndexParams) -> dict[str, Any]:
        if isinstance(kind, models.IntegerIndexParams):
            if (kind.lookup, kind.range) != (True, False):
                raise RefusedError(400, "the stand-in knows integer parameters for equality only")
            self.indexes[field] = kind.type.value
            self.lookups.add(field)
            parameters = edge.IntegerIndexParams(lookup=True, range=False)
            return self._update(edge.UpdateOperation.create_field_index(field, parameters))
        self.indexes[field] = kind.value
        return self._update(
            edge.UpdateOperation.create_field_index(field, _same_name(edge.PayloadSchemaType, kind)),
        )

    def upsert(self, points: models.PointsList) -> dict[str, Any]:
        if points.model_fields_set != {"points"}:
            raise RefusedError(400, "the stand-in knows plain upserts only")
        rows = [edge.Point(point.id, _vectors(known(point.vector, dict)), point.payload) for point in points.points]
        return self._update(edge.UpdateOperation.upsert_points(rows))

    def delete(self, selector: models.PointsSelector) -> dict[str, Any]:
        if isinstance(selector, models.PointIdsList):
            return self._update(edge.UpdateOperation.delete_points(selector.points))
        return self._update(edge.UpdateOperation.delete_points_by_filter(_filter(selector.filter) or edge.Filter()))

    def set_payload(self, wanted: models.SetPayload) -> dict[str, Any]:
        if wanted.model_fields_set != {"payload", "filter"}:
            raise RefusedError(400, "the stand-in sets payload by filter only")
        return self._update(
            edge.UpdateOperation.set_payload_by_filter(_filter(wanted.filter) or edge.Filter(), wanted.payload)
        )

    def retrieve(self, wanted: models.PointRequest) -> list[dict[str, Any]]:
        with self._lock:
            found = self._shard.retrieve(wanted.ids, _payload(wanted.with_payload), bool(wanted.with_vector))
        return [_record(record) for record in found]

    def scroll(self, wanted: models.ScrollRequest) -> dict[str, Any]:
        order = None
        if wanted.order_by is not None:
            order_by = known(wanted.order_by, models.OrderBy)
            key = order_by.key
            if self.indexes.get(key) not in ("integer", "float") or key in self.lookups:
                raise RefusedError(400, f"No range index for `order_by` key: `{key}`")
            order = edge.OrderBy(key, _same_name(edge.Direction, order_by.direction))
        request = edge.ScrollRequest(
            offset=wanted.offset,
            limit=wanted.limit,
            filter=_filter(wanted.filter),
            with_payload=_payload(wanted.with_payload),
            with_vector=bool(wanted.with_vector),
            order_by=order,
        )
        with self._lock:
            records, following = self._shard.scroll(request)
        return {"points": [_record(record) for record in records], "next_page_offset": following and str(following)}

    def count(self, wanted: models.CountRequest) -> dict[str, Any]:
        with self._lock:
            request = edge.CountRequest(exact=bool(wanted.exact), filter=_filter(wanted.filter))
            return {"count": self._shard.count(request)}

    def facet(self, wanted: models.FacetRequest) -> dict[str, Any]:
        if self.indexes.get(wanted.key) != "keyword" and wanted.key not in self.lookups:
            raise RefusedError(400, f"No appropriate index for faceting: `{wanted.key}`")
        request = edge.FacetRequest(
            wanted.key, limit=known(wanted.limit, int), exact=bool(wanted.exact), filter=_filter(wanted.filter)
        )
        with self._lock:
            return {"hits": [{"value": hit.value, "count": hit.count} for hit in self._shard.facet(request)]}

    def query(self, wanted: models.QueryRequest) -> dict[str, Any]:
        if wanted.with_payload or wanted.with_vector:
            raise RefusedError(400, "the stand-in answers queries without content only")
        nearest = None if wanted.query is None else _nearest(wanted.query, known(wanted.using, str))
        with self._lock:
            limit = known(wanted.limit, int)
            hits = self._shard.query(edge.QueryRequest(limit, query=nearest, filter=_filter(wanted.filter)))
        return {"points": [{"id": str(hit.id), "version": hit.version, "score": hit.score} for hit in hits]}

    def _update(self, operation: edge.UpdateOperation) -> dict[str, Any]:
        with self._lock:
            self._shard.update(operation)
            self._operation += 1
            return {"operation_id": self._operation, "status": "completed"}


def _same_name(kind: Any, value: Any) -> Any:
    return getattr(kind, value.name.capitalize())


def _json(parameters: dict[str, Any] | None) -> dict[str, Any]:
    return {name: params.model_dump(mode="json", exclude_none=True) for name, params in (parameters or {}).items()}


def _nearest(query: Any, using: str) -> edge.Query:
    if not isinstance(query, models.NearestQuery):
        raise RefusedError(400, "the stand-in answers nearest queries only")
    (vector,) = _vectors({using: query.nearest}).values()
    return edge.Query.Nearest(vector, using)


def _vectors(vectors: dict[str, Any]) -> dict[str, Any]:
    return {
        name: edge.SparseVector(vector.indices, vector.values) if isinstance(vector, models.SparseVector) else vector
        for name, vector in vectors.items()
    }


def _payload(wanted: Any) -> bool | edge.PayloadSelector:
    if isinstance(wanted, models.PayloadSelectorInclude):
        return edge.PayloadSelector.Include(wanted.include)
    return bool(wanted)


def _record(record: edge.Record) -> dict[str, Any]:
    vectors = {
        name: {"indices": vector.indices, "values": vector.values} if isinstance(vector, edge.SparseVector) else vector
        for name, vector in known(record.vector or {}, dict).items()
    }
    whole = {"id": str(record.id), "payload": record.payload}
    return {**whole, "vector": vectors} if record.vector else whole


def _filter(wanted: models.Filter | None) -> edge.Filter | None:
    if wanted is None or not any((wanted.must, wanted.must_not, wanted.should, wanted.min_should)):
        return None
    if wanted.min_should:
        raise RefusedError(400, "the stand-in does not know min_should")
    return edge.Filter(must=_all(wanted.must), must_not=_all(wanted.must_not), should=_all(wanted.should))


def _all(conditions: Any) -> list[Any] | None:
    return [_condition(condition) for condition in conditions] if conditions else None


def _condition(condition: Any) -> Any:
    match condition:
        case models.Filter():
            return _filter(condition)
        case models.HasIdCondition(has_id=ids):
            return edge.HasIdCondition(set(ids))
        case models.FieldCondition(match=models.MatchAny(any=values)):
            return edge.FieldCondition(condition.key, match=edge.MatchAny(values))
        case models.FieldCondition(match=models.MatchValue(value=value)):
            return edge.FieldCondition(condition.key, match=edge.MatchValue(value))
        case models.FieldCondition(match=None, range=models.Range(lt=below, gt=None, lte=None, gte=None)):
            return edge.FieldCondition(condition.key, range=edge.RangeFloat(lt=below))
    raise RefusedError(400, f"the stand-in does not know the condition {type(condition).__name__}")
