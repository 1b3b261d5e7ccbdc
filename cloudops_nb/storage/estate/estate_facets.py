"""Counts resources by field values: the engine counts blind values, and a sample row of each reveals the real value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import AnyOf, PointFilter
from cloudops_nb.storage.estate.description import traits_of
from cloudops_nb.storage.estate.fields import GROUPED, MARKED, field_of, list_of
from cloudops_nb.storage.estate.lexicon import lexicon
from cloudops_nb.storage.estate.points import SEALED_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.engines.vector_store import Value, VectorStore
    from cloudops_nb.storage.estate.points import EstatePoints

#: The fields whose values can be counted.
COUNTED_FIELDS = tuple(field for field in (*GROUPED, *MARKED) if field != "cell")


class EstateFacets:
    """Counts rows by the values of a field; safe to share between threads.

    The real values of blind values are remembered in this process only.
    """

    def __init__(self, store: VectorStore, points: EstatePoints) -> None:
        self._store = store
        self._points = points
        self._meaning: dict[Value, str] = {}
        self._answers: dict[str, tuple[int, list[str]]] = {}

    def count(self, field: str, where: PointFilter) -> dict[str, int]:
        """Return each value of the field with its number of rows, the most frequent first.

        Raises:
            StorageError: The field cannot be counted.
        """
        if field not in COUNTED_FIELDS:
            why = f"the fields are {', '.join(COUNTED_FIELDS)}"
            raise StorageError(f"the estate cannot be counted by {field}", why)
        counted = self._store.facet(AWS_ESTATE.name, list_of(field), where)
        known = ((self._meaning_of(field, number), count) for number, count in counted.items() if _is_of(field, number))
        return dict(sorted(((value, count) for value, count in known if value), key=lambda pair: (-pair[1], pair[0])))

    def values(self, generation: int, *fields: str) -> list[str]:
        """Return the values of the fields; asks the engine once per generation."""
        return [value for field in fields for value in self._values_at(generation, field)]

    def _values_at(self, generation: int, field: str) -> Sequence[str]:
        answer = self._answers.get(field)
        if answer is None or answer[0] != generation:
            if field == "resource_type":
                # Opening a row for each of so many types would take longer than a search.
                self._meaning.update((self._points.blind(field, name), name) for name in lexicon().type_nouns)
            numbers = self._store.values(AWS_ESTATE.name, list_of(field))
            known = sorted({self._meaning_of(field, number) for number in numbers if _is_of(field, number)} - {""})
            answer = self._answers[field] = (generation, known)
        return answer[1]

    def _meaning_of(self, field: str, number: Value) -> str:
        """Return the value of a number; empty if its last row has been removed since."""
        if number not in self._meaning:
            where = PointFilter(must=[AnyOf(list_of(field), [number])])
            for row in self._store.rows(AWS_ESTATE.name, where, SEALED_FIELDS, limit=1):
                for value in _field_values(self._points.resource(row), field):
                    self._meaning[self._points.blind(field, value)] = value
        return self._meaning.get(number, "")


def _is_of(field: str, number: Value) -> bool:
    return isinstance(number, int) and field_of(number) == field


def _field_values(resource: Resource, field: str) -> Sequence[str]:
    match field:
        case "tags":
            return [f"{key}={value}" for key, value in resource.tags.items()]
        case "tag_keys":
            return list(resource.tags)
        case "traits":
            return traits_of(resource)
        case _:
            return [str(getattr(resource, field))]
