"""Deletes the copies of collections that a move between engines leaves behind: at once, or in a later move."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from cloudops_nb.errors import ConfigurationError, InitialisationError, StorageError, StoreCorruptedError
from cloudops_nb.storage.engines.choice import engine_named
from cloudops_nb.storage.engines.config_file import EngineLocation
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.files.private_files import replace_private, sync_folder

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.engines.remote.remote_store import RemoteStore
    from cloudops_nb.storage.engines.vector_store import VectorStore

NOTE_NAME: Final = "left_behind.json"
#: The time limit in seconds for each request that checks a server.
PROBE_SECONDS = 15.0
_LOCATIONS = TypeAdapter(tuple[EngineLocation, ...])


class AbandonedCopies:
    """The locations of old copies of the store, noted in ``left_behind.json`` until the copies are deleted.

    The caller holds the store exclusively.

    Args:
        settings: The data path, and the API key of the servers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.data_path / NOTE_NAME

    def locations(self) -> tuple[EngineLocation, ...]:
        """Return the noted locations.

        Raises:
            StoreCorruptedError: ``left_behind.json`` cannot be read, or is damaged.
        """
        try:
            return _LOCATIONS.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StoreCorruptedError(f"cannot read {self._path}", error.strerror or "") from None
        except ValidationError:
            fix = "Delete it; it only names locations that hold old copies of the store."
            raise StoreCorruptedError(f"{self._path} is damaged", "its content is invalid", fix) from None

    def add(self, location: EngineLocation) -> None:
        """Note a location; the note survives a power cut."""
        self._write((*self.locations(), location))

    def clear(self, present: EngineLocation) -> list[str]:
        """Delete the noted copies; a copy that could not be deleted stays noted.

        Args:
            present: The store's present location. Copies on the same kind of engine stay. For example, if the store is
                on a server, copies on servers stay, because a server may have several addresses, so a copy may be the
                store itself.

        Returns:
            One line for each copy whose deletion failed, with the reason.
        """
        kept, problems = [], []
        for location in self.locations():
            if location.engine == present.engine:
                kept.append(location)
                continue
            try:
                _clear(self._settings, location)
            except (StorageError, ConfigurationError) as error:
                if location.engine == "remote" and isinstance(error, InitialisationError):
                    # The collections on the server belong to another store, so forget the location.
                    problems.append(f"Nothing was deleted on {location}: {error}")
                    continue
                kept.append(location)
                problems.append(f"An old copy of the store is still on {location}: {error} The next move tries again.")
        self._write(tuple(kept))
        return problems

    def _write(self, locations: tuple[EngineLocation, ...]) -> None:
        if not locations:
            self._path.unlink(missing_ok=True)
            sync_folder(self._path.parent)
            return
        replace_private(self._path, _LOCATIONS.dump_json(tuple(dict.fromkeys(locations)), indent=2) + b"\n")


def probe(settings: Settings, location: EngineLocation) -> None:
    """Check that collections can be created on a location's server, without creating any; embedded always passes.

    Raises:
        StorageError: A server does not answer, refuses the API key, or has collections of another store.
        ConfigurationError: The server's address cannot be used.
    """
    with closing(engine_named(location.within(settings), settings.data_path)) as engine:
        if location.engine == "remote":
            with _remote(engine).hurried(PROBE_SECONDS) as hurried:
                hurried.probe(list(COLLECTIONS))


def _clear(settings: Settings, location: EngineLocation) -> None:
    """Delete the collections at a location; embedded collections are replaced with empty ones."""
    probe(settings, location)
    with closing(engine_named(location.within(settings), settings.data_path)) as engine:
        if location.engine == "remote":
            for name in COLLECTIONS:
                _remote(engine).drop(name)
            return
        # The embedded engine has no operation that drops a live collection.
        for name in COLLECTIONS:
            engine.stage(name)
        engine.adopt(list(COLLECTIONS))
        engine.flush()


def _remote(engine: VectorStore) -> RemoteStore:
    from cloudops_nb.storage.engines.remote.remote_store import RemoteStore

    assert isinstance(engine, RemoteStore)  # noqa: S101 - for the type checker
    return engine
