"""A folder whose owner process ends with the test, and a kernel's side of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from tests.storage.conftest import ended_owners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "store"
    path.mkdir(mode=0o700)
    with ended_owners(tmp_path):
        yield path


@pytest.fixture
def client(folder: Path) -> Iterator[OwnerClient]:
    client = OwnerClient(folder, idle_seconds=30)
    yield client
    client.close()
