"""An export is compared with its source, complete or absent, private, offline, and made once for all processes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cloudops_nb.embedding import open_embedder
from cloudops_nb.embedding.model_weights import BUNDLED_SHA256, find_weights
from cloudops_nb.embedding.onnx_backend import OnnxEmbedder
from cloudops_nb.embedding.onnx_export import _require_equal_vectors, export_model
from cloudops_nb.errors import EmbeddingError
from cloudops_nb.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.embedding import Embedder

ROOT = Path(__file__).parents[2]
OPEN = """
import sys, json
from pathlib import Path
from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings
embedder = open_embedder(Settings(embedding_path=Path(sys.argv[1]), embedding_model=sys.argv[2]))
json.dump({"id": embedder.model_id, "vectors": embedder.embed(json.loads(sys.argv[3])).tolist()}, sys.stdout)
"""
#: Python imports the module sitecustomize at start, so the processes under test and their children have no network.
OFFLINE_SITECUSTOMIZE = """
import os, socket
def refuse(*arguments):
    os.write(2, b"the network was asked for")
    os._exit(3)
socket.socket.connect = socket.getaddrinfo = refuse
"""


def own_model(folder: Path) -> Path:
    """The bundled model as a user's own folder."""
    original = find_weights(Settings()).path
    for name in (*BUNDLED_SHA256, "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(original / name)
    return folder


def test_two_processes_export_an_own_model_at_once_into_one_private_folder(
    tmp_path: Path, embedder: Embedder, texts: Sequence[str]
) -> None:
    model, models, site = own_model(tmp_path / "my-model"), tmp_path / "models", tmp_path / "site"
    settings = Settings(embedding_model=str(model), embedding_path=models)
    folder = models / find_weights(settings).model_id
    killed = folder.with_name(f"{folder.name}.partial")
    killed.mkdir(parents=True)
    (killed / "model.onnx").write_text("cut short")
    site.mkdir()
    (site / "sitecustomize.py").write_text(OFFLINE_SITECUSTOMIZE)
    command = [sys.executable, "-c", OPEN, str(models), str(model), json.dumps(texts)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    children = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for child in children:
        out, err = child.communicate(timeout=240)
        assert child.returncode == 0, err
        answer = json.loads(out)
        assert answer["id"] == f"my-model/{folder.name}"
        assert np.allclose(answer["vectors"], embedder.embed(texts), atol=1e-5)
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, f"{folder.name}.lock"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_model_that_cannot_be_loaded_fails_with_the_childs_last_line_and_leaves_nothing(tmp_path: Path) -> None:
    model = own_model(tmp_path / "broken")
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").write_bytes(b"no weights")
    settings = Settings(embedding_model=str(model), embedding_path=tmp_path / "models")
    with pytest.raises(
        EmbeddingError, match=r"was not exported: the embedding model in .* cannot be loaded: "
    ) as caught:
        open_embedder(settings)
    assert "\n" not in str(caught.value)
    assert not [path for path in (tmp_path / "models").rglob("*") if path.suffix != ".lock" and path.is_file()]


def test_an_export_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model" / "1").mkdir(parents=True)
    export_model(tmp_path / "no-source", tmp_path / "model" / "1")
    assert list((tmp_path / "model" / "1").iterdir()) == []


class Model:
    """A model whose vectors are the embedder's, turned by a little."""

    def __init__(self, embedder: Embedder, noise: float) -> None:
        self.embedder, self.noise = embedder, noise

    def encode(self, texts: list[str], **options: object) -> np.ndarray:
        vectors = self.embedder.embed(texts)
        vectors[-1] += self.noise * np.roll(vectors[-1], 1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_graph_is_accepted_only_if_every_probe_agrees(embedder: Embedder) -> None:
    assert isinstance(embedder, OnnxEmbedder)
    _require_equal_vectors(Model(embedder, 0.0), embedder)
    with pytest.raises(EmbeddingError, match=r"differs from its source: a test text has cosine 0\.99"):
        _require_equal_vectors(Model(embedder, 0.05), embedder)
    with pytest.raises(EmbeddingError, match="differs from its source"):
        _require_equal_vectors(Model(embedder, float("nan")), embedder)


def test_the_exporting_child_gets_no_key_and_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, str] = {}

    def run(command: Sequence[str], *, env: dict[str, str], **_: object) -> None:
        given.update(env)
        raise subprocess.CalledProcessError(1, command, stderr="enough")

    for name in ("CLOUDOPS_ENCRYPTION_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, "kept-to-ourselves")
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(EmbeddingError, match="enough"):
        open_embedder(Settings(embedding_path=tmp_path))

    assert given["PATH"] == os.environ["PATH"]
    assert "kept-to-ourselves" not in given.values()
