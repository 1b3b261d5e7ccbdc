"""Shards inside the owner: every write is synced to disk, also under concurrency and failures."""

from __future__ import annotations

import threading
import uuid
from array import array
from pathlib import Path

import pytest
import qdrant_edge

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.edge import EdgeCollection
from cloudops_nb.storage.engines.owner.shard import Shard
from cloudops_nb.storage.engines.owner.shards import Shards
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import AnyOf, Point, PointFilter

pytestmark = pytest.mark.fast

ONE = array("f", [1.0]).tobytes()


def message() -> Point:
    return Point(str(uuid.uuid4()), {"context": "c"}, ONE)


class SlowDisk(EdgeCollection):
    """A collection whose sync waits until it may go on, and can fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, CHAT_HISTORY)
        self.syncs = 0
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.full = False

    def flush(self) -> None:
        self.begun.set()
        assert self.go_on.wait(30)
        if self.full:
            raise StorageError("the store cannot be synced to disk", "the disk is full")
        self.syncs += 1
        super().flush()


@pytest.fixture
def disk(tmp_path: Path) -> SlowDisk:
    return SlowDisk(tmp_path / "shard")


def test_a_write_during_a_sync_needs_another(disk: SlowDisk) -> None:
    shard = Shard(disk)
    shard.run("upsert", {"points": [message()]})
    syncing = threading.Thread(target=shard.flush)
    syncing.start()
    assert disk.begun.wait(30)
    shard.run("upsert", {"points": [message()]})
    disk.go_on.set()
    syncing.join()

    assert shard.dirty
    shard.flush()
    shard.flush()
    assert disk.syncs == 2


def test_a_sync_that_finds_another_under_way_waits_for_it(disk: SlowDisk) -> None:
    shard = Shard(disk)
    shard.run("upsert", {"points": [message()]})
    first, second = (threading.Thread(target=shard.flush) for _ in range(2))
    first.start()
    assert disk.begun.wait(30)
    second.start()
    assert second.is_alive()
    disk.go_on.set()
    first.join()
    second.join()

    assert disk.syncs == 1


def test_a_failed_sync_is_tried_again(disk: SlowDisk) -> None:
    shard = Shard(disk)
    shard.run("upsert", {"points": [message()]})
    disk.go_on.set()
    disk.full = True
    with pytest.raises(StorageError, match="the disk is full"):
        shard.flush()
    disk.full = False
    shard.flush()

    assert disk.syncs == 1


def test_a_failed_write_counts_as_a_change(disk: SlowDisk) -> None:
    shard = Shard(disk)
    before = shard.run("generation", {})
    with pytest.raises(StorageError, match="a write failed"):
        shard.run("upsert", {"points": [Point(str(uuid.uuid4()), {}, array("f", [1.0, 2.0]).tobytes())]})

    assert shard.dirty
    assert shard.run("generation", {}) != before


def test_indexes_that_a_newer_version_adds_are_made_when_a_shard_is_opened(tmp_path: Path) -> None:
    older = type(CHAT_HISTORY)(CHAT_HISTORY.name, 1, sparse=False, indexes={"context": "keyword"})
    collection = EdgeCollection(tmp_path / "shard", older)
    collection.upsert([Point(str(uuid.uuid4()), {"context": "c", "role": "user"}, ONE)])
    collection.close()
    newer = EdgeCollection(tmp_path / "shard", CHAT_HISTORY)

    assert newer.facet("role", PointFilter([AnyOf("context", ["c"])])) == {"user": 1}
    newer.close()


def test_closing_syncs_every_open_collection(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    shards.run("upsert", {"collection": "chat_history", "points": [message()]})
    shards.run("count", {"collection": "aws_estate", "where": PointFilter()})
    shards.close()
    collection = EdgeCollection(tmp_path / "chat_history", CHAT_HISTORY)

    assert collection.count(PointFilter()) == 1
    assert (tmp_path / AWS_ESTATE.name).is_dir()
    collection.close()


def test_a_second_opener_gets_the_error_that_the_files_are_held(tmp_path: Path) -> None:
    collection = EdgeCollection(tmp_path / "shard", CHAT_HISTORY)
    with pytest.raises(StorageError, match="another process has it open"):
        EdgeCollection(tmp_path / "shard", CHAT_HISTORY)
    collection.close()


def test_a_collection_whose_creation_was_killed_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: str, _configuration: object) -> None:
        (Path(path) / "segments" / "half").mkdir(parents=True)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(qdrant_edge.EdgeShard, "create", staticmethod(killed))
        with pytest.raises(SystemExit):
            EdgeCollection(tmp_path / "shard", CHAT_HISTORY)

    collection = EdgeCollection(tmp_path / "shard", CHAT_HISTORY)
    collection.upsert([message()])
    assert collection.count(PointFilter()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["shard"]
    collection.close()
