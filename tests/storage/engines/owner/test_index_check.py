"""Damage to any index of the engine is noticed and mended, in optimised and in changeable parts of a shard."""

from __future__ import annotations

import random
import re
import shutil
import struct
import threading
import uuid
from array import array
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from cloudops_nb.storage.engines import edge_shard
from cloudops_nb.storage.engines.edge_shard import optimise_shard
from cloudops_nb.storage.engines.owner.shard import Shard
from cloudops_nb.storage.engines.owner.shards import Shards
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY, staged_name
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, AnyOf, Below, Patch, Point, PointFilter, Sparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cloudops_nb.storage.engines.schema import Collection

COUNT = 32
IDS = [str(uuid.UUID(int=number + 1)) for number in range(COUNT)]
#: Numbers as the estate's: the first differs in each point, and two points share the second.
OWN, PAIRED = 8 << 57, 11 << 57
EVERY_GROUP = 7


def resource(number: int) -> Point:
    payload = {
        "marks": [OWN + number, PAIRED + number // 2],
        "groups": [EVERY_GROUP, 8 + number % 3],
        "scan": 1000 + number % 2,
        "seen": 1.7e9 + number,
    }
    return Point(IDS[number], payload, array("f", [1.0] * AWS_ESTATE.dimension).tobytes(), Sparse.of({number: 1.0}))


def message(number: int) -> Point:
    payload = {"kind": "message", "context": f"context-{number % 2}", "role": "user", "index": number // 2}
    payload["at"] = 1.7e9 + number
    return Point(IDS[number], payload, array("f", [1.0]).tobytes())


class Store:
    """A folder of shards that is opened and closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards: Shards | None = None

    def open(self) -> Shards:
        """Open the shards, after closing them if they are open."""
        self.close()
        self._shards = Shards(self.folder)
        return self._shards

    def close(self) -> None:
        if self._shards:
            self._shards.close()
        self._shards = None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A closed store with a resource and a message for each id."""
    store = Store(tmp_path)
    shards = store.open()
    for collection, make in ((AWS_ESTATE, resource), (CHAT_HISTORY, message)):
        shards.run("upsert", {"collection": collection.name, "points": [make(number) for number in range(COUNT)]})
    store.close()
    yield store
    store.close()


class Damage(NamedTuple):
    """A value in the index files of a field, which is replaced by another value."""

    collection: Collection
    field: str
    before: bytes
    after: bytes


def number(value: int) -> bytes:
    return struct.pack("<q", value)


def time(value: float) -> bytes:
    return struct.pack("<d", value)


DAMAGES = {
    "marks": Damage(AWS_ESTATE, "marks", number(OWN + 5), number(OWN + 99)),
    "groups": Damage(AWS_ESTATE, "groups", number(EVERY_GROUP), number(EVERY_GROUP + 90)),
    "scan": Damage(AWS_ESTATE, "scan", number(1001), number(1003)),
    "seen": Damage(AWS_ESTATE, "seen", time(1.7e9 + 5), time(1.7e9 + 15.5)),
    "context": Damage(CHAT_HISTORY, "context", b"context-1", b"context-9"),
    "kind": Damage(CHAT_HISTORY, "kind", b"message", b"massage"),
    "role": Damage(CHAT_HISTORY, "role", b"user", b"used"),
    "index": Damage(CHAT_HISTORY, "index", number(5), number(9)),
    "at": Damage(CHAT_HISTORY, "at", time(1.7e9 + 5), time(1.7e9 - 15.5)),
}


def index_files(folder: Path, collection: Collection, field: str, name: str) -> list[Path]:
    found = folder.glob(f"{collection.name}/segments/*/payload_index/*-{field}-*/{name}")
    # The index of an integer also has a part for equality, by which nothing is filtered.
    return [path for path in found if "-null/" not in str(path) and "-index-map/" not in str(path)]


def damage(folder: Path, each: Damage) -> None:
    for path in index_files(folder, each.collection, each.field, "page_0.dat"):
        content = path.read_bytes()
        if each.before in content:
            path.write_bytes(content.replace(each.before, each.after, 1))
            return
    raise AssertionError("the index has no such value")


def found(shards: Shards, collection: Collection) -> dict[str, Any]:
    """Return the ids that filters by each field find, and the order of numeric fields."""
    make = resource if collection is AWS_ESTATE else message
    results: dict[str, Any] = {}
    for field, kind in collection.indexes.items():
        values = {value for each in range(COUNT) for value in listed(make(each).payload[field])}
        for value in values:
            if kind in ("integer", "float"):
                where = PointFilter([Below(field, value)])
                results[f"{field} < {value}"] = shards.run("count", {"collection": collection.name, "where": where})
            else:
                results[f"{field} = {value}"] = ids(shards, collection, PointFilter([AnyOf(field, [value])]))
        if kind in ("integer", "float"):
            arguments = {"where": EVERY_POINT, "fields": [field], "order": field, "limit": COUNT}
            rows = shards.run("newest", {"collection": collection.name, **arguments})
            results[f"{field} sorted"] = [row.payload[field] for row in rows]
    return results


def listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def ids(shards: Shards, collection: Collection, where: PointFilter) -> list[str]:
    arguments = {"where": where, "fields": [], "limit": COUNT, "after": None}
    rows, _ = shards.run("page", {"collection": collection.name, **arguments})
    return sorted(row.id for row in rows)


def mended(shards: Shards, collection: Collection = AWS_ESTATE) -> list[str]:
    fields: list[str] = shards.run("mend_indexes", {"collection": collection.name})
    return fields


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damaged_index_is_noticed_and_mended(store: Store, name: str) -> None:
    each = DAMAGES[name]
    shards = store.open()
    intact = found(shards, each.collection)
    assert mended(shards, each.collection) == []
    store.close()

    damage(store.folder, each)
    shards = store.open()
    assert found(shards, each.collection) != intact
    assert ids(shards, each.collection, EVERY_POINT) == IDS

    assert mended(shards, each.collection) == [name]
    assert found(shards, each.collection) == intact
    assert mended(shards, each.collection) == []
    store.close()
    assert found(store.open(), each.collection) == intact


def optimised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_shard, "MIN_OPTIMISED_KILOBYTES", 1)
    assert optimise_shard(folder / AWS_ESTATE.name, AWS_ESTATE)


def values_to_points(folder: Path, field: str, value: int) -> tuple[Path, int]:
    """Return the file of an optimised index, and the offset of the first point of a value."""
    (path,) = index_files(folder, AWS_ESTATE, field, "values_to_points.bin")
    # The value, the number of its points, and the points, of which groups starts at a multiple of eight bytes.
    (found,) = re.finditer(re.escape(number(value)) + rb"(?=[\1-\x20]\0\0\0)", path.read_bytes())
    return path, found.end() + 4


@pytest.mark.parametrize(
    ("field", "value"), [("marks", OWN + 5), ("marks", PAIRED + 2), ("groups", 9)], ids=["own", "paired", "grouped"]
)
def test_a_wrong_point_in_an_optimised_index_is_noticed(
    store: Store, monkeypatch: pytest.MonkeyPatch, field: str, value: int
) -> None:
    """The index then has as many points for each value as before."""
    optimised(store.folder, monkeypatch)
    shards = store.open()
    intact = found(shards, AWS_ESTATE)
    assert mended(shards) == []
    store.close()

    path, offset = values_to_points(store.folder, field, value)
    content = bytearray(path.read_bytes())
    content[offset] ^= 16
    path.write_bytes(content)
    shards = store.open()
    damaged = found(shards, AWS_ESTATE)
    wrong = [key for key in intact if damaged[key] != intact[key]]
    assert wrong == [f"{field} = {value}"]
    assert len(damaged[wrong[0]]) == len(intact[wrong[0]])

    assert mended(shards) == [field]
    assert found(shards, AWS_ESTATE) == intact


@pytest.mark.parametrize("field", ["marks", "scan", "seen"])
def test_a_wrong_value_of_a_point_in_an_optimised_index_is_noticed(
    store: Store, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    optimised(store.folder, monkeypatch)
    each = DAMAGES[field]
    (path,) = index_files(store.folder, AWS_ESTATE, field, "point_to_values.bin")
    content = path.read_bytes()
    assert each.before in content
    path.write_bytes(content.replace(each.before, each.after, 1))

    shards = store.open()
    assert mended(shards) == [field]
    assert mended(shards) == []


def test_a_changed_optimised_shard_is_sound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed point has a version in each part of the shard."""
    optimised(store.folder, monkeypatch)
    shards = store.open()
    patch = Patch(IDS[:5], {"scan": 1009, "marks": [OWN + 77]})
    shards.run("patch", {"collection": AWS_ESTATE.name, "patches": [patch]})
    shards.run("delete_ids", {"collection": AWS_ESTATE.name, "ids": IDS[5:9]})
    assert mended(shards) == []
    store.close()
    assert mended(store.open()) == []


def test_values_that_the_engine_does_not_index_are_no_damage(store: Store) -> None:
    shards = store.open()
    odd: list[dict[str, Any]] = [
        {},
        {"marks": None},
        {"marks": ["text", True, 1.5, {"a": 1}]},
        {"marks": [5, 5], "scan": [1, 2]},
        {"seen": "late"},
    ]
    for point_id, payload in zip(IDS, odd, strict=False):
        point = Point(point_id, payload, array("f", [1.0] * AWS_ESTATE.dimension).tobytes())
        shards.run("upsert", {"collection": AWS_ESTATE.name, "points": [point]})
    assert mended(shards) == []


@pytest.mark.parametrize("seed", range(4))
def test_times_that_the_engine_takes_for_their_neighbours_are_no_damage(store: Store, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable
    times = [1.79e9 + chance.random() * 1_000 for _ in range(COUNT)]
    points = [replace(resource(each), payload={**resource(each).payload, "seen": times[each]}) for each in range(COUNT)]
    store.open().run("upsert", {"collection": AWS_ESTATE.name, "points": points})
    assert mended(store.open()) == []


def test_writes_of_other_clients_during_the_check_are_neither_damage_nor_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(store.folder, DAMAGES["marks"])
    shards = store.open()
    written: list[int] = []
    run = Shard.run

    def run_after_a_write(shard: Shard, operation: str, arguments: Any) -> Any:
        result = run(shard, operation, arguments)
        if operation == "page":  # a client writes whenever the check has read a page
            written.append(len(written))
            run(shard, "patch", {"patches": [Patch(IDS[:1], {"scan": 5000 + len(written)})]})
        return result

    monkeypatch.setattr(Shard, "run", run_after_a_write)
    assert mended(shards) == ["marks"]
    assert mended(shards) == []
    monkeypatch.undo()

    (row,) = shards.run("retrieve", {"collection": AWS_ESTATE.name, "ids": IDS[:1], "fields": ["scan"]})
    assert row.payload["scan"] == 5000 + len(written)


def test_clients_that_check_and_write_at_once_lose_nothing(store: Store) -> None:
    damage(store.folder, DAMAGES["marks"])
    shards = store.open()
    results: list[list[str]] = []

    def write(client: int) -> None:
        for step in range(20):
            patches = [Patch([IDS[client]], {"scan": step})]
            assert shards.run("patch", {"collection": AWS_ESTATE.name, "patches": patches}) == []

    clients = [threading.Thread(target=write, args=[client]) for client in range(3)]
    clients += [threading.Thread(target=lambda: results.append(mended(shards))) for _ in range(3)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()

    assert sorted(results) == [[], [], ["marks"]]
    rows = shards.run("retrieve", {"collection": AWS_ESTATE.name, "ids": IDS[:3], "fields": ["scan"]})
    assert [row.payload["scan"] for row in rows] == [19, 19, 19]


def test_damage_that_cannot_be_mended_now_is_reported_each_time(store: Store) -> None:
    """Maintenance that has staged the collection goes first."""
    damage(store.folder, DAMAGES["marks"])
    shards = store.open()
    shards.run("stage", {"collection": AWS_ESTATE.name})
    assert mended(shards) == ["marks"]
    assert mended(shards) == ["marks"]
    assert shards.run("count", {"collection": staged_name(AWS_ESTATE.name), "where": EVERY_POINT}) == 0

    shards.run("discard", {"collection": AWS_ESTATE.name})
    assert mended(shards) == ["marks"]
    assert mended(shards) == []


@pytest.mark.parametrize("moment", ["incomplete", "between the renames", "before the removal"])
def test_a_shard_whose_rebuilding_was_killed_is_mended_by_the_next_owner(store: Store, moment: str) -> None:
    live, rebuilt, replaced = (store.folder / f"{AWS_ESTATE.name}{suffix}" for suffix in ("", ".rebuilt", ".replaced"))
    intact = found(store.open(), AWS_ESTATE)
    store.close()
    if moment == "incomplete":
        damage(store.folder, DAMAGES["marks"])
        (rebuilt / "segments").mkdir(parents=True)
    elif moment == "between the renames":
        shutil.copytree(live, rebuilt)
        damage(store.folder, DAMAGES["marks"])
        live.rename(replaced)
    else:
        shutil.copytree(live, replaced)

    shards = store.open()
    assert mended(shards) == (["marks"] if moment == "incomplete" else [])
    assert found(shards, AWS_ESTATE) == intact
    assert not rebuilt.exists()
    assert not replaced.exists()
