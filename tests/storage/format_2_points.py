"""The estate's points as formats 2 and 3 had them.

Format 2 has one field for each kind of value, and a text for each blind value; format 3 has numbers in two lists.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.encryption.sealed_data import authenticated
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Point
from cloudops_nb.storage.estate.description import traits_of
from cloudops_nb.storage.estate.lexicon import folded
from cloudops_nb.storage.opening.numbered_points import numbered_point
from cloudops_nb.storage.opening.staged_copy import row_of

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


def write_as_format_3(storage: StorageService, scan_id: str) -> None:
    """Give each point of the estate the payload that format 3 gave it."""
    write_as_format_2(storage, scan_id)
    store = storage.vector_store
    store.upsert(AWS_ESTATE.name, [numbered_point(point) for point in store.points(AWS_ESTATE.name)])


def _older(storage: StorageService, point: Point, scan_id: str) -> Point:
    resource = storage.estate._points.resource(point)  # type: ignore[arg-type]  # a point has what a row has
    kept = {name: value for name, value in point.payload.items() if name not in ("groups", "marks")}
    envelope = storage.vault.envelope
    content = authenticated(envelope, row_of(point), AWS_ESTATE)
    # In format 2 and 3 an envelope was bound to nothing but its point.
    sealed = envelope.seal(content, collection=AWS_ESTATE.name, point_id=point.id)
    payload = {
        **kept,
        **_texts(storage, resource),
        "scan": storage.vault.blind_index.blind("scan", scan_id),
        "data": base64.b64encode(sealed).decode(),
    }
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
