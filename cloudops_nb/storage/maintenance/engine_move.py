"""Moves a store's collections from the embedded engine to a Qdrant server, or back.

The collections are copied to stages in the target, compared point by point, and adopted. Then ``store.json`` names the
new engine, which is the commit point. ``move.json`` notes an unfinished move: after a kill the store is complete on one
side, and the same command finishes the move. Then the other side's copy is deleted. If that server does not answer, the
copy is noted and a later move deletes it, so an unavailable server does not block a move.
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
from cloudops_nb.storage.maintenance.abandoned_copies import AbandonedCopies, probe
from cloudops_nb.storage.opening.open_store import OpenStore

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.engines.choice import Engine
    from cloudops_nb.storage.engines.vector_store import Point, Sparse, VectorStore
    from cloudops_nb.storage.files.store_file import StoreHeader

_PAGE = 250
#: Vectors are stored as half floats, and each engine normalises them again.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class MoveReport:
    """The result of a move.

    Attributes:
        place: The new location of the collections.
        points: The number of copied points by collection.
        problems: Each copy that was left elsewhere, with the reason, one line each.
    """

    place: EngineLocation
    points: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class _MoveNote(BaseModel):
    """The content of ``move.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: EngineLocation
    target: EngineLocation


def move_store(settings: Settings, to: Engine, *, url: str = "", prefix: str = "") -> MoveReport:
    """Move the store's collections to another engine while holding the store exclusively.

    Args:
        settings: The data path, the server's key and prefix, and its address unless ``url`` gives it.
        to: The target engine; if the collections are there already, an unfinished move is finished or reversed.
        url: The address of the server.
        prefix: The prefix of the collections' names in the server.

    Raises:
        ConfigurationError: No address is known, or ``config.toml`` cannot be changed.
        InitialisationError: The collections in the server belong to another store.
        StoreUnavailableError: Another program has the store open, or the server does not answer.
        StorageError: There is no store, it is in another server, or the copy differs from the original.
    """
    data_path = settings.data_path
    present = _present_location(settings)
    with OpenStore(present.within(settings), _no_embedder) as storage, storage.alone():
        if _present_location(settings) != present:
            raise StoreUnavailableError("the store was not moved", "another program has just moved it", "Try again.")
        target = _target_location(settings, present, to, url, prefix)
        problems = _finish_interrupted_move(settings, present)
        points: dict[str, int] = {}
        if target.engine != present.engine:
            points = _copy_and_commit(settings, _MoveNote(source=present, target=target))
            problems += _finish_interrupted_move(settings, target)
        write_location(data_path, target)
    return MoveReport(target, points, tuple(dict.fromkeys(problems)))


def _target_location(settings: Settings, present: EngineLocation, to: Engine, url: str, prefix: str) -> EngineLocation:
    """Return the target location of the collections."""
    if to == "embedded":
        return EngineLocation(engine="embedded")
    url = url or present.url or settings.qdrant_url
    if present.engine == "remote" and url == present.url and prefix in ("", present.prefix):
        return present
    if not url:
        raise ConfigurationError("the store was not moved", "no server is named", "Give its address with --url.")
    if present.engine == "remote":
        raise StorageError("the store was not moved", f"it is in {present}", "Move it to embedded first.")
    return EngineLocation(engine="remote", url=url, prefix=prefix or settings.qdrant_prefix)


def _finish_interrupted_move(settings: Settings, present: EngineLocation) -> list[str]:
    """Finish an interrupted move: update the settings if it was committed, and delete or note the other side's copy.

    Returns:
        The copies that could not be deleted, with the reason, one line each.
    """
    data_path, left = settings.data_path, AbandonedCopies(settings)
    if begun := _read_note(data_path):
        # Update the settings before anything in the source is deleted.
        if present == begun.target:
            write_location(data_path, present)
        left.add(begun.source if present == begun.target else begun.target)
    problems = left.clear(present)
    _remove_note(data_path)
    return problems


def _copy_and_commit(settings: Settings, begun: _MoveNote) -> dict[str, int]:
    """Copy, compare, adopt and commit; a failure removes the copy, if the target still answers."""
    data_path = settings.data_path
    for place in (begun.target, begun.source):
        probe(settings, place)
    _write_note(data_path, begun)
    try:
        points = _copy_collections(settings, begun)
    except CloudOpsError:
        _finish_interrupted_move(settings, begun.source)
        raise
    location = {
        "engine": begun.target.engine,
        "remote_url": begun.target.url,
        "remote_prefix": begun.target.prefix,
    }
    # The commit point: the collections are in the target.
    StoreFile(data_path).write(_store_header(data_path).model_copy(update=location))
    return points


def _copy_collections(settings: Settings, begun: _MoveNote) -> dict[str, int]:
    source = engine_named(begun.source.within(settings), settings.data_path)
    target = engine_named(begun.target.within(settings), settings.data_path)
    try:
        points = {name: _stage_collection(source, target, name) for name in COLLECTIONS}
        for name in COLLECTIONS:
            _compare_collections(source, target, name)
        target.flush()
        target.adopt(list(COLLECTIONS))
        target.flush()
    finally:
        source.close()
        target.close()
    return points


def _stage_collection(source: VectorStore, target: VectorStore, name: str) -> int:
    staged, copied = target.stage(name), 0
    points = source.points(name)
    while page := list(islice(points, _PAGE)):
        target.upsert(staged, page)
        copied += len(page)
    return copied


def _compare_collections(source: VectorStore, target: VectorStore, name: str) -> None:
    """Check that a staged collection has exactly the points of the live one."""
    for point, copy in zip_longest(source.points(name), target.points(staged_name(name))):
        if point is None or copy is None or not _same_point(point, copy):
            why = f"the copy of {name} differs from the original"
            raise StorageError("the store was not moved", why, "Nothing changed; try again.")


def _same_point(point: Point, copy: Point) -> bool:
    return (
        point.id == copy.id
        and point.payload == copy.payload
        and np.allclose(_unit_vector(point.dense), _unit_vector(copy.dense), rtol=0, atol=_TOLERANCE)
        and _sorted_pairs(point.sparse) == _sorted_pairs(copy.sparse)
    )


def _unit_vector(dense: bytes) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.frombuffer(dense, dtype=np.float32)
    length = np.linalg.norm(vector)
    return vector / length if length else vector


def _sorted_pairs(sparse: Sparse | None) -> list[tuple[int, float]] | None:
    return None if sparse is None else sorted(zip(*sparse.unpack(), strict=True))


def _store_header(data_path: Path) -> StoreHeader:
    header = StoreFile(data_path).read()
    if header is None:
        raise InitialisationError("the store was not moved", f"there is none in {data_path}", "Run a scan first.")
    return header


def _present_location(settings: Settings) -> EngineLocation:
    """Return the present location of the collections."""
    header = _store_header(settings.data_path)
    return EngineLocation(engine=header.engine, url=header.remote_url, prefix=header.remote_prefix)


def _read_note(data_path: Path) -> _MoveNote | None:
    path = data_path / MOVE_NAME
    try:
        return _MoveNote.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise StoreCorruptedError(f"{path} is damaged", type(error).__name__, "Restore a backup.") from None


def _write_note(data_path: Path, begun: _MoveNote) -> None:
    replace_private(data_path / MOVE_NAME, begun.model_dump_json(indent=2).encode() + b"\n")


def _remove_note(data_path: Path) -> None:
    (data_path / MOVE_NAME).unlink(missing_ok=True)
    sync_folder(data_path)


def _no_embedder() -> Embedder:
    raise StorageError("a move embeds no text")
