"""Stages a changed copy of a collection next to the live one, which stays in use until the copy is complete."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.encryption.sealed_data import open_sealed
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, StoredRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cloudops_nb.storage.encryption.envelope import Envelope
    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import Point, VectorStore

BATCH = 256


def stage_copy(
    store: VectorStore,
    collection: Collection,
    change: Callable[[Sequence[Point]], Sequence[Point]],
    envelope: Envelope,
) -> int:
    """Stage a copy of a collection with changed points, and decrypt every envelope in it as a check.

    The caller holds the store exclusively, and adopts or discards the copy.

    Args:
        store: The engine.
        collection: The collection to copy.
        change: Returns the new points for a batch of live points; it may omit some.
        envelope: Decrypts the envelopes of the new points.

    Returns:
        The number of staged points.

    Raises:
        StorageError: The copy does not have every point.
        DecryptionError: An envelope of a live or a new point does not decrypt.
    """
    staged = store.stage(collection.name)
    written = 0
    for batch in batches(store.points(collection.name)):
        points = change(batch)
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
    """Split points into lists of :data:`BATCH`."""
    left = iter(points)
    while batch := list(islice(left, BATCH)):
        yield batch


def row_of(point: Point) -> StoredRow:
    """Return a point as the row that a read of its payload gives."""
    return StoredRow(point.id, point.payload)
