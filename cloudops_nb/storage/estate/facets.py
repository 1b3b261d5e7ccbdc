"""Counting by field values: the engine counts blind values, and a sample row of each tells what it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.schema import AWS_ESTATE, BLIND_FIELDS
from cloudops_nb.storage.engines.vector_store import AnyOf, PointFilter
from cloudops_nb.storage.estate.description import traits_of
from cloudops_nb.storage.estate.points import SEALED_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.estate.points import EstatePoints

#: The fields that can be counted by, on top of those with one value each.
LIST_FIELDS = ("tags", "tag_keys", "traits")


class EstateFacets:
    """Counts rows by the values of a field; remembers in this process only what blind values stand for.

    Safe to share between threads.
    """

    def __init__(self, store: VectorStore, points: EstatePoints) -> None:
        self._store = store
        self._points = points
        self._meaning: dict[tuple[str, str], str] = {}
        self._answers: dict[str, tuple[int, list[str]]] = {}

    def count(self, field: str, where: PointFilter) -> dict[str, int]:
        """Return each value of the field with its number of rows, the most frequent first.

        Raises:
            StorageError: There is no such field to count by.
        """
        if field not in (*BLIND_FIELDS, *LIST_FIELDS):
            raise StorageError(f"the estate cannot be counted by {field}", f"the fields are {', '.join(BLIND_FIELDS)}")
        counted = self._store.facet(AWS_ESTATE.name, field, where)
        known = ((self._meaning_of(field, blind), count) for blind, count in counted.items())
        return dict(sorted(((value, count) for value, count in known if value), key=lambda pair: (-pair[1], pair[0])))

    def values(self, generation: int, *fields: str) -> list[str]:
        """Return the values that the fields have; asks the engine only at the first call with a generation."""
        return [value for field in fields for value in self._values_at(generation, field)]

    def _values_at(self, generation: int, field: str) -> Sequence[str]:
        answer = self._answers.get(field)
        if answer is None or answer[0] != generation:
            blind_values = self._store.values(AWS_ESTATE.name, field)
            known = sorted(filter(None, (self._meaning_of(field, blind) for blind in blind_values)))
            answer = self._answers[field] = (generation, known)
        return answer[1]

    def _meaning_of(self, field: str, blind: str) -> str:
        """Return what a blind value stands for; empty if its last row went away meanwhile."""
        if (field, blind) not in self._meaning:
            where = PointFilter(must=[AnyOf(field, [blind])])
            for row in self._store.rows(AWS_ESTATE.name, where, SEALED_FIELDS, limit=1):
                for value in _values(self._points.resource(row), field):
                    self._meaning[field, self._points.blind(field, value)] = value
        return self._meaning.get((field, blind), "")


def _values(resource: Resource, field: str) -> Sequence[str]:
    match field:
        case "tags":
            return [f"{key}={value}" for key, value in resource.tags.items()]
        case "tag_keys":
            return list(resource.tags)
        case "traits":
            return traits_of(resource)
        case _:
            return [str(getattr(resource, field))]
