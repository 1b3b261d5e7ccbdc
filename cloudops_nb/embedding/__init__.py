"""Text to vectors, on this machine only.

``open_embedder(settings)`` is the way in. The default backend runs an ONNX graph that a child process exported once
from the sentence-transformers model and checked against it; torch is never imported in the caller's process.
"""

from __future__ import annotations

from cloudops_nb.embedding.embedder import Embedder, open_embedder

__all__ = ["Embedder", "open_embedder"]
