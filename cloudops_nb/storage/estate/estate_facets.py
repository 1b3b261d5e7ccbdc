"""Counts resources for each value of a field, and lists the values of a field.

Qdrant sees and counts only blind values, which are keyed hashes. To learn the real value behind a blind value, this
module decrypts one row that has the blind value. The counts are for display only, because the blind values
of altered rows are counted, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.encryption.sealed_data import readable
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

#: The number of rows that are read for a blind value, until one of them can be decrypted.
_TRIED_ROWS = 8
#: The fields whose values can be counted.
COUNTED_FIELDS = tuple(field for field in (*GROUPED, *MARKED) if field != "cell")


class EstateFacets:
    """Counts rows for each value of a field, and lists these values; safe to share between threads.

    Decrypted real values are cached in the memory of this process only.
    """

    def __init__(self, store: VectorStore, points: EstatePoints) -> None:
        self._store = store
        self._points = points
        self._real_values: dict[Value, str] = {}
        self._listed: dict[str, tuple[int, list[str]]] = {}

    def count(self, field: str, where: PointFilter) -> dict[str, int]:
        """Return each value of the field with its number of rows, the most frequent value first.

        Raises:
            StorageError: The field cannot be counted.
        """
        if field not in COUNTED_FIELDS:
            why = f"the fields are {', '.join(COUNTED_FIELDS)}"
            raise StorageError(f"the estate cannot be counted by {field}", why)
        # The payload list holds the numbers of several fields, so leave out the numbers of other fields.
        counts = self._store.facet(AWS_ESTATE.name, list_of(field), where).items()
        real = ((self._real_value(field, number), count) for number, count in counts if _belongs_to(field, number))
        return dict(sorted(((value, count) for value, count in real if value), key=lambda pair: (-pair[1], pair[0])))

    def values(self, generation: int, *fields: str) -> list[str]:
        """Return all values that the fields have in the estate.

        ``generation`` is a number that changes with every write to the estate. Qdrant is asked for the values of a
        field only once per generation.
        """
        return [value for field in fields for value in self._values_at(generation, field)]

    def _values_at(self, generation: int, field: str) -> Sequence[str]:
        cached = self._listed.get(field)
        if cached is None or cached[0] != generation:
            if field == "resource_type":
                # Most stored types are declared, and decrypting a row for each type would take longer than a search.
                self._real_values.update((self._points.blind(field, name), name) for name in lexicon().type_nouns)
            numbers = self._store.values(AWS_ESTATE.name, list_of(field))
            values = sorted(
                {self._real_value(field, number) for number in numbers if _belongs_to(field, number)} - {""}
            )
            cached = self._listed[field] = (generation, values)
        return cached[1]

    def _real_value(self, field: str, number: Value) -> str:
        """Return the real value of a field for a blind value's number; empty if no row has this number any more."""
        if number not in self._real_values:
            where = PointFilter(must=[AnyOf(list_of(field), [number])])
            # Of several rows, because one that is damaged must not hide the value that the others have.
            rows = self._store.rows(AWS_ESTATE.name, where, SEALED_FIELDS, limit=_TRIED_ROWS)
            for resource in readable(rows, self._points.resource):
                for value in _field_values(resource, field):
                    self._real_values[self._points.blind(field, value)] = value
                if number in self._real_values:
                    break
        return self._real_values.get(number, "")


def _belongs_to(field: str, number: Value) -> bool:
    return field_of(number) == field


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
