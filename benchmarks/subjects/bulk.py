"""Writing an estate and scanning it again unchanged, beside qdrant-client's local mode and the bare engine."""

from __future__ import annotations

import tempfile
import time
import uuid
from array import array
from functools import partial
from typing import TYPE_CHECKING, Any

import qdrant_edge
from qdrant_client import QdrantClient, models

from benchmarks.estate import resources
from benchmarks.figure import Figure
from benchmarks.stores import SeededEmbedder, cpu_seconds, new_storage, owner_pid
from cloudops_nb.storage.estate.description import wording_of
from cloudops_nb.storage.estate.points import EstatePoints
from cloudops_nb.storage.estate.terms import EstateTerms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.facade import StorageService

SAMPLE = 2_000
#: Fields with one blind value each.
SINGLE_FIELDS = (
    "account_id", "account_name", "region", "service", "resource_type", "state", "name", "identifier", "arn",
)  # fmt: skip
FRAME = 256


def run(*, quick: bool) -> Iterator[Figure]:
    """Seconds to write an estate and to write it again; embedding costs nothing here, on either side."""
    local = _local_seconds(list(resources(SAMPLE))) / SAMPLE
    for count in (1_000,) if quick else (1_000, 10_000, 100_000):
        estate = list(resources(count))
        with new_storage() as (storage, data_path):
            kernel, owner = time.process_time(), cpu_seconds(owner_pid(data_path))
            seconds = _seconds(partial(storage.estate.upsert, estate, scan_id="first"))
            kernel, owner = time.process_time() - kernel, cpu_seconds(owner_pid(data_path)) - owner
            again = _seconds(partial(storage.estate.upsert, estate, scan_id="second"))
            secret = _secret_seconds(storage, estate)
        name = f"write {count:,} resources"
        yield Figure(
            name, seconds, "s", local * count, f"qdrant-client local mode, unencrypted, scaled from {SAMPLE:,}"
        )
        yield Figure(name, seconds, "s", _engine_seconds(estate), "Qdrant Edge in this process, unencrypted")
        yield Figure(f"scan {count:,} again, unchanged", again, "s", seconds, "writing them")
        yield Figure(
            f"encryption, blind values, tokens and rotation of {count:,}, timed alone, of all CPU time",
            100 * secret / (kernel + owner),
            "%",
            100 * owner / (kernel + owner),
            "the process with the engine",
        )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _secret_seconds(storage: StorageService, estate: Sequence[Resource]) -> float:
    """CPU time of everything that a store without secrets would not do, with caches as full as in a long scan."""
    vault = storage.vault
    points, terms = EstatePoints(vault), EstateTerms(vault.blind_index)
    drafts = [(each, points.content(each), wording_of(each)) for each in estate]
    vectors = SeededEmbedder().embed([""] * FRAME)
    start = time.process_time()
    for resource, content, wording in drafts:
        point_id = points.point_id(resource)
        hashes = points.hashes(resource, content, wording, SeededEmbedder.model_id)
        points.payload(resource, content, wording.traits, point_id, hashes)
        terms.of(resource, wording)
    for _ in range(0, len(estate), FRAME):
        vault.rotation.apply(vectors)
    return time.process_time() - start


def _plain(resource: Resource) -> dict[str, Any]:
    """The payload of a store that keeps no secret: what is filtered by, and all of the resource."""
    return {**{name: getattr(resource, name) for name in SINGLE_FIELDS}, "data": resource.to_dict()}


def _local_seconds(estate: Sequence[Resource]) -> float:
    vectors = SeededEmbedder().embed([""] * len(estate)).tolist()
    points = [
        models.PointStruct(id=str(uuid.uuid4()), vector=vector, payload=_plain(each))
        for each, vector in zip(estate, vectors, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        client = QdrantClient(path=folder)
        client.create_collection("estate", models.VectorParams(size=384, distance=models.Distance.COSINE))
        seconds = _seconds(
            lambda: [client.upsert("estate", points[at : at + FRAME]) for at in range(0, len(points), FRAME)]
        )
        client.close()
    return seconds


def _engine_seconds(estate: Sequence[Resource]) -> float:
    """Writing plain points with the same indexes; only making the engine's own objects and its write are timed."""
    vectors = SeededEmbedder().embed([""] * len(estate))
    configuration = qdrant_edge.EdgeConfig(
        vectors={"dense": qdrant_edge.EdgeVectorParams(384, qdrant_edge.Distance.Cosine)}, wal_enabled=True
    )
    with tempfile.TemporaryDirectory() as folder:
        shard = qdrant_edge.EdgeShard.create(folder, configuration)
        for name in (*SINGLE_FIELDS, "tags", "tag_keys"):
            keyword = qdrant_edge.PayloadSchemaType.Keyword
            shard.update(qdrant_edge.UpdateOperation.create_field_index(name, keyword))
        # Any: the engine takes a buffer too, which its stubs do not say.
        made: list[tuple[str, Any, dict[str, Any]]] = [
            (str(uuid.uuid4()), array("f", row.tobytes()), _plain(each))
            for each, row in zip(estate, vectors, strict=True)
        ]

        def write() -> None:
            for start in range(0, len(made), FRAME):
                points = [
                    qdrant_edge.Point(each, {"dense": row}, plain) for each, row, plain in made[start : start + FRAME]
                ]
                shard.update(qdrant_edge.UpdateOperation.upsert_points(points))

        seconds = _seconds(write)
        shard.close()
    return seconds
