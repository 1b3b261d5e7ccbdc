"""Fixtures of the remote engine's tests: a server of the test's own, and stores on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from cloudops_nb.storage.engines.remote.host_state import HostState
from cloudops_nb.storage.engines.remote.remote_store import RemoteStore
from tests.storage.engines.remote.qdrant_server import API_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.storage.engines.remote.qdrant_server import QdrantServer


@pytest.fixture
def kernel(server: QdrantServer, prefix: str, tmp_path: Path) -> Iterator[Callable[..., RemoteStore]]:
    """Start kernels, each with a store of its own, on one data path unless another folder is named."""
    stores: list[RemoteStore] = []

    def start(folder: Path = tmp_path, *, key: str = API_KEY, url: str = "") -> RemoteStore:
        stores.append(RemoteStore(url or server.url, SecretStr(key), prefix, HostState(folder)))
        return stores[-1]

    yield start
    for store in stores:
        store.close()


@pytest.fixture
def store(kernel: Callable[..., RemoteStore]) -> RemoteStore:
    return kernel()
