"""Merges a snapshot into a collection: no live point is lost, and of two versions the newer one stays.

Points deleted since the snapshot come back; in the estate, the next scan of the resource's cell removes them again. Two
messages with the same number in a conversation both stay, and the conversation is renumbered by the messages' times.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import AnyOf, Patch, PointFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.storage.engines.vector_store import Point, VectorStore

#: The payload field with the time of a point's version. A message has only one version.
_AGES: Final = {AWS_ESTATE.name: "seen", CHAT_HISTORY.name: "at"}
_MESSAGES = PointFilter([AnyOf("kind", ["message"])])


def merged_points(collection: str, live: Iterable[Point], restored: Iterable[Point]) -> Iterator[Point]:
    """Yield the live points, then the restored points that are missing among them or newer."""
    field = _AGES[collection]
    ages: dict[str, float] = {}
    for point in live:
        ages[point.id] = float(point.payload.get(field, 0.0))
        yield point
    for point in restored:
        age = ages.get(point.id)
        if age is None or float(point.payload.get(field, 0.0)) > age:
            yield point


def renumber_messages(store: VectorStore, collection: str) -> None:
    """Renumber the messages of each conversation with a duplicate number, by time."""
    conversations: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    for row in store.rows(collection, _MESSAGES, ("context", "index", "at")):
        conversations[row.payload["context"]].append((row.payload["at"], row.payload["index"], row.id))
    patches: list[Patch] = []
    for messages in conversations.values():
        if len({index for _, index, _ in messages}) < len(messages):
            ordered = sorted(messages)
            patches += [
                Patch([point_id], {"index": number})
                for number, (_, index, point_id) in enumerate(ordered)
                if index != number
            ]
    if patches:
        store.patch(collection, patches)
