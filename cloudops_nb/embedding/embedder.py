"""What an embedder is, and how the one that the settings ask for is opened."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cloudops_nb.embedding.weights import Weights, find_weights, verify_weights
from cloudops_nb.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cloudops_nb.settings import Settings

_log = logging.getLogger(__name__)

#: An export takes seconds; a child that takes this long hangs.
EXPORT_TIMEOUT_SECONDS = 900.0
#: The child finds its model by path; a library that looked for a hub all the same would fail at once.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
#: All that the child gets of the environment: no key, no AWS credentials.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their cosine; safe to share between threads."""

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""

    @property
    def model_id(self) -> str:
        """The model's name and the start of its digest; vectors of different ids must not be compared."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, in order.

        Returns:
            ``(len(texts), dimension)`` float32, each row of length 1.
        """


def open_embedder(settings: Settings) -> Embedder:
    """Open the model and backend that the settings name.

    The first use of a model by the onnx backend exports it into ``settings.models_path``, which takes seconds;
    processes that do so at once wait for one another, and a killed export leaves nothing that is taken for a model.

    Raises:
        EmbeddingError: The model is missing or altered, or cannot be exported.
    """
    weights = find_weights(settings)
    if settings.embedding_backend == "sentence-transformers":
        from cloudops_nb.embedding.reference import SentenceTransformersEmbedder

        return SentenceTransformersEmbedder(weights)
    from cloudops_nb.embedding.onnx import OnnxEmbedder

    folder = settings.models_path / weights.model_id
    if not folder.is_dir():
        _export(weights, folder)
    return OnnxEmbedder(folder)


def _export(weights: Weights, folder: Path) -> None:
    """Run ``cloudops_nb.embedding.export`` in a child: torch costs seconds and half a gigabyte, once."""
    verify_weights(weights)
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    _log.info("exporting %s, once, to %s", weights.model_id, folder)
    command = [
        sys.executable,
        "-P",  # a notebook's folder may hold a module named like one of torch's
        "-m",
        "cloudops_nb.embedding.export",
        str(weights.path),
        str(folder),
    ]
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=EXPORT_TIMEOUT_SECONDS,
            env={**environment, **OFFLINE, "PYTHONPATH": _import_path()},
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() if error.returncode > 0 else []  # a killed child's last line misleads
        reason = said[-1] if said else f"its process ended with status {error.returncode}"
        raise EmbeddingError(f"the embedding model {weights.model_id} was not exported", reason) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddingError(f"the embedding model {weights.model_id} was not exported", str(error)) from error


def _import_path() -> str:
    """This process's own import path, so that a child imports the same packages."""
    root = Path(__file__).parents[2]
    return os.pathsep.join([*filter(None, sys.path), str(root)])
