"""How near a request is to each playbook in meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from cloudops_nb.embedding import Embedder


class EmbeddingSimilarity:
    """Cosine between a text and the playbooks' texts, which are embedded once; safe to call from several threads.

    Args:
        embedder: Opens the embedder, on first use.
    """

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._embedder = embedder
        self._known: tuple[tuple[str, ...], np.ndarray] | None = None

    def __call__(self, text: str, others: Sequence[str]) -> Sequence[float]:
        """Return the cosine of ``text`` with each of ``others``."""
        embedder = self._embedder()
        known = self._known
        if known is None or known[0] != tuple(others):
            known = (tuple(others), embedder.embed(list(others)))
            self._known = known
        return [float(cosine) for cosine in known[1] @ embedder.embed([text])[0]]
