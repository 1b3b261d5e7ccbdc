"""Rebuilds a damaged shard (the folder of one collection) from the points that the engine can still read.

A new shard also has a new write-ahead log and new indexes, so their damage ends with the old shard. An unreadable
point stays as an empty point with the same id: the store counts and skips it like every row that cannot be decrypted,
and the next scan writes a resource again.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.edge import EdgeCollection, unit_vector
from cloudops_nb.storage.engines.owner.staged_shards import adopt_rebuilt, rebuilt_folder, remove_rebuilt
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Point

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cloudops_nb.storage.engines.schema import Collection

_PAGE = 500
_log = logging.getLogger(__name__)


def unreadable_points(folder: Path, name: str) -> bool:
    """Return whether the engine cannot read some point of a closed shard.

    Raises:
        StorageError: The engine cannot open the shard, or cannot list its points.
    """
    source = EdgeCollection(folder / name, COLLECTIONS[name])
    try:
        return any(unreadable for ids in _pages(source) for unreadable in _read(source, ids)[1])
    finally:
        _close(source)


def rebuild_shard(folder: Path, name: str) -> None:
    """Replace a closed shard with a new one that has all its readable points.

    If the process is killed, the shard is still the old one, or the new one.

    Raises:
        StorageError: The engine cannot open the shard, list its points, or write the new shard; the shard is unchanged.
    """
    collection = COLLECTIONS[name]
    remove_rebuilt(folder, name)
    source = EdgeCollection(folder / name, collection)
    target = EdgeCollection(rebuilt_folder(folder, name), collection)
    kept = lost = 0
    try:
        for ids in _pages(source):
            points, unreadable = _read(source, ids)
            target.upsert([*points, *(_empty_point(point_id, collection) for point_id in unreadable)])
            kept, lost = kept + len(points), lost + len(unreadable)
    finally:
        _close(source)
        target.close()
    adopt_rebuilt(folder, name)
    _log.warning("%s was damaged and is rebuilt: %d points, and %d that cannot be read", name, kept, lost)


def _pages(source: EdgeCollection) -> Iterator[list[str]]:
    after = None
    while True:
        rows, after = source.page(EVERY_POINT, (), _PAGE, after)
        yield [row.id for row in rows]
        if after is None:
            return


def _read(source: EdgeCollection, ids: Sequence[str]) -> tuple[list[Point], list[str]]:
    """Return the points that can be read, and the ids of the others; halves a page until only they fail."""
    try:
        points = source.salvaged_points(ids)
    except StorageError:
        if len(ids) == 1:
            return [], list(ids)
        half = len(ids) // 2
        (first, lost), (second, also_lost) = _read(source, ids[:half]), _read(source, ids[half:])
        return first + second, lost + also_lost
    return points, []


def _empty_point(point_id: str, collection: Collection) -> Point:
    return Point(point_id, {}, unit_vector(collection).tobytes(), None)


def _close(source: EdgeCollection) -> None:
    with suppress(StorageError):  # the sync of a damaged shard may fail
        source.close()
