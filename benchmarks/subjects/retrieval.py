"""How well search finds, on labelled queries, beside its own vectors and its own lexical index each alone."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.child import MODELS
from benchmarks.figure import Figure
from benchmarks.stores import new_folder, settings_in
from cloudops_nb.demo import down, up
from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Sparse, VectorQuery
from cloudops_nb.storage.estate.lexicon import words
from cloudops_nb.storage.estate.points import EstatePoints
from cloudops_nb.storage.estate.terms import EstateTerms
from cloudops_nb.storage.estate.vectors import EstateVectors
from cloudops_nb.storage.facade import StorageService
from tests.retrieval.estates import LARGE, excerpt, generated, scanned
from tests.retrieval.evaluation import KINDS, by_kind, evaluate, questions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.model import Resource
    from tests.retrieval.evaluation import Score

    Search = Callable[[str, int], Sequence[Resource]]

WAYS = ("fused", "dense only", "lexical only")
MEASURES = ("recall@1", "recall@5", "MRR")
#: A ratio to nothing says nothing.
LEAST = 0.001


def run(*, quick: bool) -> Iterator[Figure]:
    """Ask every labelled query three ways, of the demo's estate and of a generated one."""
    embedder = open_embedder(Settings(embedding_path=MODELS))
    scores: dict[str, list[Score]] = {way: [] for way in WAYS}
    for name, estate in (("demo", _demo()), ("generated", _generated(quick=quick))):
        with _ways(estate, embedder) as ways:
            for way, search in ways.items():
                scores[way] += evaluate(search, questions(name), estate)
    for part, kept in (("", (False, True)), (", held out", (True,)), (", tuned", (False,))):
        chosen = {way: [one for one in found if one.question.held_out in kept] for way, found in scores.items()}
        means = {way: by_kind(found) for way, found in chosen.items()}
        counts = {kind: sum(one.question.kind == kind for one in chosen["fused"]) for kind in KINDS}
        for kind in KINDS:
            # Of the parts, one measure says enough.
            for place, measure in enumerate(MEASURES) if not part else [(1, MEASURES[1])]:
                value, *beside = (means[way][kind][place] for way in WAYS)
                for way, reference in zip(WAYS[1:], beside, strict=True):
                    name = f"{kind}, {measure}{part}"
                    yield Figure(name, value, "", max(reference, LEAST), way, "higher", counts[kind])


def _generated(*, quick: bool) -> list[Resource]:
    estate = generated(LARGE)
    return excerpt(estate, questions("generated")) if quick else estate


def _demo() -> list[Resource]:
    with tempfile.TemporaryDirectory() as folder:
        running = up(Path(folder), transition_seconds=0.0)
        try:
            return scanned(running)
        finally:
            down(Path(folder))


@contextmanager
def _ways(estate: Sequence[Resource], embedder: Embedder) -> Iterator[dict[str, Search]]:
    """The product's search, and one query of its index with the whole text as a vector, or as words and trigrams."""
    with new_folder() as folder, StorageService(settings_in(folder), lambda: embedder) as storage:
        storage.estate.upsert(estate, scan_id="benchmark")
        vectors, terms = (
            EstateVectors(lambda: embedder, storage.vault.rotation),
            EstateTerms(storage.vault.blind_index),
        )
        points = EstatePoints(storage.vault)
        by_id = {points.point_id(resource): resource for resource in estate}

        def nearest(vector: bytes | Sparse, limit: int) -> list[Resource]:
            (hits,) = storage.vector_store.query(AWS_ESTATE.name, [VectorQuery(vector, limit)])
            return [by_id[hit.id] for hit in hits]

        def lexical(query: str, limit: int) -> list[Resource]:
            return nearest(terms.words(words(query)) + terms.grams(query), limit)

        yield {
            "fused": lambda query, limit: [hit.resource for hit in storage.estate.search(query, limit=limit)],
            "dense only": lambda query, limit: nearest(vectors.of([query])[0], limit),
            "lexical only": lexical,
        }
