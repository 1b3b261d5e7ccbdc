"""Builds a changed copy of a live collection: its staged collection, which can then replace the live one."""

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
    envelope: Envelope | None = None,
) -> int:
    """Copy a collection, with changed points, to its staged collection.

    As a check, the staged points are counted and, with ``envelope``, their envelopes (the encrypted contents) are
    decrypted. The caller holds the store exclusively, and then either makes the staged collection live or discards it.

    Args:
        store: The vector store.
        collection: The collection to copy.
        change: Returns the new points for a batch of live points; it may leave out some points.
        envelope: Decrypts the envelopes of the new points; ``None`` if unreadable points are copied, too.

    Returns:
        The number of staged points.

    Raises:
        StorageError: Not every point arrived in the staged collection.
        DecryptionError: The envelope of a new point cannot be decrypted, or ``change`` raised this error.
    """
    staged = store.stage(collection.name)
    written = 0
    for batch in batches(store.points(collection.name)):
        points = change(batch)
        store.upsert(staged, points)
        written += len(points)
    found = _decrypted(store, staged, collection, envelope) if envelope else store.count(staged, EVERY_POINT)
    if found != written:
        why = f"{found} of {written} points are in the copy"
        raise StorageError(f"{collection.name} cannot be copied", why, "The store is unchanged; try again.")
    return written


def _decrypted(store: VectorStore, staged: str, collection: Collection, envelope: Envelope) -> int:
    """Decrypt every point of a staged collection; returns their number."""
    found = 0
    for row in store.rows(staged, EVERY_POINT, collection.sealed_fields):
        open_sealed(envelope, row, collection)
        found += 1
    return found


def batches(points: Iterable[Point]) -> Iterator[list[Point]]:
    """Split points into lists of at most :data:`BATCH` points."""
    remaining = iter(points)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def row_of(point: Point) -> StoredRow:
    """Return the row that the vector store would return for a point: its id and its payload."""
    return StoredRow(point.id, point.payload)
