"""The manifest of an exported model: its files and their digests."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from cloudops_nb.embedding.model_weights import file_sha256
from cloudops_nb.errors import EmbeddingError

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST_FILE = "manifest.json"
GRAPH_FILE = "model.onnx"
GRAPH_DATA_FILE = "model.onnx.data"
TOKENIZER_FILE = "tokenizer.json"
EXPORTED_FILES = (GRAPH_FILE, GRAPH_DATA_FILE, TOKENIZER_FILE)


@dataclass(frozen=True)
class Manifest:
    """The content of an exported model's folder.

    Attributes:
        dimension: The number of components of a vector.
        files: The SHA-256 of each exported file in hex, by file name.
    """

    dimension: int
    files: dict[str, str]


def write_manifest(folder: Path, dimension: int) -> None:
    """Write the manifest, with the digests of the exported files in a folder, into that folder."""
    manifest = Manifest(dimension, {name: file_sha256(folder / name) for name in EXPORTED_FILES})
    (folder / MANIFEST_FILE).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")


def verified_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest and check the digest of each file.

    Raises:
        EmbeddingError: The manifest is unreadable, or a file is unreadable or modified.
    """
    try:
        data = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        manifest = Manifest(dimension=int(data["dimension"]), files=dict(data["files"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _altered_export(folder, f"{MANIFEST_FILE} cannot be read") from error
    for name in EXPORTED_FILES:
        if file_sha256(folder / name) != manifest.files.get(name):
            raise _altered_export(folder, f"the SHA-256 of {name} differs")
    return manifest


def _altered_export(folder: Path, why: str) -> EmbeddingError:
    return EmbeddingError(
        f"the exported embedding model in {folder} was modified",
        why,
        "Delete this folder; the next use exports the model again.",
    )
