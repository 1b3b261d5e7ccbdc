"""Embedding of texts as vectors, on this machine only.

``open_embedder(settings)`` opens the embedder. The default backend runs an ONNX graph and never imports torch in the
caller's process. On first use a child process exports the graph from the sentence-transformers model, and checks that
the graph gives the same vectors as the model.
"""

from __future__ import annotations

from cloudops_nb.embedding.embedder import Embedder, open_embedder

__all__ = ["Embedder", "open_embedder"]
