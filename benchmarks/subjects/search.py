"""A question over the encrypted estate, from text to DataFrame, beside others that hold the vectors in the clear."""

from __future__ import annotations

import hashlib
import tempfile
import time
import warnings
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qdrant_client import QdrantClient, models

from benchmarks.child import IDLE_SECONDS, MODELS
from benchmarks.estate import resources
from benchmarks.figure import Figure, median, percentile
from cloudops_nb.client.frames import hits_frame, resources_frame
from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings
from cloudops_nb.storage.estate.description import environment_of, wording_of
from cloudops_nb.storage.facade import StorageService
from tests.retrieval.evaluation import questions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.model import Resource
    from cloudops_nb.storage.estate.store import EstateStore

    Answer = Callable[[str], pd.DataFrame]

BRUTE_FORCE = "NumPy brute force, unencrypted"
LOCAL_MODE = "qdrant-client local mode, unencrypted"
LIMIT = 10
#: Descriptions share this many vectors: what is measured is search, and embedding 100,000 texts would take minutes.
DISTINCT = 2_000
#: Local mode takes a second for each.
LOCAL_QUESTIONS = 8
COLLECTION = "resources"
#: What both references can filter by.
FILTERS = ("type", "environment", "region")


def run(*, quick: bool) -> Iterator[Figure]:
    """Time from a question's text to the DataFrame; the references embed the question too."""
    embedder = _FewVectors(open_embedder(Settings(embedding_path=MODELS)))
    for count in (1_000,) if quick else (10_000, 100_000):
        estate = list(resources(count))
        with _loaded(estate, embedder) as store, tempfile.TemporaryDirectory() as folder:
            matrix = embedder.documents([wording_of(resource).description for resource in estate])
            brute_force = _BruteForce(estate, matrix, embedder, store)
            with closing(QdrantClient(path=folder)) as client:
                local_mode = _LocalMode(client, estate, matrix, embedder, store)
                for name, asked in _questions(store, quick=quick).items():
                    figure = f"search {count:,} resources{name}"
                    # No question twice: the product remembers the vectors of the latest ones.
                    many, few = asked[:-LOCAL_QUESTIONS], asked[-LOCAL_QUESTIONS:]
                    yield from _figures(figure, _ours(store), brute_force, many, BRUTE_FORCE)
                    yield from _figures(figure, _ours(store), local_mode, few, LOCAL_MODE)


def _questions(store: EstateStore, *, quick: bool) -> dict[str, list[str]]:
    """The labelled queries: those of which nothing becomes a filter, and the others. The demo's warm the store up."""
    for asked in questions("demo"):
        hits_frame(store.search(asked.query), scored=True)
    texts = [asked.query for asked in questions("generated")]
    found = {"": [text for text in texts if not store.understand(text).filters]}
    found[", with filters"] = [text for text in texts if text not in found[""]]
    return {name: chosen[:20] if quick else chosen for name, chosen in found.items()}


def _ours(store: EstateStore) -> Answer:
    return lambda query: hits_frame(store.search(query, limit=LIMIT), scored=True)


def _figures(name: str, ours: Answer, reference: Answer, asked: Sequence[str], beside: str) -> Iterator[Figure]:
    value, other = _times(ours, reference, asked)
    yield Figure(f"{name}, p50", median(value), "ms", median(other), beside, runs=len(asked))
    if beside == BRUTE_FORCE:
        yield Figure(f"{name}, p95", percentile(value, 0.95), "ms", percentile(other, 0.95), beside, runs=len(asked))


def _times(ours: Answer, reference: Answer, asked: Sequence[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of each question; the two take turns, so that a busy moment of the machine meets both."""
    milliseconds: tuple[list[float], list[float]] = ([], [])
    for text in asked:
        for answer, times in zip((ours, reference), milliseconds, strict=True):
            start = time.perf_counter()
            answer(text)
            times.append((time.perf_counter() - start) * 1e3)
    return milliseconds


@contextmanager
def _loaded(estate: Sequence[Resource], embedder: _FewVectors) -> Iterator[EstateStore]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_path=Path(folder) / "store", key_source="file", qdrant_idle_seconds=IDLE_SECONDS)
        with StorageService(settings, lambda: embedder) as storage:
            embedder.loading = True
            storage.estate.upsert(estate, scan_id="benchmark")
            embedder.loading = False
            storage.flush()
            yield storage.estate


class _FewVectors:
    """An embedder that gives documents one of few vectors while a store is loaded, and embeds queries for real."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.dimension, self.model_id = embedder.dimension, embedder.model_id
        self.loading = False
        self._vectors: dict[int, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.documents(texts) if self.loading else self._embedder.embed(texts)

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        shares = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % DISTINCT for text in texts]
        new = {share: text for share, text in zip(shares, texts, strict=True) if share not in self._vectors}
        if new:
            self._vectors.update(zip(new, self._embedder.embed(list(new.values())), strict=True))
        return np.stack([self._vectors[share] for share in shares])


def _facets(resource: Resource) -> dict[str, str]:
    """What the references may filter by, in the clear."""
    return {"type": resource.resource_type, "environment": environment_of(resource), "region": resource.region}


class _BruteForce:
    """Every vector in one matrix; what a question filters by is one boolean array a value, ready beforehand."""

    def __init__(
        self, estate: Sequence[Resource], matrix: NDArray[np.float32], embedder: Embedder, store: EstateStore
    ) -> None:
        self._estate, self._matrix, self._embedder, self._store = estate, matrix, embedder, store
        self._columns = {name: np.array([_facets(resource)[name] for resource in estate]) for name in FILTERS}

    def __call__(self, query: str) -> pd.DataFrame:
        scores = self._matrix @ self._embedder.embed([query])[0]
        for name, values in _filters(self._store, query).items():
            scores[~np.isin(self._columns[name], values)] = -np.inf
        best = np.argpartition(-scores, LIMIT)[:LIMIT]
        return resources_frame([self._estate[row] for row in best[np.argsort(-scores[best])]])


class _LocalMode:
    """Qdrant's own client without a server, on a folder, with the same vectors and a plain payload."""

    def __init__(
        self,
        client: QdrantClient,
        estate: Sequence[Resource],
        matrix: NDArray[np.float32],
        embedder: Embedder,
        store: EstateStore,
    ) -> None:
        self._client, self._estate, self._embedder, self._store = client, estate, embedder, store
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it advises against more than 20,000 points, which is what is measured
            parameters = models.VectorParams(size=matrix.shape[1], distance=models.Distance.COSINE)
            client.create_collection(COLLECTION, vectors_config=parameters)
            client.upload_collection(COLLECTION, matrix, map(_facets, estate), range(len(estate)))

    def __call__(self, query: str) -> pd.DataFrame:
        fields = [
            models.FieldCondition(key=name, match=models.MatchAny(any=list(values)))
            for name, values in _filters(self._store, query).items()
        ]
        vector = self._embedder.embed([query])[0]
        found = self._client.query_points(
            COLLECTION, vector, query_filter=models.Filter(must=fields) if fields else None, limit=LIMIT
        )
        return resources_frame([self._estate[int(point.id)] for point in found.points])


def _filters(store: EstateStore, query: str) -> Mapping[str, Sequence[str]]:
    """What the product reads out of a question, so that all three filter by the same."""
    read = store.understand(query).filters
    return {name: read[name] for name in FILTERS if name in read}
