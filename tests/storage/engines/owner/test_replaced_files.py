"""An owner whose files were replaced, removed or damaged while it runs."""

from __future__ import annotations

import shutil
import uuid
from array import array
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.engines.owner.endpoint import OwnerPaths
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.engines.vector_store import Point, PointFilter
from tests.storage.engines.owner.owner_process import ended, owner_of
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = PointFilter()
ONE = array("f", [1.0]).tobytes()


def message() -> Point:
    return Point(str(uuid.uuid4()), {"kind": "message", "context": "c"}, ONE)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("inner", ["", "segments"])
def test_an_owner_whose_shard_was_replaced_makes_way_for_one_that_opens_what_is_there(
    client: OwnerClient, folder: Path, tmp_path: Path, inner: str
) -> None:
    shard = OwnerPaths(folder).folder / "chat_history"
    client.upsert("chat_history", [message()])
    client.flush()
    shutil.copytree(shard, tmp_path / "backup")
    client.upsert("chat_history", [message()])
    first = owner_of(client, folder)

    shutil.rmtree(shard / inner)
    shutil.copytree(tmp_path / "backup" / inner, shard / inner)
    written = message()
    client.upsert("chat_history", [written])

    assert owner_of(client, folder).pid != first.pid
    found = {row.id for row in client.rows("chat_history", EVERYTHING, ("context",))}
    assert written.id in found
    assert ended(first.pid)


def test_an_owner_does_not_write_into_the_folder_that_replaced_its_shard(
    client: OwnerClient, folder: Path, tmp_path: Path
) -> None:
    shard = OwnerPaths(folder).folder / "chat_history"
    client.upsert("chat_history", [message()])
    client.flush()
    shutil.copytree(shard, tmp_path / "backup")
    client.upsert("chat_history", [message() for _ in range(50)])  # not yet synced
    first = owner_of(client, folder)
    shutil.rmtree(shard)
    shutil.copytree(tmp_path / "backup", shard)
    until(lambda: ended(first.pid), "the end of the owner")

    assert contents(shard) == contents(tmp_path / "backup")


def test_an_owner_whose_lock_file_was_removed_makes_way(client: OwnerClient, folder: Path) -> None:
    """Without the file, a second owner would get the lock while the first one has the shards open."""
    client.upsert("chat_history", [message()])
    first = owner_of(client, folder)
    OwnerPaths(folder).lock.unlink()

    assert client.count("chat_history", EVERYTHING) == 1
    assert owner_of(client, folder).pid != first.pid


def test_the_error_of_an_owner_that_dies_at_a_shard_names_the_folder_and_the_fix(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nimport cloudops_nb.storage.engines.edge as edge\nedge.open_shard = lambda *_: os.abort()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(StoreUnavailableError, match="was lost 6 times") as failed:
        OwnerClient(folder, idle_seconds=1).count("aws_estate", EVERYTHING)
    shard = OwnerPaths(folder).folder / "aws_estate"
    assert f"Move {shard} to another folder, then run: cloudops-nb backup restore" in failed.value.fix
