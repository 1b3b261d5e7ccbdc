"""The ONNX embedder beside sentence-transformers on torch: start, one query, many texts, and agreement."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmarks.child import MODELS, run_child
from benchmarks.figure import Figure, median
from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE_NAME = "sentence-transformers, torch fp32"
SCRIPT = """
import json, sys, time
from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import load_settings
backend, texts, vectors = sys.argv[1:]
embedder = open_embedder(load_settings(embedding_backend=backend))
embedder.embed(["production postgres databases"])
first = time.monotonic() - STARTED
texts = json.loads(texts)
result = {"first": first * 1e3}
import numpy
queries = []
for text in texts[:100]:
    start = time.perf_counter()
    embedder.embed([" ".join(text.split()[:5])])
    queries.append((time.perf_counter() - start) * 1e3)
result["query"] = sorted(queries)[50]
start, cpu = time.perf_counter(), time.process_time()
found = embedder.embed(texts)
result["bulk"] = len(texts) / (time.perf_counter() - start)
result["cpu"] = (time.process_time() - cpu) / len(texts) * 1e3
numpy.save(vectors, found)
print(json.dumps(result))
"""
BACKENDS = ("onnx", "sentence-transformers")
MEASURES: tuple[tuple[str, str, str, Literal["lower", "higher"]], ...] = (
    ("process start to first vector", "first", "ms", "lower"),
    ("one query, p50", "query", "ms", "lower"),
    ("many texts", "bulk", "texts/s", "higher"),
    ("many texts, CPU time each", "cpu", "ms", "lower"),
)
KINDS = ("EC2 virtual machine", "PostgreSQL relational database", "Lambda function", "S3 bucket for objects", "queue")
STATES = ("in production, running", "in staging, stopped", "in development, available", "of unknown environment")
OWNERS = ("app payments, team billing", "app checkout", "owned by team search", "cost centre platform, role worker")
NOTES = ("primary", "a replica for reports that run at night", "cache in front of the catalogue", "")


def run(*, quick: bool) -> Iterator[Figure]:
    """Medians over fresh processes of both backends, which take turns."""
    open_embedder(Settings(embedding_path=MODELS))
    runs = 1 if quick else 3
    generator = random.Random(7)  # noqa: S311 - the same texts in every run
    texts = [_description(number, generator) for number in range(128 if quick else 256)]
    measured = [_both(texts) for _ in range(runs)]
    for name, key, unit, better in MEASURES:
        ours, reference = (median(results[side][key] for results, _ in measured) for side in (0, 1))
        yield Figure(name, ours, unit, reference, REFERENCE_NAME, better, runs)
    yield Figure(
        "lowest cosine", min(cosine for _, cosine in measured), "", 1.0, "the reference itself", "higher", runs
    )


def _description(number: int, generator: random.Random) -> str:
    """What is embedded of a resource, in kind and length; no two alike, as equal texts would be embedded once."""
    return f"{number} " + ", ".join(generator.choice(words) for words in (KINDS, STATES, OWNERS, NOTES))


def _both(texts: list[str]) -> tuple[list[dict[str, float]], float]:
    """Run both backends; return what they measured and the lowest cosine between their vectors."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{backend}.npy" for backend in BACKENDS]
        results = [
            run_child(SCRIPT, backend, json.dumps(texts), path) for backend, path in zip(BACKENDS, paths, strict=True)
        ]
        ours, reference = map(np.load, paths)
    return results, float((ours * reference).sum(axis=1).min())
