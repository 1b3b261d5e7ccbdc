"""The default backend: runs the exported model with ONNX Runtime and the model's own tokenizer, without torch."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from cloudops_nb.embedding.manifest import GRAPH_FILE, TOKENIZER_FILE, verified_manifest
from cloudops_nb.errors import EmbeddingError
from cloudops_nb.telemetry import import_onnxruntime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

INPUT_NAMES = ("input_ids", "attention_mask")
OUTPUT_NAME = "sentence_embedding"
MAX_BATCH_SIZE = 32
#: The largest number of tokens in a batch, with every text padded to the length of the longest. It limits memory:
#: attention needs memory in proportion to this number times the longest text, and ONNX Runtime keeps it allocated.
MAX_BATCH_TOKENS = 2048
#: Before tokenization, a text is cut to this number times the model's maximum number of tokens, in characters, because
#: tokenization takes time in proportion to the whole text. Real texts have fewer characters per token.
MAX_CHARACTERS_PER_TOKEN = 256
LOG_SEVERITY_ERROR = 3


class OnnxEmbedder:
    """The embedder of an exported model; threads may share it.

    ONNX Runtime computes a batch in one thread, so a search query, which is one batch, never waits for a second core.
    Many texts are split into batches, which run in parallel on all cores. Equal texts in one call are embedded once.

    Args:
        folder: A folder that ``cloudops_nb.embedding.onnx_export`` wrote; the last two parts of its path are the
            ``model_id``.

    Raises:
        EmbeddingError: A file is missing, modified or not loadable.
    """

    def __init__(self, folder: Path) -> None:
        manifest = verified_manifest(folder)
        self.dimension = manifest.dimension
        self.model_id = f"{folder.parent.name}/{folder.name}"
        try:
            self._tokenizer = _load_tokenizer(folder)
            self._session = _open_session(folder)
        except Exception as error:
            # tokenizers and onnxruntime raise plain Exception, or classes that only their compiled modules define.
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise EmbeddingError(f"the exported embedding model in {folder} cannot be loaded", reason) from error
        self._characters = MAX_CHARACTERS_PER_TOKEN * self._tokenizer.truncation["max_length"]
        self._pad_id = self._tokenizer.padding["pad_id"]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, in order, each truncated to the model's maximum number of tokens.

        Returns:
            ``(len(texts), dimension)`` float32, each row of length 1.
        """
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        tokens = [self._token_ids(text) for text in rows]
        vectors = np.empty((len(rows), self.dimension), dtype=np.float32)
        batches = _batches_by_length(tokens)
        if len(batches) == 1:
            vectors[batches[0]] = self._embed_batch([tokens[row] for row in batches[0]])
        elif batches:
            with ThreadPoolExecutor(min(_available_cores(), len(batches)), "embedding") as pool:
                results = pool.map(lambda batch: self._embed_batch([tokens[row] for row in batch]), batches)
                for batch, result in zip(batches, results, strict=True):
                    vectors[batch] = result
        return vectors[[rows[text] for text in texts]]

    def _token_ids(self, text: str) -> list[int]:
        # The tokenizer rejects lone surrogates, which occur in names that are not valid UTF-8.
        clean = text[: self._characters].encode(errors="replace").decode()
        ids: list[int] = self._tokenizer.encode(clean).ids
        return ids or [self._pad_id]  # a sequence needs at least one token

    def _embed_batch(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        ids = np.full((len(tokens), max(map(len, tokens))), self._pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(tokens):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        result: NDArray[np.float32] = self._session.run(
            [OUTPUT_NAME], dict(zip(INPUT_NAMES, (ids, mask), strict=True))
        )[0]
        return result


def _batches_by_length(tokens: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the row numbers of the texts in batches of similar text length.

    The longest texts come first, so that all cores finish at about the same time.
    """
    remaining = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
    rows_per_core = -(-len(remaining) // _available_cores())
    batches = []
    while remaining:
        size = max(1, min(rows_per_core, MAX_BATCH_SIZE, MAX_BATCH_TOKENS // len(tokens[remaining[0]])))
        batches.append(remaining[:size])
        remaining = remaining[size:]
    return batches


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load_tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / TOKENIZER_FILE))


def _open_session(folder: Path) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_SEVERITY_ERROR
    return onnxruntime.InferenceSession(str(folder / GRAPH_FILE), options, providers=["CPUExecutionProvider"])
