"""The optional backend: runs the sentence-transformers model itself, which needs torch."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from cloudops_nb.embedding.model_weights import ModelWeights, verify_weights
from cloudops_nb.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BATCH_SIZE = 32


class SentenceTransformersEmbedder:
    """Embeds texts with torch in this process; opens slowly, but also runs models that cannot be exported to ONNX.

    Threads may share an embedder; their calls run one at a time, because the tokenizer keeps state during a call.

    Raises:
        EmbeddingError: The model is modified or not loadable.
    """

    def __init__(self, weights: ModelWeights) -> None:
        verify_weights(weights)
        self.model_id = weights.model_id
        self._model = load_model(weights.path)
        self._lock = threading.Lock()
        self.dimension: int = self._model.get_embedding_dimension()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, in order, each truncated to the model's maximum number of tokens.

        Returns:
            ``(len(texts), dimension)`` float32, each row of length 1.
        """
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        with self._lock:
            vectors = self._model.encode(
                list(texts), batch_size=BATCH_SIZE, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, dtype=np.float32)


def load_model(path: Path) -> Any:
    """Load a sentence-transformers model from a folder onto the CPU, without a model hub or a progress bar.

    Raises:
        EmbeddingError: The model cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has only some annotations
    try:
        return SentenceTransformer(str(path), device="cpu", local_files_only=True).eval()
    except Exception as error:
        # The exception class depends on which of the model's files is malformed.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise EmbeddingError(f"the embedding model in {path} cannot be loaded", reason) from error
    finally:
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # as above
