"""Creates, opens and optimises a Qdrant Edge shard: the folder that holds one collection."""

from __future__ import annotations

import json
import shutil
from array import array
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import qdrant_edge as qdrant

from cloudops_nb.errors import StorageError, StoreCorruptedError, StoreUnavailableError
from cloudops_nb.storage.engines.schema import damage_advice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudops_nb.storage.engines.schema import Collection, IndexKind

DENSE = "dense"
SPARSE = "lexical"
#: The engine optimises a segment (a part of a shard) only if the segment's vectors take more space than this, in
#: kilobytes: those of about 10,000 resources.
MIN_OPTIMISED_KILOBYTES = 8_000
#: No HNSW graph: a search compares the query with every vector. With ``m=0`` the other numbers have no effect.
_NO_GRAPH = qdrant.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000, payload_m=0)
#: The folder that a killed optimisation leaves behind.
_UNFINISHED = "temp_segments"
_MAX_REASON_LENGTH = 200


def open_shard(path: Path, collection: Collection) -> qdrant.EdgeShard:
    """Open the shard in a folder; if the folder has no shard, create an empty one first."""
    if not (path / "segments").exists() and not (path / "edge_config.json").exists():
        _create(path, collection)
    return qdrant.EdgeShard.load(str(path))


def optimise_shard(path: Path, collection: Collection) -> bool:
    """Optimise the segments (parts of the shard) that were written since the last optimisation.

    An optimised segment is faster to search, and faster to open, because its files are mapped instead of read. The
    engine holds the GIL during the whole call, about ten seconds for 100,000 resources. The process may be killed at
    any time, because the engine puts only complete segments in place. The shard must not be open elsewhere.

    Returns:
        True if any segment was optimised.

    Raises:
        StorageError: The engine failed; the points are unchanged, but some indexes may have been recreated.
    """
    shutil.rmtree(path / _UNFINISHED, ignore_errors=True)
    what = f"the {collection.name} collection cannot be optimised"
    with engine_errors(what, damage_advice(path, collection)):
        shard = qdrant.EdgeShard.load(str(path), _configuration(collection))
        try:
            _place_indexes(shard, collection)
            optimised = shard.optimize()
            shard.flush()
        finally:
            shard.close()
    return bool(optimised)


def field_index(kind: IndexKind) -> qdrant.PayloadSchemaType | qdrant.IntegerIndexParams | qdrant.FloatIndexParams:
    """Return the index parameters for a kind of field.

    Even an index on disk is in memory until the shard is optimised; from then on its file is mapped.
    """
    types, on_disk = qdrant.PayloadSchemaType, qdrant.Memory.Cached
    match kind:
        case "keyword":
            return types.Keyword
        case "integer":
            return types.Integer
        case "float":
            return qdrant.FloatIndexParams(memory=on_disk)
        case "lookup":
            return qdrant.IntegerIndexParams(lookup=True, range=False, memory=on_disk)
        case "facet":  # in memory, because listing the values of an index on disk would read the whole index
            return qdrant.IntegerIndexParams(lookup=True, range=False)


def highest_version(path: Path) -> int:
    """Return the highest version of all points and segments in a shard's files, or -1; the shard must be closed.

    The version of a point is the number of the operation that last changed it. The engine keeps the versions of a
    segment's points as 64-bit little-endian numbers in one file, and the segment's own version in ``segment.json``
    (observed). An unreadable ``segment.json`` is skipped, because the engine reports it when it opens the shard.
    """
    highest = -1
    for segment in (path / "segments").glob("*"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            highest = max(highest, int(json.loads((segment / "segment.json").read_bytes())["version"]))
        for file in segment.glob("*id_tracker.versions"):
            versions = array("Q")
            content = file.read_bytes()
            versions.frombytes(content[: len(content) // versions.itemsize * versions.itemsize])
            highest = max(highest, max(versions, default=-1))
    return highest


@contextmanager
def engine_errors(what: str, advice: str, *, opening: bool = False) -> Iterator[None]:
    """Turn the engine's untyped exceptions and panics into one-line storage errors that begin with ``what``.

    Args:
        what: What fails.
        advice: The fix that the errors name; it is for a damaged shard.
        opening: Whether the shard is being opened.

    Raises:
        StorageError: The engine failed, or the disk is full.
        StoreCorruptedError: The engine panicked, or failed while it was ``opening`` the shard.
        StoreUnavailableError: Another process has the shard open.
    """
    try:
        yield
    except (StorageError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a Rust panic arrives as PanicException, which is not an Exception (pyo3.rs)
        panicked = not isinstance(error, Exception)
        reason = " ".join(str(error).split())[:_MAX_REASON_LENGTH]
        raise _storage_error(what, reason, advice, corrupted=panicked or opening) from error


def _storage_error(what: str, reason: str, advice: str, *, corrupted: bool) -> StorageError:
    if "No space left" in reason or "os error 28" in reason:
        return StorageError(what, "the disk is full", "Free some space and try again.")
    if "WouldBlock" in reason:  # the engine could not lock the shard
        return StoreUnavailableError(what, "another process has it open", "Close that program and try again.")
    if corrupted:
        return StoreCorruptedError(what, reason, advice)
    return StorageError(what, reason, advice)


def _create(path: Path, collection: Collection) -> None:
    """Create an empty shard in a temporary folder, then rename the folder to ``path``.

    So a killed process leaves no incomplete shard at ``path``.
    """
    partial = path.with_name(f"{path.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(mode=0o700, parents=True)
    shard = qdrant.EdgeShard.create(str(partial), _configuration(collection))
    shard.flush()
    shard.close()
    partial.replace(path)


def _configuration(collection: Collection) -> qdrant.EdgeConfig:
    sparse = qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf, memory=qdrant.Memory.Cached)
    return qdrant.EdgeConfig(
        vectors={DENSE: _dense(collection)},
        sparse_vectors={SPARSE: sparse} if collection.sparse else None,
        hnsw_config=_NO_GRAPH,
        optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=MIN_OPTIMISED_KILOBYTES),
        wal_enabled=True,
    )


def _dense(collection: Collection) -> qdrant.EdgeVectorParams:
    # A search reads every vector, so half-precision floats halve the data that it reads. The first hits stay the same.
    half = qdrant.VectorStorageDatatype.Float16
    return qdrant.EdgeVectorParams(collection.dimension, qdrant.Distance.Cosine, datatype=half)


def _place_indexes(shard: qdrant.EdgeShard, collection: Collection) -> None:
    """Recreate each index that is in memory but should be on disk, or the reverse; :func:`field_index` decides.

    Earlier versions of this package created some indexes in the other place.
    """
    present = shard.info().payload_schema
    for name, kind in collection.indexes.items():
        target = field_index(kind)
        if isinstance(target, qdrant.PayloadSchemaType):  # indexes of this kind have no choice of place
            continue
        current = present[name].params if name in present else None
        if getattr(current, "memory", None) != target.memory:
            shard.update(qdrant.UpdateOperation.delete_field_index(name))
            shard.update(qdrant.UpdateOperation.create_field_index(name, target))
