"""A full store's first answer: as it was written, tidied, and shared; beside the bare engine and local mode."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING

from filelock import FileLock
from qdrant_client import QdrantClient, models
from qdrant_edge import CountRequest, EdgeShard

from benchmarks.estate import resources
from benchmarks.figure import Figure, median
from benchmarks.stores import SeededEmbedder, end_owner, new_folder, settings_in
from cloudops_nb.storage.engines.owner.endpoint import OwnerPaths
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.facade import StorageService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.settings import Settings

LOCAL = 10_000
RUNS = 3
BARE = "Qdrant Edge alone, in this process, the same files"


def run(*, quick: bool) -> Iterator[Figure]:
    """Milliseconds from making a service to the estate's count."""
    beside = 1_000 if quick else LOCAL
    reference, local = _local(beside), f"qdrant-client local mode with {beside:,}"
    for count in (1_000,) if quick else (10_000, 100_000):
        with new_folder() as folder:
            settings = settings_in(folder)
            with StorageService(settings, SeededEmbedder) as storage:
                start = time.perf_counter()
                storage.estate.upsert(list(resources(count)), scan_id="benchmark")
                writing = time.perf_counter() - start
            written = [_first_answer(settings, before=_end_owner) for _ in range(RUNS)]
            shared = [_first_answer(settings, before=_keep_owner) for _ in range(RUNS)]
            _end_owner(settings)
            engine = [_load(settings) for _ in range(RUNS)]
            tidying = _tidied(settings)
            tidied = [_first_answer(settings, before=_end_owner) for _ in range(RUNS)]
            _end_owner(settings)
            engine_tidied = [_load(settings) for _ in range(RUNS)]
        name = f"open {count:,}"
        yield Figure(f"{name}, no owner runs", median(tidied), "ms", reference, local, runs=RUNS)
        yield Figure(f"{name}, no owner runs", median(tidied), "ms", median(engine_tidied), BARE, runs=RUNS)
        yield Figure(
            f"{name}, no owner runs, never idle since the write", median(written), "ms", median(engine), BARE, runs=RUNS
        )
        yield Figure(f"{name}, another kernel has it open", median(shared), "ms", reference, local, runs=RUNS)
        yield Figure(f"tidy {count:,} once idle", tidying, "s", writing, "writing them, without embedding")


def _first_answer(settings: Settings, before: Callable[[Settings], None]) -> float:
    before(settings)
    start = time.perf_counter()
    with StorageService(settings, SeededEmbedder) as storage:
        assert storage.estate.count()
        return (time.perf_counter() - start) * 1e3


def _end_owner(settings: Settings) -> None:
    end_owner(settings.data_path)


def _keep_owner(_settings: Settings) -> None:
    """The owner stays for a while after its last kernel."""


def _tidied(settings: Settings) -> float:
    """Let an owner that wrote end by itself, and wait until it has tidied; returns the seconds of that."""
    paths = OwnerPaths(settings.data_path)
    with StorageService(settings.model_copy(update={"qdrant_idle_seconds": 0.1}), SeededEmbedder) as storage:
        storage.estate.upsert(list(resources(1)), scan_id="benchmark")
    while not paths.optimiser_pid.exists():
        time.sleep(0.01)
    start = time.perf_counter()
    with FileLock(paths.optimisation_lock):
        return time.perf_counter() - start


def _load(settings: Settings) -> float:
    start = time.perf_counter()
    shard = EdgeShard.load(str(settings.data_path / "qdrant" / AWS_ESTATE.name))
    assert shard.count(CountRequest())
    milliseconds = (time.perf_counter() - start) * 1e3
    shard.close()
    return milliseconds


def _local(count: int) -> float:
    vectors = SeededEmbedder().embed([""] * count).tolist()
    points = [
        models.PointStruct(id=number, vector=vector, payload=resource.to_dict())
        for number, (resource, vector) in enumerate(zip(resources(count), vectors, strict=True))
    ]
    with tempfile.TemporaryDirectory() as folder:
        client = QdrantClient(path=folder)
        client.create_collection("estate", models.VectorParams(size=384, distance=models.Distance.COSINE))
        for start in range(0, count, 256):
            client.upsert("estate", points[start : start + 256])
        client.close()
        started = time.perf_counter()
        client = QdrantClient(path=folder)
        assert client.count("estate").count == count
        milliseconds = (time.perf_counter() - started) * 1e3
        client.close()
    return milliseconds
