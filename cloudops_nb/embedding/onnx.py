"""The default backend: ONNX Runtime and the model's own tokenizer, without torch."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from cloudops_nb.embedding.manifest import GRAPH_FILE, TOKENIZER_FILE, verified_manifest
from cloudops_nb.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

INPUT_NAMES = ("input_ids", "attention_mask")
OUTPUT_NAME = "sentence_embedding"
BATCH_SIZE = 32
#: Attention needs memory in proportion to a batch's tokens times the length of a text, and the runtime keeps it.
BATCH_TOKENS = 2048
#: Tokenizing takes time in proportion to a text that is then cut to the model's length; words this long do not occur.
CHARACTERS_PER_TOKEN = 256
LOG_ERRORS_ONLY = 3


class OnnxEmbedder:
    """An exported model.

    One session with one thread serves everything: a query is not slowed by a busy second core, and many texts are
    spread over all cores as batches that run at once. Safe to share between threads. Equal texts of one call are
    embedded once.

    Args:
        folder: What ``cloudops_nb.embedding.export`` wrote; ``model_id`` is the last two parts of its path.

    Raises:
        EmbeddingError: A file is missing, altered or not loadable.
    """

    def __init__(self, folder: Path) -> None:
        manifest = verified_manifest(folder)
        self.dimension = manifest.dimension
        self.model_id = f"{folder.parent.name}/{folder.name}"
        try:
            self._tokenizer = _tokenizer(folder)
            self._session = _session(folder)
        except Exception as error:
            # Both libraries raise classes of their own compiled modules, or plain Exception.
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise EmbeddingError(f"the exported embedding model in {folder} cannot be loaded", reason) from error
        self._characters = CHARACTERS_PER_TOKEN * self._tokenizer.truncation["max_length"]
        self._pad_id = self._tokenizer.padding["pad_id"]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, in order, cut to the model's length in tokens.

        Returns:
            ``(len(texts), dimension)`` float32, each row of length 1.
        """
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        tokens = [self._tokens(text) for text in rows]
        vectors = np.empty((len(rows), self.dimension), dtype=np.float32)
        batches = _batches(tokens)
        if len(batches) == 1:
            vectors[batches[0]] = self._run([tokens[row] for row in batches[0]])
        elif batches:
            with ThreadPoolExecutor(min(_cores(), len(batches)), "embedding") as pool:
                results = pool.map(lambda batch: self._run([tokens[row] for row in batch]), batches)
                for batch, result in zip(batches, results, strict=True):
                    vectors[batch] = result
        return vectors[[rows[text] for text in texts]]

    def _tokens(self, text: str) -> list[int]:
        # A lone surrogate, as in a name that is not UTF-8, has no tokens.
        clean = text[: self._characters].encode(errors="replace").decode()
        ids: list[int] = self._tokenizer.encode(clean).ids
        return ids or [self._pad_id]

    def _run(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        ids = np.full((len(tokens), max(map(len, tokens))), self._pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(tokens):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        result: NDArray[np.float32] = self._session.run(
            [OUTPUT_NAME], dict(zip(INPUT_NAMES, (ids, mask), strict=True))
        )[0]
        return result


def _batches(tokens: Sequence[Sequence[int]]) -> list[list[int]]:
    """Rows in batches of like length, the longest first, so that no core is left with a long one at the end."""
    order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
    share = -(-len(order) // _cores())
    batches = []
    while order:
        size = max(1, min(share, BATCH_SIZE, BATCH_TOKENS // len(tokens[order[0]])))
        batches.append(order[:size])
        order = order[size:]
    return batches


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / TOKENIZER_FILE))


def _session(folder: Path) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_ERRORS_ONLY
    return onnxruntime.InferenceSession(str(folder / GRAPH_FILE), options, providers=["CPUExecutionProvider"])
