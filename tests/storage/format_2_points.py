"""The estate's points as format 2 had them: one field for each kind of value, a text for each blind value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Point
from cloudops_nb.storage.estate.description import traits_of
from cloudops_nb.storage.estate.lexicon import folded

if TYPE_CHECKING:
    from cloudops_nb.model import Resource
    from cloudops_nb.storage.facade import StorageService

_SINGLE = ("account_id", "account_name", "region", "service", "resource_type", "state", "name", "identifier", "arn")


def write_as_format_2(storage: StorageService, scan_id: str) -> None:
    """Give each point of the estate the payload that format 2 gave it."""
    store = storage.vector_store
    points = list(store.points(AWS_ESTATE.name))
    store.delete_ids(AWS_ESTATE.name, [point.id for point in points])
    store.upsert(AWS_ESTATE.name, [_older(storage, point, scan_id) for point in points])


def _older(storage: StorageService, point: Point, scan_id: str) -> Point:
    resource = storage.estate._points.resource(point)  # type: ignore[arg-type]  # a point has what a row has
    kept = {name: value for name, value in point.payload.items() if name not in ("groups", "marks")}
    payload = {**kept, **_texts(storage, resource), "scan": storage.vault.blind_index.blind("scan", scan_id)}
    return Point(point.id, payload, point.dense, point.sparse)


def _texts(storage: StorageService, resource: Resource) -> dict[str, Any]:
    def blind(field: str, value: str) -> str:
        return storage.vault.blind_index.blind(field, folded(value))

    single = {name: getattr(resource, name) for name in _SINGLE}
    return {
        **{name: blind(name, value) if value else [] for name, value in single.items()},
        "tags": [blind("tags", f"{key}={value}") for key, value in resource.tags.items()],
        "tag_keys": [blind("tag_keys", key) for key in resource.tags],
        "traits": [blind("traits", trait) for trait in traits_of(resource)],
        "cell": storage.vault.blind_index.blind("cell", str(resource.cell)),
    }
