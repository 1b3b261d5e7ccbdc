"""Embeds descriptions, each distinct one once, and rotates and packs the vectors."""

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

#: Number of cached vectors, about 7 MB: fleets share descriptions, and people repeat queries.
REMEMBERED = 4096


class EstateVectors:
    """Embeds texts and applies the store's keyed rotation to the vectors; safe to share between threads.

    The embedder is opened at the first use.
    """

    def __init__(self, embedder: Callable[[], Embedder], rotation: Rotation) -> None:
        self._open = embedder
        self._rotation = rotation
        self._embedder: Embedder | None = None
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, bytes] = OrderedDict()

    @property
    def model_id(self) -> str:
        """The embedding model's id; vectors of another model must be recomputed."""
        return self._opened().model_id

    def of(self, texts: Sequence[str]) -> list[bytes]:
        """Return one packed float32 vector per text.

        Raises:
            EmbeddingError: The model cannot be used.
            InitialisationError: The model's dimension differs from the collection's.
        """
        distinct = list(dict.fromkeys(texts))
        with self._lock:
            known = {text: self._remembered[text] for text in distinct if text in self._remembered}
        if new := [text for text in distinct if text not in known]:
            turned = self._rotation.apply(self._opened().embed(new))
            known.update(zip(new, (row.tobytes() for row in np.ascontiguousarray(turned)), strict=True))
        with self._lock:
            for text in distinct:
                self._remembered[text] = known[text]
                self._remembered.move_to_end(text)
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return [known[text] for text in texts]

    def _opened(self) -> Embedder:
        if self._embedder is None:
            embedder = self._open()
            if embedder.dimension != AWS_ESTATE.dimension:
                why = f"its vectors have {embedder.dimension} components, and the estate's have {AWS_ESTATE.dimension}"
                raise InitialisationError(f"the embedding model {embedder.model_id} cannot be used", why)
            self._embedder = embedder
        return self._embedder
