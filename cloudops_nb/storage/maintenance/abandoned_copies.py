"""Copies of a store's collections that a move could not delete, because their server did not answer."""

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

LEFT_NAME: Final = "left_behind.json"
#: The time limit for each request of a probe to a server, in seconds.
PROBE_SECONDS = 15.0
_PLACES = TypeAdapter(tuple[EngineLocation, ...])


class AbandonedCopies:
    """The locations of such copies, noted in the data path until they are deleted; the caller holds it exclusively.

    Args:
        settings: The data path, and the API key of the servers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.data_path / LEFT_NAME

    def places(self) -> tuple[EngineLocation, ...]:
        """Return the noted locations.

        Raises:
            StoreCorruptedError: The note cannot be read.
        """
        try:
            return _PLACES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError) as error:
            fix = "Remove it; it only names servers that hold copies of the store."
            raise StoreCorruptedError(f"{self._path} is damaged", type(error).__name__, fix) from None

    def add(self, *places: EngineLocation) -> None:
        """Add locations to the note, which then survives a power cut."""
        self._write((*self.places(), *places))

    def clear(self, present: EngineLocation) -> list[str]:
        """Delete the copies that can be deleted.

        Args:
            present: The store's location. Copies with the same engine are kept: a server may have several addresses, so
                while the store is in a server, no server is cleared.

        Returns:
            The reason for each copy that could not be deleted, one line each.
        """
        kept, problems = [], []
        for place in self.places():
            if place.engine == present.engine:
                kept.append(place)
                continue
            try:
                _clear(self._settings, place)
            except (StorageError, ConfigurationError) as error:
                if place.engine == "remote" and isinstance(error, InitialisationError):
                    # The collections there belong to another store.
                    problems.append(f"Nothing was deleted in {place}: {error}")
                    continue
                kept.append(place)
                problems.append(f"A copy of the store was left in {place}: {error} The next move tries again.")
        self._write(tuple(kept))
        return problems

    def _write(self, places: tuple[EngineLocation, ...]) -> None:
        if not places:
            self._path.unlink(missing_ok=True)
            sync_folder(self._path.parent)
            return
        replace_private(self._path, _PLACES.dump_json(tuple(dict.fromkeys(places)), indent=2) + b"\n")


def probe(settings: Settings, place: EngineLocation) -> None:
    """Check that collections can be created in a location, without creating any.

    Raises:
        StorageError: A server does not answer, refuses the key, or has collections of another store.
        ConfigurationError: The server's address cannot be used.
    """
    with closing(engine_named(place.within(settings), settings.data_path)) as engine:
        if place.engine == "remote":
            with _remote(engine).hurried(PROBE_SECONDS) as hurried:
                hurried.probe(list(COLLECTIONS))


def _clear(settings: Settings, place: EngineLocation) -> None:
    """Delete the collections in a location; on this host, replace them by empty ones."""
    probe(settings, place)
    with closing(engine_named(place.within(settings), settings.data_path)) as engine:
        if place.engine == "remote":
            for name in COLLECTIONS:
                _remote(engine).drop(name)
            return
        for name in COLLECTIONS:
            engine.stage(name)
        engine.adopt(list(COLLECTIONS))
        engine.flush()


def _remote(engine: VectorStore) -> RemoteStore:
    from cloudops_nb.storage.engines.remote.remote_store import RemoteStore

    assert isinstance(engine, RemoteStore)  # noqa: S101 - for the type checker
    return engine
