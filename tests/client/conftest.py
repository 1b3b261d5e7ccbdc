"""A client on the simulated AWS, with a store of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb import CloudOps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REGION = "eu-west-1"


@pytest.fixture(scope="session")
def key_file(tmp_path_factory):
    return tmp_path_factory.mktemp("key") / "store.key"


@pytest.fixture
def open_ops(demo_environment, models_path, key_file, tmp_path) -> Iterator[Callable[..., CloudOps]]:
    """Open clients on one data path; all are closed at the end."""
    opened: list[CloudOps] = []

    def open_one(data_path=None, **settings) -> CloudOps:
        fields = {
            "accounts": [dict(account) for account in demo_environment.accounts],
            "regions": [REGION],
            "key_file": str(key_file),
            "embedding_path": str(models_path),
            "qdrant_idle_seconds": 2.0,
        }
        ops = CloudOps(data_path or tmp_path / "store", **{**fields, **settings})
        opened.append(ops)
        return ops

    yield open_one
    for ops in opened:
        ops.close()


@pytest.fixture
def ops(open_ops) -> CloudOps:
    return open_ops()
