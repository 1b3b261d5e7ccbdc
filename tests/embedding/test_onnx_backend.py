"""The default backend gives the reference's vectors, whatever the batch, the text or the thread."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cloudops_nb.embedding.manifest import EXPORTED_FILES, MANIFEST_FILE, write_manifest
from cloudops_nb.embedding.onnx_backend import OnnxEmbedder
from cloudops_nb.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.settings import Settings

SAME = 1e-5
COLD_START = """
import socket, sys
def refuse(*arguments):
    raise OSError("the network was asked for")
socket.socket.connect = socket.getaddrinfo = refuse
from pathlib import Path
from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings
open_embedder(Settings(embedding_path=Path(sys.argv[1]))).embed(["production"])
print(sorted({"torch", "transformers", "sentence_transformers"} & sys.modules.keys()))
"""


def test_a_vector_has_384_float32_components_and_length_one(embedder: Embedder, texts: Sequence[str]) -> None:
    vectors = embedder.embed(texts)
    assert vectors.shape == (len(texts), 384)
    assert embedder.dimension == 384
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=SAME)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_every_vector_agrees_with_sentence_transformers(
    embedder: Embedder, texts: Sequence[str], reference: tuple[str, np.ndarray]
) -> None:
    model_id, expected = reference
    assert model_id == embedder.model_id == "all-MiniLM-L6-v2/53aa51172d14"
    assert (embedder.embed(texts) * expected).sum(axis=1).min() >= 0.9999


def test_the_same_call_gives_the_same_bytes(embedder: Embedder, texts: Sequence[str]) -> None:
    assert embedder.embed(texts).tobytes() == embedder.embed(texts).tobytes()


def test_a_vector_does_not_depend_on_what_it_was_embedded_with(embedder: Embedder, texts: Sequence[str]) -> None:
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.allclose(embedder.embed(texts), alone, atol=SAME)


def test_many_texts_keep_their_order_and_equal_ones_their_vector(embedder: Embedder) -> None:
    texts = [f"{'word ' * (number % 7)}{number % 90}" for number in range(200)]
    vectors = embedder.embed(texts)
    for row in (0, 31, 32, 89, 137, 199):
        assert np.allclose(vectors[row], embedder.embed([texts[row]])[0], atol=SAME)
    assert (vectors[texts.index(texts[199])] == vectors[199]).all()


def test_meaning_is_nearer_than_wording(embedder: Embedder) -> None:
    query, database, bucket = embedder.embed(
        ["postgres", "PostgreSQL relational database in production", "S3 bucket for objects in production"]
    )
    assert query @ database > query @ bucket


def test_text_beyond_the_models_length_changes_nothing(embedder: Embedder) -> None:
    short, long = embedder.embed(["word " * 256, "word " * 1_000_000])
    assert np.allclose(short, long, atol=SAME)


def test_a_lone_surrogate_is_embedded_like_any_unknown_character(embedder: Embedder) -> None:
    assert np.linalg.norm(embedder.embed(["name \udcff"])) == pytest.approx(1.0, abs=SAME)


def test_eight_threads_agree(embedder: Embedder, texts: Sequence[str]) -> None:
    short = texts[:-1]
    expected = embedder.embed(short)
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(lambda _: embedder.embed(short), range(16)):
            assert np.allclose(vectors, expected, atol=SAME)


def test_a_fresh_process_embeds_without_torch_and_without_a_network(
    embedder: Embedder, settings: Settings, run_python: Callable[..., str]
) -> None:
    assert run_python(COLD_START, str(settings.models_path)).strip() == "[]"


@pytest.fixture
def copy(embedder: Embedder, settings: Settings, tmp_path: Path) -> Path:
    return shutil.copytree(settings.models_path / embedder.model_id, tmp_path / "copy" / "1")


@pytest.mark.parametrize("name", EXPORTED_FILES)
def test_a_modified_file_is_refused(copy: Path, name: str) -> None:
    assert OnnxEmbedder(copy).model_id == "copy/1"
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(EmbeddingError, match=f"was modified: the SHA-256 of {name} differs.*Delete this folder"):
        OnnxEmbedder(copy)


@pytest.mark.parametrize("name", EXPORTED_FILES)
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(EmbeddingError, match=f"cannot read .*{name}"):
        OnnxEmbedder(copy)


@pytest.mark.parametrize("text", ["", "[]", '{"dimension": 384}', '{"dimension": "wide", "files": {}}'])
def test_an_unreadable_manifest_is_refused(copy: Path, text: str) -> None:
    (copy / MANIFEST_FILE).write_text(text)
    with pytest.raises(EmbeddingError, match=r"manifest\.json cannot be read"):
        OnnxEmbedder(copy)


def test_a_manifest_that_leaves_a_file_out_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST_FILE).read_text())
    del manifest["files"]["model.onnx"]
    (copy / MANIFEST_FILE).write_text(json.dumps(manifest))
    with pytest.raises(EmbeddingError, match="was modified"):
        OnnxEmbedder(copy)


def test_an_unloadable_graph_is_reported_in_one_line(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(b"no graph")
    write_manifest(copy, 384)
    with pytest.raises(EmbeddingError, match="cannot be loaded: ") as caught:
        OnnxEmbedder(copy)
    assert "\n" not in str(caught.value)
