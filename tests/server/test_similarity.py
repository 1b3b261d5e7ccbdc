"""How near a request is to each playbook: the cosine of their embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cloudops_nb.server.similarity import EmbeddingSimilarity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

pytestmark = pytest.mark.fast


class FirstLetters:
    """Embeds a text by its first letter, one of a, b and c, and notes the texts that it was given."""

    dimension = 3
    model_id = "first-letters"

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += texts
        return np.eye(3, dtype=np.float32)[["abc".index(text[0]) for text in texts]]


def test_a_text_is_near_the_texts_of_its_meaning() -> None:
    similarity = EmbeddingSimilarity(FirstLetters)
    assert similarity("backup", ["attach", "bucket", "create"]) == [0.0, 1.0, 0.0]
    assert similarity("attach", ["attach", "bucket", "create"]) == [1.0, 0.0, 0.0]


def test_the_texts_of_the_playbooks_are_embedded_once() -> None:
    embedder = FirstLetters()
    similarity = EmbeddingSimilarity(lambda: embedder)
    similarity("backup", ["attach", "bucket"])
    similarity("create", ["attach", "bucket"])
    assert sorted(embedder.embedded) == ["attach", "backup", "bucket", "create"]
    assert similarity("create", ["create"]) == [1.0]
