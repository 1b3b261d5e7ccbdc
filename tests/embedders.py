"""Embedders for tests in which the meaning of texts does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.embedding import Embedder


class EvenEmbedder:
    """Finds every text to be like every other, and takes no time."""

    dimension = 384
    model_id = "even/1"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return the same vector for every text."""
        return np.full((len(texts), self.dimension), self.dimension**-0.5, dtype=np.float32)


def no_embedder() -> Embedder:
    """Stand in for what opens the embedder, where a test embeds nothing."""
    raise AssertionError("this test embeds nothing")
