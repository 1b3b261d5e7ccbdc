"""Compares the indexes of a shard (the folder of one collection) with the payloads of its points.

The engine reads its index files without a checksum. A damaged index hides a point from filters, although the point is
listed. Damage gets in only while a shard is closed, so one comparison per opening is enough.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, Final, Protocol

from cloudops_nb.errors import StoreCorruptedError
from cloudops_nb.storage.engines.schema import damage_advice
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, AnyOf, Below, PointFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.storage.engines.owner.shard import Shard
    from cloudops_nb.storage.engines.schema import IndexKind
    from cloudops_nb.storage.engines.vector_store import StoredRow, Value

#: The number of points per read, and of values per count: so small that requests of clients wait only milliseconds.
_PAGE: Final = 500
#: The number of ids per read.
_PAGE_OF_IDS: Final = 5_000
#: How often the indexes are compared while clients may write. After that, clients wait for one more comparison.
_ATTEMPTS: Final = 2
#: The number of thresholds at which the points of a numeric field are counted.
_THRESHOLDS: Final = 16
#: Floats that differ by fewer units in the last place are not told apart.
_ROUNDED_UNITS: Final = 8
_SIGN_BIT: Final = 1 << 63
#: The files of optimised indexes (observed).
_OPTIMISED: Final = "segments/*/payload_index/*/values_to_points.bin"


class DamagedIndexError(StoreCorruptedError):
    """The indexes of some fields do not fit the points; ``fields`` names the fields."""

    def __init__(self, shard: Shard, fields: Sequence[str]) -> None:
        name = shard.collection.name
        why = f"the index of {', '.join(fields)} does not fit the points in {shard.path}"
        super().__init__(f"the {name} collection is damaged", why, damage_advice(shard.path, shard.collection))
        self.fields = fields


class _Reads(Protocol):
    """The reads that a comparison needs."""

    def page(
        self, where: PointFilter, fields: Sequence[str], limit: int, after: str | None
    ) -> tuple[list[StoredRow], str | None]: ...

    def count(self, where: PointFilter) -> int: ...

    def index_counts(self, key: str) -> dict[Value, int]: ...

    def newest(self, where: PointFilter, fields: Sequence[str], order: str, limit: int) -> list[StoredRow]: ...


def require_sound_indexes(shard: Shard) -> None:
    """Compare the indexes of an open shard with its points, once per opening.

    Raises:
        DamagedIndexError: They differ.
        StorageError: The points cannot be read.
    """
    if shard.sound:
        return
    wrong = _wrong_fields(shard)
    if wrong:
        raise DamagedIndexError(shard, wrong)
    shard.sound = True


def _wrong_fields(shard: Shard) -> list[str]:
    for _ in range(_ATTEMPTS):
        before = shard.run("generation", {})
        wrong = _differing_fields(_SharedReads(shard), shard)
        # A write during the comparison is a difference, too.
        if not wrong or shard.run("generation", {}) == before:
            return wrong
    with shard.alone() as collection:
        return _differing_fields(collection, shard)


class _SharedReads:
    """Reads a shard between the requests of clients."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def page(
        self, where: PointFilter, fields: Sequence[str], limit: int, after: str | None
    ) -> tuple[list[StoredRow], str | None]:
        arguments = {"where": where, "fields": fields, "limit": limit, "after": after}
        page: tuple[list[StoredRow], str | None] = self._shard.run("page", arguments)
        return page

    def count(self, where: PointFilter) -> int:
        return int(self._shard.run("count", {"where": where}))

    def index_counts(self, key: str) -> dict[Value, int]:
        counts: dict[Value, int] = self._shard.run("index_counts", {"key": key})
        return counts

    def newest(self, where: PointFilter, fields: Sequence[str], order: str, limit: int) -> list[StoredRow]:
        arguments = {"where": where, "fields": fields, "order": order, "limit": limit}
        rows: list[StoredRow] = self._shard.run("newest", arguments)
        return rows


def _differing_fields(reads: _Reads, shard: Shard) -> list[str]:
    """Return the fields whose index returns other points than those that have the values."""
    optimised = any(shard.path.glob(_OPTIMISED))
    fields = {name: _field_values(name, kind, optimised) for name, kind in shard.collection.indexes.items()}
    after = None
    while True:
        rows, after = reads.page(EVERY_POINT, list(fields), _PAGE, after)
        for row in rows:
            for name, values in fields.items():
                values.add(row.id, row.payload.get(name))
        if after is None:
            break
    return [name for name, values in fields.items() if not values.fit(reads)]


def _field_values(name: str, kind: IndexKind, optimised: bool) -> _ComparedValues | _OrderedValues:
    match kind:
        case "keyword":
            return _ComparedValues(name, str, by_id=optimised)
        case "facet":
            return _ComparedValues(name, int, by_id=optimised)
        case "lookup":
            return _ComparedValues(name, int, by_id=False)
        case "integer":
            return _OrderedValues(name, (int,))
        case "float":
            return _OrderedValues(name, (int, float))


class _ComparedValues:
    """The values of a field that is compared for equality, with the number of points that have each value.

    An optimised index is two files: the points of each value, and the values of each point. An index that is kept in
    memory is read from the first file only (observed), so if an entry of the file names a wrong point, no count shows
    it, and the points' ids must be compared.

    Args:
        name: The field.
        kind: The type of the values.
        by_id: Whether to compare ids.
    """

    def __init__(self, name: str, kind: type[str | int], *, by_id: bool) -> None:
        self._name = name
        self._kind = kind
        self._by_id = by_id
        self._points: Counter[Value] = Counter()
        # A position of each value among the values of its last point.
        self._positions: dict[Value, int] = {}
        # The sum of the hashes of the ids of the points with each value.
        self._ids: dict[Value, int] = defaultdict(int)

    def add(self, point_id: str, stored: object) -> None:
        """Count the values in a point's payload; the engine does not index values of another type."""
        listed = stored if isinstance(stored, list) else [stored]
        if set(map(type, listed)) != {self._kind}:
            listed = [value for value in listed if type(value) is self._kind]
        values = set(listed)
        self._points.update(values)
        self._positions.update(zip(values, count(), strict=False))
        if self._by_id:
            hashed = hash(point_id)
            for value in values:
                self._ids[value] += hashed

    def fit(self, reads: _Reads) -> bool:
        """Return whether the index lists the points of each value.

        The first file must list as many points as have the value. With a second condition, which all points meet, the
        engine also looks into the second file (observed), so a wrong point is not counted.
        """
        if self._kind is int:
            self._points = Counter({value: points for value, points in self._points.items() if _has_64_bits(value)})
        if reads.index_counts(self._name) != self._points:
            return False
        absent: Value = next(value for number in count() if (value := self._kind(number)) not in self._points)
        never = [AnyOf(self._name, [absent])]
        return all(
            reads.count(PointFilter([AnyOf(self._name, values)], never)) == points
            and (not self._by_id or self._found_ids(reads, values) == sum(self._ids[value] for value in values))
            for values, points in self._counts()
        )

    def _found_ids(self, reads: _Reads, values: Sequence[Value]) -> int:
        where, total, after = PointFilter([AnyOf(self._name, values)]), 0, None
        while True:
            rows, after = reads.page(where, (), _PAGE_OF_IDS, after)
            total += sum(hash(row.id) for row in rows)
            if after is None:
                return total

    def _counts(self) -> Iterator[tuple[Sequence[Value], int]]:
        """Yield values with the number of their points; values of one point each, all different, are together."""
        yield from (([value], points) for value, points in self._points.items() if points > 1)
        single: dict[int, list[Value]] = defaultdict(list)
        for value, points in self._points.items():
            if points == 1:
                single[self._positions[value]].append(value)
        for values in single.values():
            for start in range(0, len(values), _PAGE):
                together = values[start : start + _PAGE]
                yield together, len(together)


class _OrderedValues:
    """The values of a numeric field, by which points are sorted or compared with a threshold."""

    def __init__(self, name: str, kinds: tuple[type[int | float], ...]) -> None:
        self._name = name
        self._kinds = kinds
        self._values: list[float] = []

    def add(self, _point_id: str, stored: Any) -> None:
        """Note the number in a point's payload; the engine does not index values of another type."""
        if type(stored) in self._kinds:
            self._values.append(stored)

    def fit(self, reads: _Reads) -> bool:
        """Return whether the index sorts the points by their values, and finds those below each of some thresholds."""
        values = sorted(self._values)
        rows = reads.newest(EVERY_POINT, [self._name], self._name, len(values) + 1)
        if [row.payload.get(self._name) for row in rows] != values[::-1]:
            return False
        return all(
            # The second condition is there for the reason that _ComparedValues gives.
            reads.count(PointFilter([Below(self._name, threshold)], [Below(self._name, values[0] - 1)])) == below
            for threshold, below in self._thresholds(values)
        )

    def _thresholds(self, values: Sequence[float]) -> Iterator[tuple[float, int]]:
        """Yield thresholds with the number of values below, from above the highest value downwards."""
        if not values:
            return
        yield values[-1] + 1, len(values)
        pairs = enumerate(pairwise(values), 1)
        steps = [(_between(lower, upper), below) for below, (lower, upper) in pairs if _are_apart(lower, upper)]
        yield from steps[:: max(len(steps) // _THRESHOLDS, 1)]


def _are_apart(lower: float, upper: float) -> bool:
    return upper - lower > (0 if isinstance(upper, int) else _ROUNDED_UNITS * math.ulp(upper))


def _between(lower: float, upper: float) -> float:
    """Return a threshold above one value and not above the other.

    The engine may take a float for its neighbour (observed), so a threshold that equals a value could be above it.
    """
    return upper if isinstance(upper, int) else (lower + upper) / 2


def _has_64_bits(value: Value) -> bool:
    return -_SIGN_BIT <= int(value) < _SIGN_BIT
