"""Points of the estate and of conversations as they are under another master key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cloudops_nb.storage.chat import conversation_blind, conversation_point
from cloudops_nb.storage.encryption.sealed_data import open_sealed, packed, seal
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import Point
from cloudops_nb.storage.estate.description import wording_of
from cloudops_nb.storage.estate.fields import numbered
from cloudops_nb.storage.estate.points import EstatePoints
from cloudops_nb.storage.estate.terms import EstateTerms
from cloudops_nb.storage.opening.staged_copy import row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.estate.description import Wording
    from cloudops_nb.storage.vault import Vault

#: The hashes of a point that was made with another model or description; the next scan makes it anew.
_OUTDATED = {"content": "", "searchable": ""}


class RekeyedEstate:
    """Makes the estate's points of one vault those of another: ids, blind values, sparse dimensions and envelopes.

    Dense vectors are turned from the old rotation to the new one, so nothing is embedded again; what a point says of
    when and by which scan its resource was seen is kept.

    Args:
        old: The vault that the points were made with.
        new: The vault that they shall open with.
        model_id: Returns the id of the embedding model.
    """

    def __init__(self, old: Vault, new: Vault, model_id: Callable[[], str]) -> None:
        self._old, self._new = old, new
        self._old_points, self._points = EstatePoints(old), EstatePoints(new)
        self._terms = EstateTerms(new.blind_index)
        self._model_id = model_id

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        """Make the new points of a batch."""
        return [self._point(point, dense) for point, dense in zip(points, self._turned(points), strict=True)]

    def _turned(self, points: Sequence[Point]) -> list[bytes]:
        vectors = np.frombuffer(b"".join(point.dense for point in points), dtype=np.float32)
        plain = self._old.rotation.undo(vectors.reshape(len(points), AWS_ESTATE.dimension))
        return [row.tobytes() for row in np.ascontiguousarray(self._new.rotation.apply(plain))]

    def _point(self, point: Point, dense: bytes) -> Point:
        row = row_of(point)
        content = packed(open_sealed(self._old.envelope, row, AWS_ESTATE))
        resource = self._old_points.resource(row)
        wording = wording_of(resource)
        point_id = self._points.point_id(resource)
        payload = {
            **point.payload,
            **self._points.payload(resource, content, wording.traits, point_id),
            **self._hashes(resource, wording, point.payload),
            # Which rows one scan brought stays known, although no name of a scan stands in them.
            "scan": numbered("scan", self._new.blind_index.blind("scan", str(point.payload["scan"]))),
        }
        return Point(point_id, payload, dense, self._terms.of(resource, wording))

    def _hashes(self, resource: Resource, wording: Wording, payload: Mapping[str, Any]) -> Mapping[str, str]:
        content, model_id = self._old_points.content(resource), self._model_id()
        before = self._old_points.hashes(resource, content, wording, model_id)
        if any(payload.get(name) != value for name, value in before.items()):
            return _OUTDATED
        return self._points.hashes(resource, content, wording, model_id)


class RekeyedChat:
    """Makes the points of conversations of one vault those of another; numbers, times and messages' ids stay."""

    def __init__(self, old: Vault, new: Vault) -> None:
        self._old, self._new = old, new

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        """Make the new points of a batch."""
        return [self._point(point) for point in points]

    def _point(self, point: Point) -> Point:
        kept = open_sealed(self._old.envelope, row_of(point), CHAT_HISTORY)
        message = point.payload["kind"] == "message"
        name = kept["conversation"] if message else kept["name"]
        point_id = point.id if message else conversation_point(self._new.blind_index, name)
        payload = {
            **point.payload,
            "context": conversation_blind(self._new.blind_index, name),
            "data": seal(self._new.envelope, kept, CHAT_HISTORY, point_id),
        }
        return replace(point, id=point_id, payload=payload)
