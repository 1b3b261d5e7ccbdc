"""Exports a sentence-transformers model to ONNX; run as a child process, because it imports torch.

``python -m cloudops_nb.embedding.export <model folder> <target folder>``. The graph takes token ids and a mask and
gives the finished vector: pooling and normalisation are in it. It is compared with the model before it takes its place.
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
from cloudops_nb.embedding.onnx import INPUT_NAMES, OUTPUT_NAME, OnnxEmbedder
from cloudops_nb.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Sequence

MINIMAL_COSINE = 0.9999
#: Of every kind that is embedded, and of every shape that tracing could freeze: empty, one token, cut, not English.
PROBES = (
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
    """Export the model in ``source`` to the folder ``target``, which appears at once and complete.

    Does nothing if ``target`` is there. Processes that export to one place wait for one another; what a killed one left
    is removed.

    Raises:
        EmbeddingError: The model cannot be loaded, or its graph does not agree with it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock"), mode=0o600):
        if target.is_dir():
            return
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            _export(source, partial)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _export(source: Path, folder: Path) -> None:
    from cloudops_nb.embedding.reference import load_model

    model = load_model(source)
    _write_tokenizer(model, folder)
    _write_graph(model, folder)
    write_manifest(folder, model.get_embedding_dimension())
    _compare(model, OnnxEmbedder(folder))


def _write_tokenizer(model: Any, folder: Path) -> None:
    """Write the tokenizer as the model uses it: cut to its length, and padding with its token."""
    tokenizer = model.tokenizer
    fast = tokenizer.backend_tokenizer
    fast.enable_truncation(model.max_seq_length)
    fast.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    fast.save(str(folder / TOKENIZER_FILE))


def _write_graph(model: Any, folder: Path) -> None:
    import onnx
    import torch

    _spell_out_attention(model)

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model({"input_ids": input_ids, "attention_mask": attention_mask})[OUTPUT_NAME]

    tokens = torch.tensor([[101, 1000, 1001, 102], [101, 1000, 102, 0]])
    axes: dict[str, dict[int, str]] = {name: {0: "batch", 1: "sequence"} for name in INPUT_NAMES}
    path = folder / GRAPH_FILE
    # Tracing takes a fifth of the time of torch.export's decomposition; what it may freeze, the comparison shows.
    torch.onnx.export(
        Encoder().eval(),
        (tokens, (tokens != 0).long()),
        str(path),
        input_names=list(INPUT_NAMES),
        output_names=[OUTPUT_NAME],
        dynamic_axes={**axes, OUTPUT_NAME: {0: "batch"}},
        dynamo=False,
    )
    # Weights beside the graph are mapped, not read: a faster start, and one copy for all kernels.
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location=GRAPH_DATA_FILE)


def _spell_out_attention(model: Any) -> None:
    """Have attention computed step by step: PyTorch's one function for it traces to more steps, guards among them.

    A query's vector takes less time so; :func:`_compare` sees to it that it is the same.
    """
    from transformers import PreTrainedModel

    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            module.set_attn_implementation("eager")


def _compare(model: Any, embedder: OnnxEmbedder) -> None:
    """Refuse a graph that does not give the model's vectors, alone and in batches."""
    expected = model.encode(list(PROBES), normalize_embeddings=True, show_progress_bar=False)
    alone = np.concatenate([embedder.embed([text]) for text in PROBES])
    for vectors in (alone, embedder.embed(PROBES)):
        cosine = float((vectors * expected).sum(axis=1).min())
        if not cosine >= MINIMAL_COSINE:
            raise EmbeddingError("the exported model differs from its source", f"a probe's cosine is {cosine:.6f}")


def main(arguments: Sequence[str]) -> int:
    """Export as the command line says; a failure is one line on stderr, and status 1."""
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
