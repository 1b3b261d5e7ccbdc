"""The remote engine against a second reference: ``qdrant-client``'s own local mode, written apart from the engine.

The stand-in server runs Qdrant's engine, but what lies between it and the adapter was written for these tests. Here the
same adapter makes the same calls to the client's in-memory implementation, and to the embedded engine, and all three
answer alike.
"""

from __future__ import annotations

import uuid
import warnings
from array import array
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient

from cloudops_nb.storage.engines.edge import EdgeCollection
from cloudops_nb.storage.engines.remote.host_state import HostState
from cloudops_nb.storage.engines.remote.remote_store import RemoteStore
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import (
    AnyOf,
    Below,
    Patch,
    Point,
    PointFilter,
    Sparse,
    StoredRow,
    VectorQuery,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

ESTATE = AWS_ESTATE.name
VALUES = [3, 1 << 60, (1 << 63) - 1]


def dense(seed: int) -> bytes:
    return array("f", [((seed * 31 + place * 17) % 101) - 50.0 for place in range(AWS_ESTATE.dimension)]).tobytes()


POINTS = [
    Point(
        str(uuid.UUID(int=number)),
        {
            "scan": VALUES[number % 3],
            "groups": [VALUES[number % 2], VALUES[number % 3]],
            **({"seen": number + 0.5} if number % 4 else {}),
            **({"marks": VALUES[number % 2]} if number % 5 else {}),
        },
        dense(number),
        Sparse.of({number % 7: 1.0, 10 + number % 3: 0.5 + number / 100}) if number % 6 else None,
    )
    for number in range(60)
]


class LocalStore(RemoteStore):
    """The adapter on the client's local mode."""

    def __init__(self, folder: Path) -> None:
        super().__init__("http://localhost", None, "local_", HostState(folder))
        self._connection._client = QdrantClient(":memory:")


class Embedded:
    """The embedded engine behind the adapter's signatures, as far as they are compared."""

    def __init__(self, path: Path) -> None:
        self.engine = EdgeCollection(path, AWS_ESTATE)

    def __getattr__(self, name: str) -> Callable[..., object]:
        return lambda _collection, *arguments, **options: getattr(self.engine, name)(*arguments, **options)

    def rows(self, _collection: str, where: PointFilter, fields: tuple[str, ...]) -> list[StoredRow]:
        return self.engine.page(where, fields, 1000, None)[0]


@pytest.fixture(scope="module")
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    from pydantic import SecretStr

    from tests.storage.engines.remote.qdrant_server import API_KEY

    server, folder = request.getfixturevalue("qdrant_server"), tmp_path_factory.mktemp("reference")
    host = HostState(folder)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        remote, local = RemoteStore(server.url, SecretStr(API_KEY), "reference_", host), LocalStore(folder)
        embedded = Embedded(folder / "shard")
        engines: list[Any] = [remote, local, embedded]
        for engine in engines:
            engine.upsert(ESTATE, POINTS)
            engine.patch(ESTATE, [Patch([POINTS[0].id, POINTS[7].id], {"scan": VALUES[2], "seen": 3.0})])
    yield engines
    remote.close()
    local.close()
    embedded.engine.close()
    server.forget("reference_")


values = st.lists(st.sampled_from([*VALUES, 4711]), min_size=1, max_size=3, unique=True)
conditions = st.one_of(
    st.builds(AnyOf, st.sampled_from(["scan", "groups", "marks"]), values),
    st.builds(Below, st.just("seen"), st.floats(-1, 61)),
)
filters = st.builds(PointFilter, st.lists(conditions, max_size=2), st.lists(conditions, max_size=2))
slow = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def same(answers: Sequence[object]) -> bool:
    return all(answer == answers[0] for answer in answers)


@slow
@given(where=filters)
def test_filters_let_the_same_points_through(engines: list[Any], where: PointFilter) -> None:
    rows = [[(row.id, row.payload) for row in engine.rows(ESTATE, where, ("scan", "seen"))] for engine in engines]

    assert same(rows)
    assert same([engine.count(ESTATE, where) for engine in engines])
    assert engines[0].count(ESTATE, where) == len(rows[0])


@slow
@given(where=filters)
def test_values_are_counted_alike(engines: list[Any], where: PointFilter) -> None:
    for key in ("scan", "groups", "marks"):
        counted = [engine.facet(ESTATE, key, where) for engine in engines]
        # Local mode names values of no point as well.
        assert same([{value: count for value, count in counts.items() if count} for counts in counted])


@slow
@given(where=filters, seed=st.integers(100, 200))
def test_nearest_points_are_the_same_with_the_same_scores(engines: list[Any], where: PointFilter, seed: int) -> None:
    query = VectorQuery(dense(seed), 5, where)
    found = [engine.query(ESTATE, [query])[0] for engine in engines]

    for hits in found[1:]:
        # Local mode keeps whole floats, the engines half of them.
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in found[0]], abs=1e-3)


@slow
@given(dimensions=st.sets(st.integers(0, 13), min_size=1))
def test_words_are_weighed_alike(engines: list[Any], dimensions: set[int]) -> None:
    query = VectorQuery(Sparse.of(dict.fromkeys(dimensions, 1.0)), 60)
    found = [{hit.id: hit.score for hit in engine.query(ESTATE, [query])[0]} for engine in engines]

    for hits in found[1:]:
        assert hits == pytest.approx(found[0], abs=1e-5)


@slow
@given(where=filters, limit=st.integers(1, 70))
def test_without_a_vector_points_come_in_the_order_of_their_ids(
    engines: list[Any], where: PointFilter, limit: int
) -> None:
    asked = [VectorQuery(None, limit, where), VectorQuery(dense(1), limit, where)]
    found = [[hit.id for hit in engine.query(ESTATE, asked)[0]] for engine in engines]

    assert same([*found, [row.id for row in engines[0].rows(ESTATE, where, ())][:limit]])


def test_the_newest_come_first_everywhere(engines: list[Any]) -> None:
    where = PointFilter([AnyOf("scan", [VALUES[0], VALUES[2]])])
    found = [engine.newest(ESTATE, where, ["seen"], order="seen", limit=7) for engine in engines]

    assert same([[row.payload for row in rows] for rows in found])
    assert len(found[0]) == 7
