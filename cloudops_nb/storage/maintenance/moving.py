"""Taking a store's collections from the embedded engine to a Qdrant server, or back.

Everything is copied beside what is there, compared point by point, and put in place. Only then ``store.json`` names the
new engine: that is the moment from which it counts. ``move.json`` remembers what is under way, so that a process that
is killed leaves the store whole on one side, and the same command again finishes. What the other side still holds is
cleared then, or noted and cleared by a later move: a server that is gone keeps nobody from moving.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from cloudops_nb.errors import (
    CloudOpsError,
    ConfigurationError,
    InitialisationError,
    StorageError,
    StoreCorruptedError,
    StoreUnavailableError,
)
from cloudops_nb.storage.engines.choice import MOVE_NAME, engine_named
from cloudops_nb.storage.engines.config_file import EngineLocation, write_location
from cloudops_nb.storage.engines.schema import COLLECTIONS, staged_name
from cloudops_nb.storage.files.private_files import replace_private, sync_folder
from cloudops_nb.storage.files.store_file import StoreFile
from cloudops_nb.storage.maintenance.left_behind import LeftBehind, probe
from cloudops_nb.storage.opening.open_store import StorageService

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.engines.choice import Engine
    from cloudops_nb.storage.engines.vector_store import Point, Sparse, VectorStore
    from cloudops_nb.storage.files.store_file import StoreHeader

_PAGE = 250
#: Vectors are stored as half floats, and each engine normalises them once more.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did.

    Attributes:
        place: Where the collections lie now.
        points: How many points of each were copied.
        problems: What was left elsewhere, and why, in one line each.
    """

    place: EngineLocation
    points: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class _Move(BaseModel):
    """The content of ``move.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: EngineLocation
    target: EngineLocation


def move(settings: Settings, to: Engine, *, url: str = "", prefix: str = "") -> Moved:
    """Take the store's collections to another engine, with nobody else using the store.

    Args:
        settings: The data path, the server's key and prefix, and its address unless ``url`` names it.
        to: The engine to take them to; where they lie already, an unfinished move is finished or taken back.
        url: The address of the server.
        prefix: What the names of the collections there begin with.

    Raises:
        ConfigurationError: No address is known, or ``config.toml`` cannot be changed.
        InitialisationError: The collections of the server belong to another store.
        StoreUnavailableError: Another program has the store open, or the server cannot be reached.
        StorageError: There is no store, it lies in another server, or the copy is not as the original.
    """
    data_path = settings.data_path
    lies = _lies(settings)
    with StorageService(lies.within(settings), _no_embedder) as storage, storage.alone():
        if _lies(settings) != lies:
            raise StoreUnavailableError("the store was not moved", "another program has just moved it", "Try again.")
        target = _target(settings, lies, to, url, prefix)
        problems = _settle(settings, lies)
        points: dict[str, int] = {}
        if target.engine != lies.engine:
            points = _take(settings, _Move(source=lies, target=target))
            problems += _settle(settings, target)
        write_location(data_path, target)
    return Moved(target, points, tuple(dict.fromkeys(problems)))


def _target(settings: Settings, lies: EngineLocation, to: Engine, url: str, prefix: str) -> EngineLocation:
    """Return where the collections are to lie."""
    if to == "embedded":
        return EngineLocation(engine="embedded")
    url = url or lies.url or settings.qdrant_url
    if lies.engine == "remote" and url == lies.url and prefix in ("", lies.prefix):
        return lies
    if not url:
        raise ConfigurationError("the store was not moved", "no server is named", "Give its address with --url.")
    if lies.engine == "remote":
        raise StorageError("the store was not moved", f"it lies in {lies}", "Move it to embedded first.")
    return EngineLocation(engine="remote", url=url, prefix=prefix or settings.qdrant_prefix)


def _settle(settings: Settings, lies: EngineLocation) -> list[str]:
    """End what is under way: if it came to count, the settings follow; clear the other side, or note that it is not.

    Returns:
        What could not be cleared, and why, in one line each.
    """
    data_path, left = settings.data_path, LeftBehind(settings)
    if begun := _read(data_path):
        # The settings follow before anything of the source goes.
        if lies == begun.target:
            write_location(data_path, lies)
        left.add(begun.source if lies == begun.target else begun.target)
    problems = left.clear(lies)
    _forget(data_path)
    return problems


def _take(settings: Settings, begun: _Move) -> dict[str, int]:
    """Copy, compare, adopt, and commit; what fails on the way leaves nothing, if it can be helped."""
    data_path = settings.data_path
    for place in (begun.target, begun.source):
        probe(settings, place)
    _write(data_path, begun)
    try:
        points = _bring(settings, begun)
    except CloudOpsError:
        _settle(settings, begun.source)
        raise
    lies = {
        "engine": begun.target.engine,
        "remote_url": begun.target.url,
        "remote_prefix": begun.target.prefix,
    }
    # From here on the collections lie in the target.
    StoreFile(data_path).write(_header(data_path).model_copy(update=lies))
    return points


def _bring(settings: Settings, begun: _Move) -> dict[str, int]:
    source = engine_named(begun.source.within(settings), settings.data_path)
    target = engine_named(begun.target.within(settings), settings.data_path)
    try:
        points = {name: _copy(source, target, name) for name in COLLECTIONS}
        for name in COLLECTIONS:
            _compare(source, target, name)
        target.flush()
        target.adopt(list(COLLECTIONS))
        target.flush()
    finally:
        source.close()
        target.close()
    return points


def _copy(source: VectorStore, target: VectorStore, name: str) -> int:
    staged, copied = target.stage(name), 0
    points = source.points(name)
    while page := list(islice(points, _PAGE)):
        target.upsert(staged, page)
        copied += len(page)
    return copied


def _compare(source: VectorStore, target: VectorStore, name: str) -> None:
    """See that a staged collection holds every point of the live one, as it was, and no other."""
    for point, copy in zip_longest(source.points(name), target.points(staged_name(name))):
        if point is None or copy is None or not _alike(point, copy):
            why = f"the copy of {name} is not as the original"
            raise StorageError("the store was not moved", why, "Nothing changed; try again.")


def _alike(point: Point, copy: Point) -> bool:
    return (
        point.id == copy.id
        and point.payload == copy.payload
        and np.allclose(_normal(point.dense), _normal(copy.dense), rtol=0, atol=_TOLERANCE)
        and _pairs(point.sparse) == _pairs(copy.sparse)
    )


def _normal(dense: bytes) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.frombuffer(dense, dtype=np.float32)
    length = np.linalg.norm(vector)
    return vector / length if length else vector


def _pairs(sparse: Sparse | None) -> list[tuple[int, float]] | None:
    return None if sparse is None else sorted(zip(*sparse.unpack(), strict=True))


def _header(data_path: Path) -> StoreHeader:
    header = StoreFile(data_path).read()
    if header is None:
        raise InitialisationError("the store was not moved", f"there is none in {data_path}", "Run a scan first.")
    return header


def _lies(settings: Settings) -> EngineLocation:
    """Return where the collections lie."""
    header = _header(settings.data_path)
    return EngineLocation(engine=header.engine, url=header.remote_url, prefix=header.remote_prefix)


def _read(data_path: Path) -> _Move | None:
    path = data_path / MOVE_NAME
    try:
        return _Move.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise StoreCorruptedError(f"{path} is damaged", type(error).__name__, "Restore a backup.") from None


def _write(data_path: Path, begun: _Move) -> None:
    replace_private(data_path / MOVE_NAME, begun.model_dump_json(indent=2).encode() + b"\n")


def _forget(data_path: Path) -> None:
    (data_path / MOVE_NAME).unlink(missing_ok=True)
    sync_folder(data_path)


def _no_embedder() -> Embedder:
    raise StorageError("a move embeds nothing")
