"""The embedders that stand in for a model return vectors of the form that a model returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.stores import SeededEmbedder
from tests.embedders import EvenEmbedder
from tests.storage.conftest import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.embedding import Embedder

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("made", [EvenEmbedder, WordEmbedder, SeededEmbedder])
def test_a_double_returns_one_float32_row_of_length_one_per_text(made: Callable[[], Embedder]) -> None:
    embedder = made()
    vectors = embedder.embed(["a database", "a queue in staging"])

    assert (vectors.shape, vectors.dtype) == ((2, embedder.dimension), np.dtype(np.float32))
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    assert embedder.embed([]).shape == (0, embedder.dimension)
    assert embedder.model_id
