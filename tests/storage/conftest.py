"""Fixtures of the storage tests: a store's keys, programs that share its folder, and stores with an owner process."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pytest
from filelock import FileLock

import cloudops_nb
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.journal.journal import Journal
from cloudops_nb.storage.opening.vault_opening import open_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloudops_nb.storage.files.store_file import StoreFile, StoreHeader
    from cloudops_nb.storage.vault import Vault
    from tests.storage.engines.remote.qdrant_server import QdrantServer


#: For the tests that every engine must pass.
both_engines = pytest.mark.parametrize("engine", ["embedded", "remote"], indirect=True)


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> str:
    """Where stores of these tests keep their collections: ``embedded``, unless :data:`both_engines` says otherwise."""
    return getattr(request, "param", "embedded")


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Give a folder in memory, if the host has one: for stores that are created many times."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    with tempfile.TemporaryDirectory(prefix="cloudops-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def qdrant_server() -> Iterator[QdrantServer]:
    """The stand-in for a Qdrant server, which tells what is real about it."""
    from tests.storage.engines.remote.qdrant_server import running

    with quick_folder() as folder, running(folder) as server:
        yield server


@pytest.fixture
def server(qdrant_server: QdrantServer) -> Iterator[QdrantServer]:
    """The stand-in server, reset after the test; tests that use it do not run in parallel."""
    version = qdrant_server.version
    qdrant_server.requests.clear()
    yield qdrant_server
    qdrant_server.version, qdrant_server.before = version, lambda _: None


@pytest.fixture
def prefix(server: QdrantServer) -> Iterator[str]:
    """A prefix for the names of a test's own collections."""
    prefix = f"test_{uuid.uuid4().hex}_"
    yield prefix
    server.forget(prefix)


@contextmanager
def settings_in(folder: Path, engine: str, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Give settings with a store and its key file in folders of their own, and collections of their own."""
    given: dict[str, object] = {"data_path": folder / "store", "key_file": folder / "key" / "encryption.key"}
    if engine == "embedded":
        yield Settings(**given)
        return
    from tests.storage.engines.remote.qdrant_server import API_KEY

    server, prefix = request.getfixturevalue("qdrant_server"), f"test_{uuid.uuid4().hex}_"
    yield Settings(**given, qdrant_url=server.url, qdrant_api_key=API_KEY, qdrant_prefix=prefix)
    server.forget(prefix)


@pytest.fixture
def key_settings(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of a store that does not exist yet."""
    with settings_in(tmp_path, engine, request) as settings:
        yield settings


def key_file_of(settings: Settings) -> Path:
    assert settings.key_file
    return settings.key_file


def header_of(store_file: StoreFile) -> StoreHeader:
    header = store_file.read()
    assert header, f"{store_file} does not exist"
    return header


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


def pipes_of(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    """The standard input and output of a program that :func:`start_python` started."""
    assert process.stdin
    assert process.stdout
    return process.stdin, process.stdout


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
            FileLock(paths.lock, timeout=60).acquire().lock.release()
            FileLock(paths.optimisation_lock, timeout=60).acquire().lock.release()


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def storage(key_settings: Settings, embedder: WordEmbedder, tmp_path: Path) -> Iterator[StorageService]:
    """An empty store with its owner process; another service of :func:`key_settings` is another kernel."""
    with ended_owners(tmp_path), StorageService(key_settings, lambda: embedder) as service:
        yield service


@pytest.fixture(scope="module")
def company(
    tmp_path_factory: pytest.TempPathFactory, engine: str, request: pytest.FixtureRequest
) -> Iterator[StorageService]:
    """A store for a whole module of tests that add to it once and then only read."""
    folder = tmp_path_factory.mktemp("company")
    embedder = WordEmbedder()
    with (
        settings_in(folder, engine, request) as settings,
        ended_owners(folder),
        StorageService(settings, lambda: embedder) as service,
    ):
        yield service
