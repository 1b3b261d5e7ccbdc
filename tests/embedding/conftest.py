"""The embedder under test, and its reference, each opened once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.embedding import Embedder

ROOT = Path(__file__).parents[2]
#: Texts that the export's own check does not use.
TEXTS = (
    "",
    "queue",
    "MySQL database in staging for app checkout",
    "EC2 virtual machine, stopped, owned by team search; tags: role jenkins, tier build",
    "Lambda function that resizes images, Python, production",
    "größere Datenbank für Übungszwecke",
    "本番データベース",
    "🚀 deploy\tnow\n\n",
    "arn:aws:s3:::logs-archive-2024",
    "one two three four five six seven eight nine ten " * 40,
)
REFERENCE = """
import sys, json, numpy
from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings
embedder = open_embedder(Settings(embedding_backend="sentence-transformers"))
assert embedder.embed([]).shape == (0, embedder.dimension)
numpy.save(sys.argv[1], embedder.embed(json.loads(sys.argv[2])))
print(embedder.model_id)
"""


@pytest.fixture(scope="session")
def texts() -> Sequence[str]:
    return TEXTS


@pytest.fixture(scope="session")
def settings(models_path: Path) -> Settings:
    return Settings(embedding_path=models_path)


@pytest.fixture(scope="session")
def embedder(settings: Settings) -> Embedder:
    return open_embedder(settings)


@pytest.fixture(scope="session")
def run_python() -> Callable[..., str]:
    """Run a script in a child, which finds the package here, and return what it prints."""

    def run(script: str, *arguments: str) -> str:
        child = subprocess.run(
            [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert child.returncode == 0, child.stderr
        return child.stdout

    return run


@pytest.fixture(scope="session")
def reference(run_python: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, np.ndarray]:
    """The model id and the vectors of TEXTS by sentence-transformers itself, from a child."""
    path = tmp_path_factory.mktemp("reference") / "vectors.npy"
    model_id = run_python(REFERENCE, str(path), json.dumps(TEXTS)).strip()
    return model_id, np.load(path)
