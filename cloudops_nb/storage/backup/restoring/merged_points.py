"""Merges a snapshot into a collection: no live point is lost, and of a point's two versions, the newer one is kept.

Points that were deleted after the snapshot come back. In the estate, the next scan of their account, region and
resource type removes them again. If two messages of a conversation have the same number, both are kept, and the
messages of the conversation are renumbered in the order of their times.
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
_VERSION_TIMES: Final = {AWS_ESTATE.name: "seen", CHAT_HISTORY.name: "at"}
_MESSAGES = PointFilter([AnyOf("kind", ["message"])])


def merged_points(collection: str, live: Iterable[Point], restored: Iterable[Point]) -> Iterator[Point]:
    """Yield the live points, then the restored points that are newer than the live version or have no live version."""
    field = _VERSION_TIMES[collection]
    live_times: dict[str, float] = {}
    for point in live:
        live_times[point.id] = float(point.payload.get(field, 0.0))
        yield point
    for point in restored:
        live_time = live_times.get(point.id)
        if live_time is None or float(point.payload.get(field, 0.0)) > live_time:
            yield point


def renumber_messages(store: VectorStore, collection: str) -> None:
    """Renumber the messages of each conversation in which two messages have the same number, in the order of time."""
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
