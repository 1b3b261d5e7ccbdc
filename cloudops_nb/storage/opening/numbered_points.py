"""Converts the estate's points (the AWS resources that scans found) from store format 2 to format 3.

A point holds keyed hashes of its fields' values, called blind values. In format 2 a blind value is a text; in format 3
it is a number. The number is computed from the text alone, so the conversion needs no key.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.estate.fields import GROUPED, GROUPS, MARKED, MARKS, numbered
from cloudops_nb.storage.opening.staged_copy import batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.storage.engines.vector_store import Point, VectorStore

#: The first store format in which blind values are numbers.
NUMBERED_FORMAT: Final = 3


def numbered_point(point: Point) -> Point:
    """Convert a point from format 2 to format 3: its blind values become numbers, most of them in two lists."""
    kept = {name: value for name, value in point.payload.items() if name not in (*GROUPED, *MARKED)}
    lists = {GROUPS: _numbers(point.payload, GROUPED), MARKS: _numbers(point.payload, MARKED)}
    return replace(point, payload={**kept, **lists, "scan": numbered("scan", str(point.payload["scan"]))})


def stage_numbered_estate(store: VectorStore) -> None:
    """Copy the estate to a staged collection (the live one's successor) in format 3; the live one does not change.

    The caller holds the store exclusively, and then either makes the staged collection live or discards it.

    Raises:
        StorageError: The staged collection does not have every point.
    """
    staged = store.stage(AWS_ESTATE.name)
    written = 0
    for batch in batches(store.points(AWS_ESTATE.name)):
        store.upsert(staged, [numbered_point(point) for point in batch])
        written += len(batch)
    found = store.count(staged, EVERY_POINT)
    if found != written:
        why = f"{found} of {written} points are in the copy"
        raise StorageError("the estate cannot be upgraded", why, "The store is unchanged; try again.")


def _numbers(payload: Mapping[str, Any], fields: Sequence[str]) -> list[int]:
    numbers = []
    for field in fields:
        values = payload.get(field, [])
        numbers += [numbered(field, value) for value in ([values] if isinstance(values, str) else values)]
    return numbers
