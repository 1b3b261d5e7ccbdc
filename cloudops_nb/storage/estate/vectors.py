"""Turns descriptions and queries into dense vectors, which are rotated by a secret matrix and packed as float32."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from cloudops_nb.errors import InitialisationError
from cloudops_nb.storage.engines.schema import AWS_ESTATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.storage.encryption.vector_rotation import Rotation

#: Largest number of cached vectors (about 7 MB). Many resources have the same description, and people repeat queries.
MAX_CACHED = 4096


class EstateVectors:
    """Embeds texts and applies the store's keyed rotation to the vectors; safe to share between threads.

    The embedding model is loaded at its first use.
    """

    def __init__(self, embedder: Callable[[], Embedder], rotation: Rotation) -> None:
        self._open = embedder
        self._rotation = rotation
        self._embedder: Embedder | None = None
        self._lock = threading.Lock()
        self._cached: OrderedDict[str, bytes] = OrderedDict()

    @property
    def model_id(self) -> str:
        """The id of the embedding model; vectors from different models cannot be compared."""
        return self._opened().model_id

    def of(self, texts: Sequence[str]) -> list[bytes]:
        """Return one packed float32 vector per text.

        Raises:
            EmbeddingError: The model cannot be used.
            InitialisationError: The model's vectors do not have the dimension of the collection.
        """
        distinct = list(dict.fromkeys(texts))
        with self._lock:
            vectors = {text: self._cached[text] for text in distinct if text in self._cached}
        # Embed without the lock, so that a query need not wait for a batch of descriptions.
        if new := [text for text in distinct if text not in vectors]:
            rotated = self._rotation.apply(self._opened().embed(new))
            vectors.update(zip(new, (row.tobytes() for row in np.ascontiguousarray(rotated)), strict=True))
        with self._lock:
            for text in distinct:
                self._cached[text] = vectors[text]
                self._cached.move_to_end(text)
            while len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
        return [vectors[text] for text in texts]

    def _opened(self) -> Embedder:
        if self._embedder is None:
            embedder = self._open()
            if embedder.dimension != AWS_ESTATE.dimension:
                why = f"its vectors have {embedder.dimension} components, and the estate's have {AWS_ESTATE.dimension}"
                fix = f"Choose an embedding model with {AWS_ESTATE.dimension} components."
                raise InitialisationError(f"the embedding model {embedder.model_id} cannot be used", why, fix)
            self._embedder = embedder
        return self._embedder
