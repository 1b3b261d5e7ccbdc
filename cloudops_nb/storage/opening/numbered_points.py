"""Converts the estate's points from format 2, with a text per blind value, to format 3, with numbers.

A number is computed from the blind value alone, so this needs no key.
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

#: The first store format whose points have numbers.
NUMBERED_FORMAT: Final = 3


def numbered_point(point: Point) -> Point:
    """Return a point of format 2 in format 3."""
    kept = {name: value for name, value in point.payload.items() if name not in (*GROUPED, *MARKED)}
    lists = {GROUPS: _numbers(point.payload, GROUPED), MARKS: _numbers(point.payload, MARKED)}
    return replace(point, payload={**kept, **lists, "scan": numbered("scan", str(point.payload["scan"]))})


def stage_numbered_estate(store: VectorStore) -> None:
    """Stage the estate in format 3; the caller holds the store exclusively, and adopts or discards the stage.

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
        raise StorageError("the estate cannot be upgraded", f"{found} of {written} points are in the copy")


def _numbers(payload: Mapping[str, Any], fields: Sequence[str]) -> list[int]:
    found = []
    for field in fields:
        values = payload.get(field, [])
        found += [numbered(field, value) for value in ([values] if isinstance(values, str) else values)]
    return found
