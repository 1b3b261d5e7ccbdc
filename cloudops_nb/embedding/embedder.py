"""The interface of an embedder, and the function that opens the configured one."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cloudops_nb.embedding.model_weights import ModelWeights, find_weights, verify_weights
from cloudops_nb.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cloudops_nb.settings import Settings

_log = logging.getLogger(__name__)

#: The child process that exports a model needs seconds. If it takes this long, it is stuck and is killed.
EXPORT_TIMEOUT_SECONDS = 900.0
#: The child process loads the model from a folder. With these variables, any contact to a model hub fails at once.
OFFLINE_VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
#: The only environment variables that the child process inherits; none holds the encryption key or AWS credentials.
_PASSED_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


class Embedder(Protocol):
    """Embeds texts as vectors of length 1, whose dot product is their cosine; threads may share an embedder."""

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""

    @property
    def model_id(self) -> str:
        """The model's name and the start of its digest; only vectors of the same ``model_id`` are comparable."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, in order.

        Returns:
            ``(len(texts), dimension)`` float32, each row of length 1.
        """


def open_embedder(settings: Settings) -> Embedder:
    """Open the configured model with the configured backend.

    For the ONNX backend, this function first exports the model into ``settings.models_path`` if it is not there yet,
    which takes seconds. Concurrent processes wait for one export, and a killed export leaves no incomplete model.

    Raises:
        EmbeddingError: The model is missing or modified, or cannot be loaded or exported.
    """
    weights = find_weights(settings)
    if settings.embedding_backend == "sentence-transformers":
        from cloudops_nb.embedding.sentence_transformers_backend import SentenceTransformersEmbedder

        return SentenceTransformersEmbedder(weights)
    from cloudops_nb.embedding.onnx_backend import OnnxEmbedder

    folder = settings.models_path / weights.model_id
    if not folder.is_dir():
        _export_in_child(weights, folder)
    return OnnxEmbedder(folder)


def _export_in_child(weights: ModelWeights, folder: Path) -> None:
    """Export the model in a child process, because importing torch takes half a gigabyte of memory."""
    verify_weights(weights)
    environment = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    _log.info("exporting embedding model %s to %s (once)", weights.model_id, folder)
    command = [
        sys.executable,
        "-P",  # do not import from the working directory, which may hide a module that torch imports
        "-m",
        "cloudops_nb.embedding.onnx_export",
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
            env={**environment, **OFFLINE_VARIABLES, "PYTHONPATH": _import_path()},
        )
    except subprocess.CalledProcessError as error:
        # The child writes its error as the last line. A negative status means that a signal killed the child; then the
        # last line does not say why.
        lines = error.stderr.strip().splitlines() if error.returncode > 0 else []
        reason = lines[-1] if lines else f"the export process ended with status {error.returncode}"
        raise EmbeddingError(f"embedding model {weights.model_id} was not exported", reason) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddingError(f"embedding model {weights.model_id} was not exported", str(error)) from error


def _import_path() -> str:
    """Return this process's import path, so that a child process imports the same packages."""
    root = Path(__file__).parents[2]
    return os.pathsep.join([*filter(None, sys.path), str(root)])
