"""Writing every point of a collection anew, beside the live one, which serves until the new one is whole."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.encryption.sealed import open_sealed
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, StoredRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cloudops_nb.storage.encryption.envelope import Envelope
    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import Point, VectorStore

BATCH = 256


def rebuild(
    store: VectorStore,
    collection: Collection,
    turned: Callable[[Sequence[Point]], Sequence[Point]],
    envelope: Envelope,
) -> int:
    """Stage a collection that holds what ``turned`` makes of each batch of points, and check every envelope in it.

    The caller is alone with the store, and adopts or discards what was staged.

    Args:
        store: The store.
        collection: The collection to write anew.
        turned: Makes new points of a batch of live ones; it may leave some out.
        envelope: Opens the envelopes of the new points.

    Returns:
        The number of points that were staged.

    Raises:
        StorageError: Points were lost on the way.
        DecryptionError: An envelope does not open, before or after.
    """
    staged = store.stage(collection.name)
    written = 0
    for batch in batches(store.points(collection.name)):
        points = turned(batch)
        store.upsert(staged, points)
        written += len(points)
    readable = 0
    for row in store.rows(staged, EVERY_POINT, ("data",)):
        open_sealed(envelope, row, collection)
        readable += 1
    if readable != written:
        raise StorageError(f"{collection.name} cannot be rebuilt", f"{readable} of {written} points are in the copy")
    return written


def batches(points: Iterable[Point]) -> Iterator[list[Point]]:
    """Cut points into lists of :data:`BATCH`."""
    left = iter(points)
    while batch := list(islice(left, BATCH)):
        yield batch


def row_of(point: Point) -> StoredRow:
    """Return a point's payload as the row that it would be fetched as."""
    return StoredRow(point.id, point.payload)
