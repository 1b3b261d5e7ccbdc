"""An idle store is optimised so that it opens fast; a new client does not wait for that, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from array import array
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import numpy as np
import pytest
import qdrant_edge
from filelock import FileLock, Timeout

from cloudops_nb.storage.engines.edge import EdgeCollection
from cloudops_nb.storage.engines.edge_shard import optimise_shard
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.engines.owner.shard_optimisation import optimise_shards
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import AnyOf, Point, PointFilter, Scored, Sparse, StoredRow, VectorQuery
from tests.waiting import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: More than is left as it was written.
MANY = 12_000
BATCH = 500
EVERYTHING = PointFilter()
ODD = PointFilter([AnyOf("groups", [1])])


CHILD = """
import sys
from pathlib import Path
from cloudops_nb.storage.engines.edge_shard import optimise_shard
from cloudops_nb.storage.engines.schema import AWS_ESTATE
print("begin", flush=True)
optimise_shard(Path(sys.argv[1]), AWS_ESTATE)
"""
#: Tidies a store as its idle owner does, and stays at the first shard.
STAYS = """
import sys
from pathlib import Path
from filelock import FileLock
from cloudops_nb.storage.engines import edge_shard
from cloudops_nb.storage.engines.owner.endpoint import OwnerPaths
from cloudops_nb.storage.engines.owner.shard_optimisation import optimise_shards

def stay(*_):
    print("optimising", flush=True)
    sys.stdin.read()

edge_shard.optimise_shard = stay
paths = OwnerPaths(Path(sys.argv[1]))
with FileLock(paths.lock, mode=0o600) as owned:
    optimise_shards(paths, owned)
"""


class Answers(NamedTuple):
    """What is asked before and after."""

    total: int
    odd: int
    meaning: Sequence[Scored]
    words: Sequence[Scored]
    groups: Mapping[str | int, int]
    rows: Sequence[Point]


def points(start: int, count: int) -> list[Point]:
    dense = np.random.default_rng(start).standard_normal((count, 384), dtype=np.float32)
    found = []
    for number in range(start, start + count):
        sparse = Sparse(array("I", [number % 97, 100 + number % 31]).tobytes(), array("f", [1.0, 2.0]).tobytes())
        payload = {"groups": [number % 2, 2 + number % 5], "marks": [1000 + number], "scan": 1, "seen": float(number)}
        found.append(
            Point(str(UUID(int=number)), {**payload, "data": "x" * 50}, dense[number - start].tobytes(), sparse)
        )
    return found


def answers(store: EdgeCollection) -> Answers:
    meaning, words = store.query([_meaning(), _words()])
    page, _ = store.points_page(ODD, 100, None)
    return Answers(store.count(EVERYTHING), store.count(ODD), meaning, words, store.facet("groups", ODD), page)


def told(client: OwnerClient) -> tuple[int, Sequence[StoredRow]]:
    """What an owner answers."""
    ids = [str(UUID(int=number)) for number in range(50)]
    return client.count(AWS_ESTATE.name, EVERYTHING), client.retrieve(AWS_ESTATE.name, ids, ("groups", "marks", "data"))


def _meaning() -> VectorQuery:
    return VectorQuery(points(0, 1)[0].dense, 20, ODD)


def _words() -> VectorQuery:
    return VectorQuery(Sparse(array("I", [5, 109]).tobytes(), array("f", [1.0, 1.0]).tobytes()), 3, EVERYTHING)


def is_optimised(shard: Path) -> bool:
    """Whether a segment of the shard is one that is mapped."""
    kinds = [
        json.loads(file.read_text())["config"]["sparse_vector_data"] for file in shard.glob("segments/*/segment.json")
    ]
    return any(kind["lexical"]["index"]["index_type"] == "Mmap" for kind in kinds)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard as it was written, which tests copy."""
    shard = tmp_path_factory.mktemp("written") / "aws_estate"
    collection = EdgeCollection(shard, AWS_ESTATE)
    for start in range(0, MANY, BATCH):
        collection.upsert(points(start, BATCH))
    collection.close()
    return shard


@pytest.fixture
def folder(tmp_path: Path, written: Path) -> Path:
    path = tmp_path / "store"
    OwnerPaths(path).folder.mkdir(mode=0o700, parents=True)
    shutil.copytree(written, OwnerPaths(path).folder / AWS_ESTATE.name)
    return path


def shard_of(folder: Path) -> Path:
    return OwnerPaths(folder).folder / AWS_ESTATE.name


def test_optimising_changes_no_answer_and_is_done_once(tmp_path: Path, written: Path) -> None:
    shard = tmp_path / "aws_estate"
    shutil.copytree(written, shard)
    before = EdgeCollection(shard, AWS_ESTATE)
    expected = answers(before)
    before.close()

    assert (optimise_shard(shard, AWS_ESTATE), optimise_shard(shard, AWS_ESTATE)) == (True, False)

    after = EdgeCollection(shard, AWS_ESTATE)
    assert (is_optimised(written), is_optimised(shard)) == (False, True)
    assert answers(after)._replace(meaning=(), words=()) == expected._replace(meaning=(), words=())
    for found, known in zip(answers(after)[2:4], expected[2:4], strict=True):
        assert [round(hit.score, 3) for hit in found] == [round(hit.score, 3) for hit in known]
    after.upsert(points(MANY, BATCH))
    after.delete(PointFilter([AnyOf("marks", [1000])]))
    assert after.count(EVERYTHING) == MANY + BATCH - 1
    after.close()


def test_a_shard_whose_indexes_lie_in_memory_gets_them_on_disk(tmp_path: Path) -> None:
    shard = tmp_path / "aws_estate"
    collection = EdgeCollection(shard, AWS_ESTATE)
    collection.upsert(points(0, BATCH))
    for name in ("marks", "seen"):
        kind = qdrant_edge.IntegerIndexParams(lookup=True, range=False) if name == "marks" else None
        collection._shard.update(qdrant_edge.UpdateOperation.delete_field_index(name))
        index = kind or qdrant_edge.PayloadSchemaType.Float
        collection._shard.update(qdrant_edge.UpdateOperation.create_field_index(name, index))
    collection.close()

    optimise_shard(shard, AWS_ESTATE)

    optimised = EdgeCollection(shard, AWS_ESTATE)
    held = optimised._shard.info().payload_schema
    assert {name: getattr(held[name].params, "memory", None) for name in AWS_ESTATE.indexes} == {
        "groups": None,
        "marks": qdrant_edge.Memory.Cached,
        "scan": qdrant_edge.Memory.Cached,
        "seen": qdrant_edge.Memory.Cached,
    }
    assert optimised.count(PointFilter([AnyOf("marks", [1001])])) == 1
    optimised.close()


def optimised_in_child(shard: Path, kill_after: float | None = None) -> float:
    """Optimise in a child process, killed after ``kill_after`` seconds; return the seconds that it took."""
    with subprocess.Popen([sys.executable, "-c", CHILD, shard], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "begin\n"
        start = time.monotonic()
        try:
            child.wait(kill_after)
        except subprocess.TimeoutExpired:
            child.kill()
        return time.monotonic() - start


def test_killed_at_any_moment_it_loses_nothing_and_leaves_nothing(tmp_path: Path, written: Path) -> None:
    reference = EdgeCollection(written, AWS_ESTATE)
    expected = answers(reference)
    reference.close()
    shutil.copytree(written, tmp_path / "whole")
    took = optimised_in_child(tmp_path / "whole")
    for part in range(1, 4):
        shard = tmp_path / str(part)
        shutil.copytree(written, shard)
        optimised_in_child(shard, kill_after=took * part / 4)

        killed = EdgeCollection(shard, AWS_ESTATE)
        found = answers(killed)
        killed.close()
        assert found._replace(meaning=(), words=()) == expected._replace(meaning=(), words=())
        assert len(found.meaning) == len(expected.meaning)
    optimise_shard(shard, AWS_ESTATE)
    assert not list(shard.glob("temp_segments/*"))
    assert is_optimised(shard)


def test_an_idle_owner_optimises_unless_it_only_read(folder: Path) -> None:
    paths = OwnerPaths(folder)
    with closing(OwnerClient(folder, idle_seconds=0.2)) as reader:
        expected = told(reader)
    until(lambda: not paths.endpoint.exists(), "the idle exit")
    assert not is_optimised(shard_of(folder))

    with closing(OwnerClient(folder, idle_seconds=0.2)) as writer:
        writer.upsert(AWS_ESTATE.name, points(0, 1))
        writer.flush()
    # The optimising process writes its file before it releases the owner's lock.
    FileLock(paths.lock, timeout=DEADLINE_SECONDS).acquire().lock.release()
    until(lambda: not paths.optimiser_pid.exists(), "the end of the optimisation")
    assert is_optimised(shard_of(folder))

    with closing(OwnerClient(folder, idle_seconds=0.2)) as reader:
        assert told(reader) == expected


def test_a_new_client_ends_the_optimisation_which_is_done_later(folder: Path) -> None:
    paths = OwnerPaths(folder)
    with closing(OwnerClient(folder, idle_seconds=0.2)) as reader:
        expected = told(reader)
    # It gets the owner's lock once the owner that only read is gone.
    command = [sys.executable, "-c", STAYS, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as optimiser:
        assert optimiser.stdout
        assert optimiser.stdout.readline() == "optimising\n"
        with closing(OwnerClient(folder, idle_seconds=0.2)) as reader:
            assert told(reader) == expected
            assert optimiser.wait(DEADLINE_SECONDS) == -signal.SIGKILL
            assert paths.optimiser_pid.exists()
    until(lambda: not paths.optimiser_pid.exists(), "the optimisation by the next owner, though it wrote nothing")
    assert is_optimised(shard_of(folder))


def test_a_terminated_owner_leaves_the_optimisation_to_another(folder: Path) -> None:
    with closing(OwnerClient(folder, idle_seconds=30)) as writer:
        writer.upsert(AWS_ESTATE.name, points(0, 1))
        endpoint = Endpoint.read(OwnerPaths(folder).endpoint)
        assert endpoint
        os.kill(endpoint.pid, signal.SIGTERM)
        with FileLock(OwnerPaths(folder).lock, timeout=DEADLINE_SECONDS):
            assert not OwnerPaths(folder).optimiser_pid.exists()


def test_nothing_is_optimised_where_the_disk_could_fill(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    size = sum(file.stat().st_size for file in shard_of(folder).rglob("*") if file.is_file())
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=size + (64 << 20)))
    monkeypatch.setattr(os, "nice", lambda _: 0)
    handler = signal.getsignal(signal.SIGTERM)
    with FileLock(OwnerPaths(folder).lock) as owned:
        optimise_shards(OwnerPaths(folder), owned)
        assert not owned.is_locked
    signal.signal(signal.SIGTERM, handler)

    assert "too little disk space is free" in caplog.text
    assert not is_optimised(shard_of(folder))


def test_the_owners_lock_is_given_up_only_when_the_next_owner_can_end_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, seen = OwnerPaths(folder), []
    with FileLock(paths.lock) as owned:

        def released(*_: object, **__: object) -> None:
            with pytest.raises(Timeout):
                FileLock(paths.optimisation_lock).acquire(timeout=0)
            seen.append(int(paths.optimiser_pid.read_text()))

        monkeypatch.setattr(os, "nice", lambda _: 0)
        monkeypatch.setattr(owned, "release", released)
        handler = signal.getsignal(signal.SIGTERM)
        optimise_shards(paths, owned)
        signal.signal(signal.SIGTERM, handler)
        monkeypatch.undo()

    assert seen == [os.getpid()]
