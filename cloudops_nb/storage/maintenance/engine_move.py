"""Moves a store's collections from the embedded engine to a Qdrant server, or back.

The collections are copied into staged (hidden) collections in the target, compared point by point, and then made live.
Writing the new engine to ``store.json`` is the commit point. ``move.json`` notes an unfinished move: if the process is
killed, the store is complete in the engine that ``store.json`` names, and running the same command again finishes the
move.

After the commit point the copy in the source is deleted. If the source's server does not answer, the copy is noted in
``left_behind.json`` and a later move deletes it, so an unavailable server does not block a move.
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

_BATCH = 250
#: The largest accepted difference of a vector component. The vectors are stored as half floats and each engine
#: normalises them again, so a copy differs slightly.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class MoveReport:
    """The result of a move.

    Attributes:
        location: The location of the collections after the move.
        points: For each collection, the number of copied points; empty if nothing had to be copied.
        problems: One line for each old copy that could not be deleted, with the reason.
    """

    location: EngineLocation
    points: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class _MoveNote(BaseModel):
    """The content of ``move.json``: the two locations of an unfinished move."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: EngineLocation
    target: EngineLocation


def move_store(settings: Settings, to: Engine, *, url: str = "", prefix: str = "") -> MoveReport:
    """Move the store's collections to another engine while holding the store exclusively.

    Args:
        settings: The data path, the server's API key, and, if ``url`` or ``prefix`` is empty, the server's address or
            prefix.
        to: The target engine. If the store is already in this engine, only an interrupted move is cleaned up: a
            committed move is completed, and an uncommitted move is undone.
        url: The address of the server.
        prefix: The prefix of the collections' names on the server.

    Raises:
        ConfigurationError: No server address is known, or ``config.toml`` cannot be changed.
        InitialisationError: There is no store, or the collections on the server belong to another store.
        StoreUnavailableError: Another program has the store open, or the server does not answer.
        StorageError: The store is already on a different server, or the copy differs from the original.
    """
    data_path = settings.data_path
    present = _present_location(settings)
    with OpenStore(present.within(settings), _no_embedder) as storage, storage.alone():
        if _present_location(settings) != present:
            why = "another program moved the store at the same time"
            raise StoreUnavailableError("this move was not started", why, "Try again.")
        target = _target_location(settings, present, to, url, prefix)
        problems = _clean_up_move(settings, present)
        points: dict[str, int] = {}
        if target.engine != present.engine:
            points = _copy_and_commit(settings, _MoveNote(source=present, target=target))
            problems += _clean_up_move(settings, target)
        write_location(data_path, target)
    return MoveReport(target, points, tuple(dict.fromkeys(problems)))


def _target_location(settings: Settings, present: EngineLocation, to: Engine, url: str, prefix: str) -> EngineLocation:
    """Return the target location; refuses a move between two servers, or to a server whose address is not known."""
    if to == "embedded":
        return EngineLocation(engine="embedded")
    url = url or present.url or settings.qdrant_url
    if present.engine == "remote" and url == present.url and prefix in ("", present.prefix):
        return present
    if not url:
        raise ConfigurationError("the store was not moved", "no server is named", "Give its address with --url.")
    if present.engine == "remote":
        why = f"it is on {present}, and cannot be moved directly from one server to another"
        raise StorageError("the store was not moved", why, "Move it to embedded first.")
    return EngineLocation(engine="remote", url=url, prefix=prefix or settings.qdrant_prefix)


def _clean_up_move(settings: Settings, present: EngineLocation) -> list[str]:
    """Clean up after a completed, interrupted or failed move: delete or note the copy that is not live.

    Copies that earlier moves noted are also deleted, even if there is no move to clean up.

    Returns:
        One line for each copy that could not be deleted, with the reason.
    """
    data_path, abandoned = settings.data_path, AbandonedCopies(settings)
    if note := _read_note(data_path):
        # Write the new location to config.toml before anything in the source is deleted.
        if present == note.target:
            write_location(data_path, present)
        abandoned.add(note.source if present == note.target else note.target)
    problems = abandoned.clear(present)
    _remove_note(data_path)
    return problems


def _copy_and_commit(settings: Settings, note: _MoveNote) -> dict[str, int]:
    """Copy the collections and commit the move; if copying fails, delete the copy or note it for a later move."""
    data_path = settings.data_path
    for location in (note.target, note.source):
        probe(settings, location)
    _write_note(data_path, note)
    try:
        points = _copy_collections(settings, note)
    except CloudOpsError:
        _clean_up_move(settings, note.source)
        raise
    location_fields = {
        "engine": note.target.engine,
        "remote_url": note.target.url,
        "remote_prefix": note.target.prefix,
    }
    # The commit point: from now on the collections in the target are the store's collections.
    StoreFile(data_path).write(_store_header(data_path).model_copy(update=location_fields))
    return points


def _copy_collections(settings: Settings, note: _MoveNote) -> dict[str, int]:
    """Copy all collections, compare the copies, and make them live in the target; returns their numbers of points."""
    source = engine_named(note.source.within(settings), settings.data_path)
    target = engine_named(note.target.within(settings), settings.data_path)
    try:
        points = {name: _stage_collection(source, target, name) for name in COLLECTIONS}
        for name in COLLECTIONS:
            _compare_collections(source, target, name)
        # Each step must survive a power cut before the next: the copies, their adoption (making them live), the commit.
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
    while batch := list(islice(points, _BATCH)):
        target.upsert(staged, batch)
        copied += len(batch)
    return copied


def _compare_collections(source: VectorStore, target: VectorStore, name: str) -> None:
    """Check that the staged collection in the target has the points of the source, up to ``_TOLERANCE`` in vectors."""
    for point, copy in zip_longest(source.points(name), target.points(staged_name(name))):
        if point is None or copy is None or not _same_point(point, copy):
            why = f"the copy of {name} differs from the original"
            raise StorageError("the store was not moved", why, "The store itself is unchanged; try again.")


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
    """Return the location that ``store.json`` names for the collections."""
    header = _store_header(settings.data_path)
    return EngineLocation(engine=header.engine, url=header.remote_url, prefix=header.remote_prefix)


def _read_note(data_path: Path) -> _MoveNote | None:
    path = data_path / MOVE_NAME
    try:
        return _MoveNote.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreCorruptedError(f"cannot read {path}", error.strerror or "") from None
    except ValidationError:
        raise StoreCorruptedError(f"{path} is damaged", "its content is invalid", "Restore a backup.") from None


def _write_note(data_path: Path, note: _MoveNote) -> None:
    replace_private(data_path / MOVE_NAME, note.model_dump_json(indent=2).encode() + b"\n")


def _remove_note(data_path: Path) -> None:
    (data_path / MOVE_NAME).unlink(missing_ok=True)
    sync_folder(data_path)


def _no_embedder() -> Embedder:
    raise StorageError("no text can be embedded during a move of the store")
