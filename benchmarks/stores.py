"""Stores to measure: with an embedder that costs nothing, in a folder of their own, and what their owner uses."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from benchmarks.child import IDLE_SECONDS
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.facade import StorageService

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


class SeededEmbedder:
    """Random unit vectors, so that what is measured is the store and not a model."""

    dimension = 384
    model_id = "random/1"

    def __init__(self) -> None:
        self._generator = np.random.default_rng(7)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self._generator.standard_normal((len(texts), self.dimension), dtype=np.float32)
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def settings_in(folder: Path) -> Settings:
    """The settings of the store in a folder, with its key in a file beside it."""
    return Settings(
        data_path=folder / "store",
        key_source="file",
        key_file=folder / "key" / "encryption.key",
        qdrant_idle_seconds=IDLE_SECONDS,
    )


@contextmanager
def new_folder() -> Iterator[Path]:
    """Lend a folder for :func:`settings_in`; it goes afterwards, once its store's owner has ended."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            yield folder
        finally:
            end_owner(settings_in(folder).data_path)


@contextmanager
def new_storage() -> Iterator[tuple[StorageService, Path]]:
    """Lend an open, empty store whose owner runs, and its data path; both are gone afterwards."""
    with new_folder() as folder:
        settings = settings_in(folder)
        with StorageService(settings, SeededEmbedder) as storage:
            storage.estate.search("warm up")
            yield storage, settings.data_path


def end_owner(data_path: Path) -> None:
    """End a store's owner, if one runs, and wait until it has closed its files."""
    paths = OwnerPaths(data_path)
    if endpoint := Endpoint.read(paths.endpoint):
        with suppress(ProcessLookupError):
            os.kill(endpoint.pid, signal.SIGTERM)
        with FileLock(paths.lock, timeout=60):
            pass


def owner_pid(data_path: Path) -> int:
    """The id of the process that owns a store."""
    endpoint = Endpoint.read(OwnerPaths(data_path).endpoint)
    assert endpoint is not None
    return endpoint.pid


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """The memory that a process holds and no file backs."""
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("RssAnon"))


def disk_bytes(folder: Path) -> int:
    """The blocks that a folder's files occupy, as ``du`` counts them."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
