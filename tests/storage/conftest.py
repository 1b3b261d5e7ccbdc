"""Fixtures of the storage tests: a store's keys, programs that share its folder, and stores with an owner process."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from filelock import FileLock

import cloudops_nb
from cloudops_nb.settings import Settings
from cloudops_nb.storage.journal import Journal
from cloudops_nb.storage.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.service import StorageService
from cloudops_nb.storage.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloudops_nb.storage.vault import Vault


@pytest.fixture
def key_settings(tmp_path: Path) -> Settings:
    """Settings with a store and its key file in folders of their own."""
    return Settings(data_path=tmp_path / "store", key_file=tmp_path / "key" / "encryption.key")


@pytest.fixture
def vault(key_settings: Settings) -> Vault:
    return open_vault(key_settings)


@pytest.fixture
def journal(vault: Vault) -> Iterator[Journal]:
    journal = Journal(vault.data_path, vault)
    yield journal
    journal.close()


@pytest.fixture
def start_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python programs with our package on their path; what still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": str(Path(cloudops_nb.__file__).parents[1])}

    def start(program: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


class WordEmbedder:
    """A deterministic embedder: texts are as near as they share words. Counts what it is asked."""

    dimension = 384
    model_id = "words/1"

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.casefold().split():
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
                vectors[row] += np.random.default_rng(seed).standard_normal(self.dimension, dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths, lengths, 1)


@contextmanager
def ended_owners(folder: Path) -> Iterator[None]:
    """See that no owner process of a store below the folder outlives the block."""
    try:
        yield
    finally:
        for path in folder.glob("**/owner.json"):
            paths = OwnerPaths(path.parents[1])
            if endpoint := Endpoint.read(path):
                with suppress(ProcessLookupError):
                    os.kill(endpoint.pid, signal.SIGTERM)
            FileLock(paths.lock, timeout=20).acquire().lock.release()


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def storage(key_settings: Settings, embedder: WordEmbedder, tmp_path: Path) -> Iterator[StorageService]:
    """An empty store with its owner process; another service of :func:`key_settings` is another kernel."""
    with ended_owners(tmp_path), StorageService(key_settings, lambda: embedder) as service:
        yield service


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageService]:
    """A store for a whole module of tests that add to it once and then only read."""
    folder = tmp_path_factory.mktemp("company")
    settings = Settings(data_path=folder / "store", key_file=folder / "encryption.key")
    embedder = WordEmbedder()
    with ended_owners(folder), StorageService(settings, lambda: embedder) as service:
        yield service
