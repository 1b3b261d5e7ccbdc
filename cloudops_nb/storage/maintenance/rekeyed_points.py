"""Converts the points of the estate and of conversations to a new master key."""

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

#: The hashes for a point that was made with a different embedding model or description version. An empty text equals no
#: hash, so the next scan writes the point again.
_OUTDATED = {"content": "", "searchable": ""}


class RekeyedEstate:
    """Converts the estate's points from one vault (a store's keys) to another: ids, blind values, vectors, envelopes.

    The rotation of dense vectors by the old key is undone, and the vectors are rotated by the new key, so no text is
    embedded again. The times of a point do not change.

    Args:
        old: The vault that the points were made with.
        new: The vault for the new points.
        model_id: Returns the id of the embedding model.
    """

    def __init__(self, old: Vault, new: Vault, model_id: Callable[[], str]) -> None:
        self._old, self._new = old, new
        self._old_points, self._points = EstatePoints(old), EstatePoints(new)
        self._terms = EstateTerms(new.blind_index)
        self._model_id = model_id

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        """Return the new points for a batch."""
        return [
            self._new_point(point, dense) for point, dense in zip(points, self._rotated_vectors(points), strict=True)
        ]

    def _rotated_vectors(self, points: Sequence[Point]) -> list[bytes]:
        vectors = np.frombuffer(b"".join(point.dense for point in points), dtype=np.float32)
        plain = self._old.rotation.undo(vectors.reshape(len(points), AWS_ESTATE.dimension))
        return [row.tobytes() for row in np.ascontiguousarray(self._new.rotation.apply(plain))]

    def _new_point(self, point: Point, dense: bytes) -> Point:
        row = row_of(point)
        content = packed(open_sealed(self._old.envelope, row, AWS_ESTATE))
        resource = self._old_points.resource(row)
        wording = wording_of(resource)
        point_id = self._points.point_id(resource)
        hashes = self._new_hashes(resource, wording, point.payload)
        payload = {
            **point.payload,
            **self._points.payload(resource, content, wording.traits, point_id, hashes),
            # The scan's id is not stored, so compute the new blind value from the old one. Points of one scan still
            # have the same value.
            "scan": numbered("scan", self._new.blind_index.blind("scan", str(point.payload["scan"]))),
        }
        return Point(point_id, payload, dense, self._terms.of(resource, wording))

    def _new_hashes(self, resource: Resource, wording: Wording, payload: Mapping[str, Any]) -> Mapping[str, str]:
        content, model_id = self._old_points.content(resource), self._model_id()
        expected = self._old_points.hashes(resource, content, wording, model_id)
        if any(payload.get(name) != value for name, value in expected.items()):
            return _OUTDATED
        return self._points.hashes(resource, content, wording, model_id)


class RekeyedChat:
    """Converts conversations from one vault (a store's keys) to another.

    Message numbers, message ids and times do not change.
    """

    def __init__(self, old: Vault, new: Vault) -> None:
        self._old, self._new = old, new

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        """Return the new points for a batch."""
        return [self._new_point(point) for point in points]

    def _new_point(self, point: Point) -> Point:
        content = open_sealed(self._old.envelope, row_of(point), CHAT_HISTORY)
        is_message = point.payload["kind"] == "message"
        name = content["conversation"] if is_message else content["name"]
        point_id = point.id if is_message else conversation_point(self._new.blind_index, name)
        payload = {**point.payload, "context": conversation_blind(self._new.blind_index, name)}
        payload["data"] = seal(self._new.envelope, content, CHAT_HISTORY, point_id, payload)
        return replace(point, id=point_id, payload=payload)
