"""A shard whose files are damaged is rebuilt from what the engine can still read."""

from __future__ import annotations

import uuid
from array import array
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.owner.shards import Shards
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY, staged_name
from cloudops_nb.storage.engines.vector_store import AnyOf, Patch, Point, PointFilter, Sparse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERYTHING = PointFilter()
ONE = array("f", [1.0]).tobytes()
IDS = [str(uuid.UUID(int=number)) for number in range(1, 9)]


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[Shards]:
    """Shards with eight messages, written one by one, and closed again."""
    shards = Shards(tmp_path)
    for number, point_id in enumerate(IDS):
        shards.run("upsert", {"collection": "chat_history", "points": [message(point_id, f"text {number}")]})
    shards.close()
    reopened = Shards(tmp_path)
    yield reopened
    reopened.close()


def message(point_id: str, text: str) -> Point:
    return Point(point_id, {"kind": "message", "context": "c", "data": text}, ONE)


def run(shards: Shards, operation: str, **arguments: Any) -> Any:
    return shards.run(operation, {"collection": "chat_history", **arguments})


def texts(shards: Shards) -> dict[str, str | None]:
    rows, _ = run(shards, "page", where=EVERYTHING, fields=["data"], limit=100, after=None)
    return {row.id: row.payload.get("data") for row in rows}


def damage(folder: Path, pattern: str, before: bytes, after: bytes) -> None:
    """Replace the first occurrence of some bytes in a file of the shard."""
    (path,) = (folder / "chat_history").glob(pattern)
    with path.open("r+b") as stream:
        stream.seek(stream.read().index(before))
        stream.write(after)


def cut_log(folder: Path) -> None:
    """Damage the first write in the log, at which the engine then cuts it."""
    damage(folder, "wal/open-1", b"upsert", b"upsess")


@pytest.mark.parametrize("operation", ["upsert", "patch", "delete", "delete_ids"])
def test_writes_after_damage_to_the_log_are_not_lost(shards: Shards, tmp_path: Path, operation: str) -> None:
    cut_log(tmp_path)
    arguments: dict[str, dict[str, Any]] = {
        "upsert": {"points": [message(IDS[-1], "new")]},
        "patch": {"patches": [Patch(IDS[-1:], {"data": "new"})]},
        "delete": {"where": PointFilter([AnyOf("kind", ["message"])])},
        "delete_ids": {"ids": IDS[-1:]},
    }
    run(shards, operation, **arguments[operation])

    left = texts(shards)
    expected = {"upsert": "new", "patch": "new"}.get(operation)
    assert left.get(IDS[-1]) == expected
    assert len(left) == {"delete": 0, "delete_ids": 7}.get(operation, 8)


def test_writes_after_damage_to_the_version_of_another_point_are_not_lost(shards: Shards, tmp_path: Path) -> None:
    (path,) = tmp_path.glob("chat_history/segments/*/mutable_id_tracker.versions")
    versions = array("Q", path.read_bytes())
    versions[-1] ^= 1 << 40
    path.write_bytes(versions.tobytes())
    for point_id in IDS:
        run(shards, "upsert", points=[message(point_id, "new")])

    assert texts(shards) == dict.fromkeys(IDS, "new")


def test_an_unreadable_point_hides_no_other_and_can_be_written_again(shards: Shards, tmp_path: Path) -> None:
    damage(tmp_path, "segments/*/payload_storage/page_0.dat", b'"text 3"', b'"text 3x')
    expected: dict[str, str | None] = {point_id: f"text {number}" for number, point_id in enumerate(IDS)}
    assert texts(shards) == {**expected, IDS[3]: None}

    run(shards, "upsert", points=[message(IDS[3], "again")])
    assert texts(shards) == {**expected, IDS[3]: "again"}


def test_a_staged_collection_is_not_replaced_by_a_rebuilt_one(shards: Shards, tmp_path: Path) -> None:
    """Maintenance fills it, and its place is the one in which a shard is rebuilt."""
    run(shards, "stage")
    staged = staged_name("chat_history")
    shards.run("upsert", {"collection": staged, "points": [message(IDS[0], "staged")]})
    cut_log(tmp_path)

    with pytest.raises(StorageError, match=r"log in .*chat_history is damaged.*Move .*chat_history to another folder"):
        run(shards, "upsert", points=[message(IDS[-1], "new")])
    assert shards.run("count", {"collection": staged, "where": EVERYTHING}) == 1


def test_a_shard_that_cannot_be_rebuilt_stays_as_it_is(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_log(tmp_path)
    with monkeypatch.context() as context:
        context.setattr(Shards, "_require_space", lambda *_: (_ for _ in ()).throw(StorageError("the disk is full")))
        with pytest.raises(StorageError, match="is damaged"):
            run(shards, "delete_ids", ids=IDS[-1:])
    assert len(texts(shards)) == 8
    assert not (tmp_path / staged_name("chat_history")).exists()


def test_a_point_whose_vector_is_lost_keeps_its_payload_but_not_the_hash_of_its_texts(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    vector = array("f", [1.0] * AWS_ESTATE.dimension).tobytes()
    words = Sparse(array("I", [1]).tobytes(), array("f", [1.0]).tobytes())
    points = [Point(IDS[0], {"data": "sealed", AWS_ESTATE.vector_hash: "hash"}, vector, words)]
    shards.run("upsert", {"collection": AWS_ESTATE.name, "points": points})
    shards.close()
    (status,) = tmp_path.glob("aws_estate/segments/*/vector_storage-dense/vectors/status.dat")
    status.write_bytes(bytes(status.stat().st_size))  # no vectors

    shards = Shards(tmp_path)
    ((found,), _) = shards.run(
        "points_page", {"collection": AWS_ESTATE.name, "where": EVERYTHING, "limit": 9, "after": None}
    )
    assert found.payload == {"data": "sealed"}
    assert found.sparse == words
    shards.close()
    assert CHAT_HISTORY.vector_hash == ""
