"""Embedding of texts as vectors, on this machine only.

``open_embedder(settings)`` opens the embedder. The default backend runs an ONNX graph, which a child process exports
once from the sentence-transformers model and compares with it; it never imports torch in the caller's process.
"""

from __future__ import annotations

from cloudops_nb.embedding.embedder import Embedder, open_embedder

__all__ = ["Embedder", "open_embedder"]
