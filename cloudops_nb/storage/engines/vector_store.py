"""The interface between the storage service and a Qdrant engine: points, filters and queries without engine types.

Only ciphertext, blind values, vectors and times cross it.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


#: A value of a keyword field, or a lookup field's number of up to 63 bits.
Value = str | int


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector: dimensions as packed uint32 and weights as packed float32, of equal count, native byte order."""

    indices: bytes
    values: bytes

    @classmethod
    def of(cls, weights: Mapping[int, float]) -> Sparse:
        """Pack a mapping of dimension to weight."""
        # From a list an array is created in half the time that it takes from a view.
        return cls(array("I", [*weights]).tobytes(), array("f", [*weights.values()]).tobytes())

    def __add__(self, other: Sparse) -> Sparse:
        """Combine two vectors without common dimensions."""
        return Sparse(self.indices + other.indices, self.values + other.values)

    def unpack(self) -> tuple[list[int], list[float]]:
        """Return dimensions and weights as lists."""
        return array("I", self.indices).tolist(), array("f", self.values).tolist()


@dataclass(frozen=True, slots=True)
class Point:
    """One point to write; ``dense`` is packed float32, ``payload`` is JSON-ready, ``id`` a UUID as text."""

    id: str
    payload: Mapping[str, Any]
    dense: bytes
    sparse: Sparse | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Payload fields to set on existing points."""

    ids: Sequence[str]
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The keyword or lookup field holds one of the values."""

    field: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Below:
    """The numeric field is smaller than the value."""

    field: str
    value: float


Condition = AnyOf | Below


@dataclass(frozen=True, slots=True)
class PointFilter:
    """Matches points that meet every condition of ``must`` and no condition of ``must_not``; if empty, every point."""

    must: Sequence[Condition] = ()
    must_not: Sequence[Condition] = ()

    def __and__(self, other: PointFilter) -> PointFilter:
        return PointFilter((*self.must, *other.must), (*self.must_not, *other.must_not))


EVERY_POINT = PointFilter()


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """A request for the points nearest to a vector, dense (packed float32) or sparse, among those that pass the filter.

    Without a vector, all points are equally near and are ordered by id.
    """

    vector: bytes | Sparse | None
    limit: int
    where: PointFilter = field(default_factory=PointFilter)


class Scored(NamedTuple):
    """A point's id and its score; higher is nearer. A tuple, because a search creates hundreds of them."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A point's id and the requested payload fields."""

    id: str
    payload: Mapping[str, Any]


class VectorStore(Protocol):
    """The operations of an engine; safe to share between threads.

    A write that returned survives the crash of any process, and after :meth:`flush` a power cut. Every write is
    idempotent, so a caller may repeat a write whose answer was lost. Methods raise
    :class:`~cloudops_nb.errors.StorageError` or a subclass.
    """

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert points, or replace those with the same id."""

    def append(self, collection: str, point: Point, *, group: str, sequence: str) -> int:
        """Insert a point with the next number of its group under the payload field ``sequence``, and return the number.

        ``group`` names a keyword field of the payload; numbers start at 0 and never repeat among concurrent writers.
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
        """Yield the points that pass the filter in the order of their ids, page by page."""

    def points(self, collection: str, where: PointFilter = EVERY_POINT) -> Iterator[Point]:
        """Yield whole points that pass the filter, vectors too, in the order of their ids, page by page.

        Concurrent writes may or may not show; each point shows at most once, in its state at one moment.
        """

    def newest(
        self, collection: str, where: PointFilter, fields: Sequence[str], *, order: str, limit: int
    ) -> list[StoredRow]:
        """Fetch the points with the highest values of the numeric field ``order``, highest first."""

    def query(self, collection: str, queries: Sequence[VectorQuery]) -> list[list[Scored]]:
        """Run several queries in one request; returns one list of hits per query, best first."""

    def count(self, collection: str, where: PointFilter, *, seconds: float | None = None) -> int:
        """Count the points that pass the filter exactly; with ``seconds``, fail if the answer takes much longer."""

    def facet(self, collection: str, key: str, where: PointFilter) -> dict[Value, int]:
        """Count points by the values of a keyword or lookup field."""

    def values(self, collection: str, key: str) -> list[Value]:
        """Return the values of a keyword or lookup field, without counting.

        A value whose last point was deleted may still be among them.
        """

    def generation(self, collection: str) -> int:
        """Return a number that changes with every write to the collection."""

    def stage(self, collection: str) -> str:
        """Create an empty staged collection, the successor of a live one, and return its name; drops an earlier one.

        It is used like any other collection until :meth:`adopt` or :meth:`discard`.
        """

    def adopt(self, collections: Sequence[str]) -> None:
        """Replace each live collection with its staged one, and drop the replaced one.

        Collections without a staged one stay, so that an interrupted call can be repeated.
        """

    def discard(self, collection: str) -> None:
        """Drop the staged collection, if it exists."""

    def flush(self) -> None:
        """Make every acknowledged write survive a power cut."""

    def close(self) -> None:
        """Close the connections; the store itself stays."""

    def retire(self) -> None:
        """Close permanently, before parts of the store are replaced, so that no thread writes to the old parts.

        Waits until the operations of other threads have ended, and fails if one does not end.
        """
