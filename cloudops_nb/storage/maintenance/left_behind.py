"""Copies of a store's collections that a move left where they are not used, because their server was out of reach."""

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
#: How long a server may take to answer one request of a probe, in seconds.
PROBE_SECONDS = 15.0
_PLACES = TypeAdapter(tuple[EngineLocation, ...])


class LeftBehind:
    """The places that hold such copies, noted in the data path until they are cleared; for whoever is alone with it.

    Args:
        settings: The data path, and the key of the servers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.data_path / LEFT_NAME

    def places(self) -> tuple[EngineLocation, ...]:
        """Return the places.

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
        """Note places, durably."""
        self._write((*self.places(), *places))

    def clear(self, lies: EngineLocation) -> list[str]:
        """Clear what can be cleared.

        Args:
            lies: Where the store lies. One server may go by several addresses: while the store lies in any, no server
                is cleared, and on this host nothing is while it lies there.

        Returns:
            Why each of the others could not be, in one line each.
        """
        kept, problems = [], []
        for place in self.places():
            if place.engine == lies.engine:
                kept.append(place)
                continue
            try:
                _clear(self._settings, place)
            except (StorageError, ConfigurationError) as error:
                if place.engine == "remote" and isinstance(error, InitialisationError):
                    problems.append(f"Nothing was cleared in {place}: {error}")  # what lies there is not this store's
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
    """See that collections can be put into a place, without making anything there.

    Raises:
        StorageError: They cannot: a server does not answer, or refuses the key, or has those of another store.
        ConfigurationError: The server's address cannot be used.
    """
    with closing(engine_named(place.within(settings), settings.data_path)) as engine:
        if place.engine == "remote":
            with _remote(engine).hurried(PROBE_SECONDS) as hurried:
                hurried.probe(list(COLLECTIONS))


def _clear(settings: Settings, place: EngineLocation) -> None:
    """Remove a place's collections: for good in a server, and down to empty ones on this host."""
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
