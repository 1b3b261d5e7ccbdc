"""The process that owns the shards, as its endpoint file and the operating system show it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.engines.vector_store import EVERY_POINT

if TYPE_CHECKING:
    from cloudops_nb.storage.engines.owner.owner_client import OwnerClient


def owner_of(client: OwnerClient, folder: Path) -> Endpoint:
    client.count("chat_history", EVERY_POINT)
    endpoint = Endpoint.read(OwnerPaths(folder).endpoint)
    assert endpoint is not None
    return endpoint


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
