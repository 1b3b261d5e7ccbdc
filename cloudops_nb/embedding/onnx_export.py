"""Exports a sentence-transformers model to ONNX; runs as a separate process, because it imports torch.

Usage: ``python -m cloudops_nb.embedding.onnx_export <model folder> <target folder>``. The graph maps token ids and an
attention mask to the finished vector, pooling and normalisation included. The export fails if a vector of the graph
differs noticeably from the model's.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from cloudops_nb.embedding.manifest import GRAPH_DATA_FILE, GRAPH_FILE, TOKENIZER_FILE, write_manifest
from cloudops_nb.embedding.onnx_backend import INPUT_NAMES, OUTPUT_NAME, OnnxEmbedder
from cloudops_nb.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The smallest accepted cosine between the model's vector and the graph's vector of the same text.
MIN_PROBE_COSINE = 0.9999
#: Test texts: every kind of text that the package embeds, and every form that the traced graph could handle wrongly
#: (empty, one token, truncated, not English).
PROBE_TEXTS = (
    "",
    "production",
    "postgres database",
    "stop the staging web servers of the payments team",
    "PostgreSQL relational database in production, available, for app payments, owned by team billing",
    "EC2 virtual machine, running, web server; tags: environment staging, cost centre platform",
    "S3 bucket für Sicherungen, バックアップ, копия, 🗄️",
    "i-0123456789abcdef0 arn:aws:rds:eu-west-1:123456789012:db:pg-main-1",
    "a tag value that never ends " * 120,
)


def export_model(source: Path, target: Path) -> None:
    """Export the model in ``source`` to the folder ``target``, which exists only once the export is complete.

    An existing ``target`` is left as it is. Processes with the same target wait for each other, and an export removes
    the leftovers of a killed process.

    Raises:
        EmbeddingError: The model cannot be loaded, or the vectors of the exported graph differ from the model's.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock"), mode=0o600):
        if target.is_dir():
            return
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            _export_files(source, partial)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _export_files(source: Path, folder: Path) -> None:
    from cloudops_nb.embedding.sentence_transformers_backend import load_model

    model = load_model(source)
    _write_tokenizer(model, folder)
    _write_graph(model, folder)
    write_manifest(folder, model.get_embedding_dimension())
    _require_equal_vectors(model, OnnxEmbedder(folder))


def _write_tokenizer(model: Any, folder: Path) -> None:
    """Write the tokenizer with the model's own settings for truncation and padding."""
    tokenizer = model.tokenizer
    fast = tokenizer.backend_tokenizer
    fast.enable_truncation(model.max_seq_length)
    fast.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    fast.save(str(folder / TOKENIZER_FILE))


def _write_graph(model: Any, folder: Path) -> None:
    import onnx
    import torch

    _use_eager_attention(model)

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model({"input_ids": input_ids, "attention_mask": attention_mask})[OUTPUT_NAME]

    tokens = torch.tensor([[101, 1000, 1001, 102], [101, 1000, 102, 0]])
    axes: dict[str, dict[int, str]] = {name: {0: "batch", 1: "sequence"} for name in INPUT_NAMES}
    path = folder / GRAPH_FILE
    # Tracing (dynamo=False) takes a fifth of the time of torch.export. A trace may turn a shape that depends on the
    # input into a constant; the comparison of vectors detects this.
    torch.onnx.export(
        Encoder().eval(),
        (tokens, (tokens != 0).long()),
        str(path),
        input_names=list(INPUT_NAMES),
        output_names=[OUTPUT_NAME],
        dynamic_axes={**axes, OUTPUT_NAME: {0: "batch"}},
        dynamo=False,
    )
    # ONNX Runtime maps weights in a separate file into memory, so it starts faster and all processes share one copy.
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location=GRAPH_DATA_FILE)


def _use_eager_attention(model: Any) -> None:
    """Make the model compute attention with separate operations, so that the traced graph is faster.

    A trace of PyTorch's fused attention function contains additional operations, such as guards.
    :func:`_require_equal_vectors` checks that the vectors stay the same.
    """
    from transformers import PreTrainedModel

    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            module.set_attn_implementation("eager")


def _require_equal_vectors(model: Any, embedder: OnnxEmbedder) -> None:
    """Check that the graph and the model give nearly the same vectors, for single texts and for a batch.

    Raises:
        EmbeddingError: For a test text, the cosine of the two vectors is below :data:`MIN_PROBE_COSINE`.
    """
    expected = model.encode(list(PROBE_TEXTS), normalize_embeddings=True, show_progress_bar=False)
    alone = np.concatenate([embedder.embed([text]) for text in PROBE_TEXTS])
    for vectors in (alone, embedder.embed(PROBE_TEXTS)):
        cosine = float((vectors * expected).sum(axis=1).min())
        if not cosine >= MIN_PROBE_COSINE:  # also true for NaN
            raise EmbeddingError(
                "the exported embedding model differs from its source",
                f"a test text has cosine {cosine:.6f}",
            )


def main(arguments: Sequence[str]) -> int:
    """Export the model named on the command line; on failure, write one line to stderr and return 1."""
    source, target = map(Path, arguments)
    os.umask(0o077)
    try:
        export_model(source, target)
    except EmbeddingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
