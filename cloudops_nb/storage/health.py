"""The health of the store, in one look."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, TypedDict

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.schema import COLLECTIONS
from cloudops_nb.storage.vector_store import PointFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from cloudops_nb.storage.vector_store import VectorStore

#: Below this much free disk there is a warning.
LEAST_FREE_BYTES = 1_000_000_000


class CollectionHealth(TypedDict):
    """A collection's state, ``ok`` or the error in one line, and its number of points, ``None`` if not known."""

    status: str
    points: int | None


class Health(TypedDict):
    """What a look at the store showed; ``newest_backup`` is ``None`` where none is known."""

    reachable: bool
    collections: dict[str, CollectionHealth]
    free_bytes: int
    newest_backup: datetime | None
    warnings: list[str]


def check_health(store: VectorStore, data_path: Path, newest_backup: datetime | None = None) -> Health:
    """Look at every collection and at the disk; an error of the store is reported, not raised."""
    collections = {name: _collection(store, name) for name in COLLECTIONS}
    free = shutil.disk_usage(data_path).free
    return Health(
        reachable=any(health["points"] is not None for health in collections.values()),
        collections=collections,
        free_bytes=free,
        newest_backup=newest_backup,
        warnings=list(_warnings(collections, free, newest_backup)),
    )


def _collection(store: VectorStore, name: str) -> CollectionHealth:
    try:
        return CollectionHealth(status="ok", points=store.count(name, PointFilter()))
    except StorageError as error:
        return CollectionHealth(status=str(error), points=None)


def _warnings(collections: Mapping[str, CollectionHealth], free: int, newest_backup: datetime | None) -> Iterator[str]:
    for name, health in collections.items():
        if health["points"] is None:
            yield f"{name}: {health['status']}"
    if free < LEAST_FREE_BYTES:
        yield f"only {free // 1_000_000} MB are free on the store's disk"
    if newest_backup is None:
        yield "there is no backup"
