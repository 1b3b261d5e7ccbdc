"""Which engine holds a store's collections, as the settings say; the store's header must agree."""

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
#: What remembers a move that is under way, in the data path.
MOVE_NAME: Final = "move.json"
#: The command that takes a store from one engine to another.
MOVE_COMMAND = "cloudops-nb move"


def open_engine(settings: Settings, data_path: Path) -> VectorStore:
    """Return the engine of a store; it opens what it needs at its first use.

    Raises:
        InitialisationError: The store lies elsewhere than the settings say.
        ConfigurationError: The server's address cannot be used, or its key would travel in the clear.
    """
    header = StoreFile(data_path).read()
    if header is not None:
        check_engine(header, settings)
    return engine_named(settings, data_path)


def engine_named(settings: Settings, data_path: Path) -> VectorStore:
    """Return the engine that the settings name, wherever the store lies; for taking it there."""
    if settings.remote:
        from cloudops_nb.storage.engines.remote.host_state import HostState
        from cloudops_nb.storage.engines.remote.remote_store import RemoteStore

        key, prefix = settings.qdrant_api_key, settings.qdrant_prefix
        return RemoteStore(settings.qdrant_url, key, prefix, HostState(data_path))
    from cloudops_nb.storage.engines.owner.owner_client import OwnerClient

    return OwnerClient(data_path, idle_seconds=settings.qdrant_idle_seconds)


def engine_of(settings: Settings) -> Engine:
    """Return the name of the engine that the settings name."""
    return "remote" if settings.remote else "embedded"


def check_engine(header: StoreHeader, settings: Settings) -> None:
    """See that a store's collections lie where the settings look for them.

    Raises:
        InitialisationError: They lie elsewhere.
    """
    prefix = settings.qdrant_prefix if settings.remote else ""
    known = (header.engine, header.remote_url, header.remote_prefix)
    if known == (engine_of(settings), settings.qdrant_url, prefix):
        return
    lies = f"in the Qdrant server {header.remote_url}" if header.engine == "remote" else "on this host (embedded)"
    said = f"the Qdrant server {settings.qdrant_url}" if settings.remote else "this host (embedded)"
    if (settings.data_path / MOVE_NAME).exists():
        fix = f"Finish the move that was cut short: {MOVE_COMMAND} --to {header.engine}"
    else:
        fix = f"Correct qdrant_url in the settings, or take the store there: {MOVE_COMMAND} --to {engine_of(settings)}"
    raise InitialisationError(f"the store in {settings.data_path} lies {lies}", f"the settings name {said}", fix)
