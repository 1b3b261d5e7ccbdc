"""Opens the Qdrant engine that the settings name, after checking that the store's collections are in this engine.

An engine is either embedded, which means that it runs in a process of this host, or a Qdrant server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from cloudops_nb.errors import InitialisationError
from cloudops_nb.storage.files.store_file import StoreFile

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.files.store_file import StoreHeader

Engine = Literal["embedded", "remote"]
#: The file in the data path that records an unfinished move from one engine to the other.
MOVE_NAME: Final = "move.json"
#: The command that moves a store's collections from one engine to the other.
MOVE_COMMAND = "cloudops-nb move"


def open_engine(settings: Settings, data_path: Path) -> VectorStore:
    """Return the engine that holds a store's collections; the engine connects at its first use.

    Raises:
        InitialisationError: The collections are in a different engine from the one that the settings name.
        ConfigurationError: The server's address is invalid, or its API key would be sent unencrypted.
    """
    header = StoreFile(data_path).read()
    if header is not None:
        check_engine(header, settings)
    return engine_named(settings, data_path)


def engine_named(settings: Settings, data_path: Path) -> VectorStore:
    """Return the engine that the settings name, without the check of :func:`check_engine`.

    A move opens both its source and its target with this function, each with settings that name it. The check would
    refuse the target, because the collections are not there yet.
    """
    if settings.remote:
        from cloudops_nb.storage.engines.remote.host_state import HostState
        from cloudops_nb.storage.engines.remote.remote_store import RemoteStore

        key, prefix = settings.qdrant_api_key, settings.qdrant_prefix
        return RemoteStore(settings.qdrant_url, key, prefix, HostState(data_path))
    from cloudops_nb.storage.engines.owner.owner_client import OwnerClient

    return OwnerClient(data_path, idle_seconds=settings.qdrant_idle_seconds)


def engine_name(settings: Settings) -> Engine:
    """Return ``remote`` if the settings name a Qdrant server, otherwise ``embedded``."""
    return "remote" if settings.remote else "embedded"


def check_engine(header: StoreHeader, settings: Settings) -> None:
    """Check that a store's collections are in the engine that the settings name.

    Raises:
        InitialisationError: ``store.json`` names the other engine, a different server or a different prefix.
    """
    prefix = settings.qdrant_prefix if settings.remote else ""
    actual = (header.engine, header.remote_url, header.remote_prefix)
    if actual == (engine_name(settings), settings.qdrant_url, prefix):
        return
    on_server = f"on the Qdrant server {header.remote_url} with prefix {header.remote_prefix!r}"
    location = on_server if header.engine == "remote" else "on this host (embedded)"
    named = f"the Qdrant server {settings.qdrant_url} with prefix {prefix!r}" if settings.remote else "no Qdrant server"
    if (settings.data_path / MOVE_NAME).exists():
        fix = f"Finish the interrupted move: {MOVE_COMMAND} --to {header.engine}"
    else:
        fix = f"Correct the qdrant settings, or move the store: {MOVE_COMMAND} --to {engine_name(settings)}"
    raise InitialisationError(f"the store in {settings.data_path} is {location}", f"the settings name {named}", fix)
