"""Dense vectors of descriptions: embedded once, rotated, packed."""

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

#: How many vectors are remembered: fleets share descriptions, and people repeat queries. About 7 MB.
REMEMBERED = 4096


class EstateVectors:
    """Embeds texts, each distinct one once, and turns the vectors by the store's keyed rotation.

    Safe to share between threads. The embedder is opened at the first use.
    """

    def __init__(self, embedder: Callable[[], Embedder], rotation: Rotation) -> None:
        self._open = embedder
        self._rotation = rotation
        self._embedder: Embedder | None = None
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, bytes] = OrderedDict()

    @property
    def model_id(self) -> str:
        """The embedding model's id; vectors of another id must be made anew."""
        return self._opened().model_id

    def of(self, texts: Sequence[str]) -> list[bytes]:
        """Return one packed float32 vector a text.

        Raises:
            EmbeddingError: The model cannot be used.
            InitialisationError: Its dimension is not the collection's.
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
                why = f"it makes vectors of {embedder.dimension} components, the estate has {AWS_ESTATE.dimension}"
                raise InitialisationError(f"the embedding model {embedder.model_id} does not fit", why)
            self._embedder = embedder
        return self._embedder
