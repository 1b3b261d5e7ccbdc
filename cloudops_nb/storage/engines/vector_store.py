"""The interface to a Qdrant engine (embedded or a server): points, filters and queries without an engine's types.

Only ciphertext, blind values, vectors and times cross this interface. A blind value is a keyed hash that replaces a
field's value: the engine can compare blind values without knowing what they replace.

A live collection can have a staged collection: a second, hidden collection, which is first filled and then takes the
place of the live one (:meth:`VectorStore.stage`, :meth:`VectorStore.adopt`).
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


#: The value of a payload field: a text in a keyword field, a number of up to 63 bits in a lookup field. The kinds of
#: fields are in ``schema.IndexKind``; below, "lookup field" includes its kind ``facet``.
Value = str | int


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector: its dimensions packed as uint32 and their weights packed as float32, in native byte order."""

    indices: bytes
    values: bytes

    @classmethod
    def of(cls, weights: Mapping[int, float]) -> Sparse:
        """Pack a mapping from dimensions to weights."""
        # Creating an array from a list takes half as long as from a dictionary view.
        return cls(array("I", [*weights]).tobytes(), array("f", [*weights.values()]).tobytes())

    def __add__(self, other: Sparse) -> Sparse:
        """Combine two vectors, which must have no dimension in common."""
        return Sparse(self.indices + other.indices, self.values + other.values)

    def unpack(self) -> tuple[list[int], list[float]]:
        """Return the dimensions and the weights as lists."""
        return array("I", self.indices).tolist(), array("f", self.values).tolist()


@dataclass(frozen=True, slots=True)
class Point:
    """A whole point; ``id`` is a UUID as text, ``payload`` holds JSON values, and ``dense`` is packed as float32."""

    id: str
    payload: Mapping[str, Any]
    dense: bytes
    sparse: Sparse | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Payload fields and the values to set them to, the same on each of several points."""

    ids: Sequence[str]
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The condition that a keyword or lookup field holds at least one of the values."""

    field: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Below:
    """The condition that a numeric field is smaller than the value."""

    field: str
    value: float


Condition = AnyOf | Below


@dataclass(frozen=True, slots=True)
class PointFilter:
    """Matches the points that meet every condition in ``must`` and no condition in ``must_not``.

    An empty filter matches every point.
    """

    must: Sequence[Condition] = ()
    must_not: Sequence[Condition] = ()

    def __and__(self, other: PointFilter) -> PointFilter:
        return PointFilter((*self.must, *other.must), (*self.must_not, *other.must_not))


EVERY_POINT = PointFilter()


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """A request for the ``limit`` points nearest to a vector, among the points that pass the filter.

    The vector is dense (packed as float32) or sparse. Without a vector, the query returns the first points by id.
    """

    vector: bytes | Sparse | None
    limit: int
    where: PointFilter = field(default_factory=PointFilter)


class Scored(NamedTuple):
    """A hit: the id and the score of a point; the higher the score, the nearer the point.

    It is a tuple, which is fast to create, because a search creates hundreds of hits.
    """

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A point's id and the requested payload fields."""

    id: str
    payload: Mapping[str, Any]


class VectorStore(Protocol):
    """The operations of an engine; safe to share between threads.

    A write that returned survives the crash of any process; after :meth:`flush` it also survives a power cut. Every
    write is idempotent, so a caller may repeat a write that failed. Methods raise
    :class:`~cloudops_nb.errors.StorageError` or a subclass.
    """

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert points, or replace those with the same id."""

    def append(self, collection: str, point: Point, *, group: str, sequence: str) -> int:
        """Insert a point with the next number of its group, and return the number.

        ``group`` names a keyword field; the points with the same value in this field are a group. ``sequence`` names
        the payload field that holds the number. Numbers start at 0, and concurrent writers never get the same number.
        """

    def patch(self, collection: str, patches: Sequence[Patch]) -> list[str]:
        """Set payload fields on existing points and keep their other fields; returns the ids that do not exist."""

    def delete(self, collection: str, where: PointFilter) -> int:
        """Delete the points that pass the filter, and return their number."""

    def delete_ids(self, collection: str, ids: Sequence[str]) -> int:
        """Delete points by id, and return the number that existed."""

    def retrieve(self, collection: str, ids: Sequence[str], fields: Sequence[str]) -> list[StoredRow]:
        """Fetch points by id, in no particular order; unknown ids are left out."""

    def rows(
        self, collection: str, where: PointFilter, fields: Sequence[str], limit: int | None = None
    ) -> Iterator[StoredRow]:
        """Yield rows of the points that pass the filter, ordered by id; the points are fetched page by page."""

    def points(self, collection: str, where: PointFilter = EVERY_POINT) -> Iterator[Point]:
        """Yield the points that pass the filter, with vectors, ordered by id; they are fetched page by page.

        A concurrent write may or may not be included. Each point appears at most once, in its state at one moment.
        """

    def newest(
        self, collection: str, where: PointFilter, fields: Sequence[str], *, order: str, limit: int
    ) -> list[StoredRow]:
        """Fetch the points with the highest values in the numeric field that ``order`` names, highest first."""

    def query(self, collection: str, queries: Sequence[VectorQuery]) -> list[list[Scored]]:
        """Run several queries in one request; returns one list of hits per query, best first."""

    def count(self, collection: str, where: PointFilter, *, seconds: float | None = None) -> int:
        """Return the exact number of points that pass the filter; with ``seconds``, fail if that takes much longer."""

    def facet(self, collection: str, key: str, where: PointFilter) -> dict[Value, int]:
        """Count points by the values of a keyword or lookup field."""

    def values(self, collection: str, key: str) -> list[Value]:
        """Return the values of a keyword or lookup field, without counting.

        The result may still contain a value whose last point was deleted.
        """

    def generation(self, collection: str) -> int:
        """Return a number that changes with every write to the collection, so that callers can cache what they read."""

    def mend_indexes(self, collection: str) -> list[str]:
        """Rebuild the collection if one of its indexes does not fit its points; returns the fields of these indexes.

        Until then a query with a filter may have left out points, or returned others. The indexes of an embedded
        collection are compared once after each opening of its files; those of a server are not compared.
        """

    def stage(self, collection: str) -> str:
        """Create an empty staged collection for a live one and return the new name; drop any earlier staged one.

        Until :meth:`adopt` or :meth:`discard`, every operation accepts this name.
        """

    def adopt(self, collections: Sequence[str]) -> None:
        """Replace each of these live collections with its staged one, and drop the replaced collections.

        A live collection that has no staged one stays, so that an interrupted call can be repeated.
        """

    def discard(self, collection: str) -> None:
        """Drop the staged collection of a live one, if it exists."""

    def flush(self) -> None:
        """Make every write that has returned survive a power cut."""

    def close(self) -> None:
        """Close the connections; the next operation opens new ones."""

    def retire(self) -> None:
        """Close permanently, so that no thread uses the store after it was closed or its data was replaced.

        The call waits until the operations of other threads have ended, and fails if an operation does not end.
        """
