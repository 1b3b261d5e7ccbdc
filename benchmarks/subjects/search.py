"""A question in words over the encrypted estate, beside brute force over the same vectors in plain memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from benchmarks.child import IDLE_SECONDS, MODELS
from benchmarks.estate import questions, resources
from benchmarks.figure import Figure, median, percentile
from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings
from cloudops_nb.storage.description import describe
from cloudops_nb.storage.service import StorageService

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.model import Resource

REFERENCE_NAME = "NumPy brute force, unencrypted"
LIMIT = 10


class Search(Protocol):
    """A way to answer a question."""

    def __call__(self, query: str, /, *, limit: int) -> Sequence[object]: ...


def run(*, quick: bool) -> Iterator[Figure]:
    """Time from a question's text to its hits; the reference embeds the question too."""
    embedder = _Recorder(open_embedder(Settings(embedding_path=MODELS)))
    asked = questions(40 if quick else 160)
    for count in (1_000,) if quick else (1_000, 10_000):
        estate = list(resources(count))
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                data_path=Path(folder) / "store",
                embedding_path=MODELS,
                key_source="file",
                qdrant_idle_seconds=IDLE_SECONDS,
            )
            with StorageService(settings, lambda: embedder) as storage:
                storage.estate.upsert(estate, scan_id="benchmark")
                ours, reference = _times(storage.estate.search, _brute_force(estate, embedder), asked)
        for name, value, beside in (
            ("p50", median(ours), median(reference)),
            ("p95", percentile(ours, 0.95), percentile(reference, 0.95)),
        ):
            yield Figure(f"search {count:,} resources, {name}", value, "ms", beside, REFERENCE_NAME, runs=len(asked))


def _times(ours: Search, reference: Search, asked: Sequence[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of each question; the two take turns, so that a busy moment of the machine meets both."""
    milliseconds: tuple[list[float], list[float]] = ([], [])
    for text in asked:
        for search, times in zip((ours, reference), milliseconds, strict=True):
            start = time.perf_counter()
            found = search(text, limit=LIMIT)
            times.append((time.perf_counter() - start) * 1e3)
            assert found, text
    return milliseconds


class _Recorder:
    """An embedder that keeps every vector it made, so that the reference need not make them again."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.dimension, self.model_id = embedder.dimension, embedder.model_id
        self.vectors: dict[str, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self._embedder.embed(texts)
        self.vectors.update(zip(texts, vectors, strict=True))
        return vectors


def _brute_force(estate: Sequence[Resource], embedder: _Recorder) -> Search:
    matrix = np.stack([embedder.vectors[describe(resource)] for resource in estate])

    def search(query: str, *, limit: int) -> list[Resource]:
        scores = matrix @ embedder.embed([query])[0]
        best = np.argpartition(-scores, limit)[:limit]
        return [estate[row] for row in best[np.argsort(-scores[best])]]

    return search
