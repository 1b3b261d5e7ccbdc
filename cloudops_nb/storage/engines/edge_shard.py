"""The files of a Qdrant Edge shard: how one is made, opened, and rewritten so that it opens and answers faster."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import qdrant_edge as qdrant

from cloudops_nb.errors import StorageError, StoreCorruptedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudops_nb.storage.engines.schema import Collection, IndexKind

DENSE = "dense"
SPARSE = "lexical"
#: Fewer new vectors than this, in kilobytes, are left as they were written: some 10,000 resources.
TIDY_KILOBYTES = 8_000
#: No graph is built: a search reads every vector. The other two numbers then have no meaning.
_NO_GRAPH = qdrant.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000, payload_m=0)
#: What the engine leaves of a rewriting that was killed.
_UNFINISHED = "temp_segments"
_REPORT_LENGTH = 200


def open_shard(path: Path, collection: Collection) -> qdrant.EdgeShard:
    """Open the shard in a folder; an empty one is made first where there is none."""
    if not (path / "segments").exists() and not (path / "edge_config.json").exists():
        _create(path, collection)
    return qdrant.EdgeShard.load(str(path))


def tidy_shard(path: Path, collection: Collection) -> bool:
    """Rewrite what was written since the last time into a form that is mapped instead of read, and searched faster.

    The engine holds the interpreter's lock meanwhile: about ten seconds for 100,000 resources. The process may be
    killed at any moment; a segment takes its place whole. Nobody else may have the shard open.

    Returns:
        Whether there was enough to do.

    Raises:
        StorageError: The engine failed; the shard is as it was.
    """
    shutil.rmtree(path / _UNFINISHED, ignore_errors=True)
    with engine_errors(f"the {collection.name} collection cannot be tidied"):
        shard = qdrant.EdgeShard.load(str(path), _configuration(collection))
        try:
            _place_indexes(shard, collection)
            tidied = shard.optimize()
            shard.flush()
        finally:
            shard.close()
    return bool(tidied)


def field_index(kind: IndexKind) -> qdrant.PayloadSchemaType | qdrant.IntegerIndexParams | qdrant.FloatIndexParams:
    """Return how a field is indexed; what is to lie on disk is mapped once the shard is tidy, and in memory before."""
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
        case "facet":  # listing its values from disk takes as long as reading them all
            return qdrant.IntegerIndexParams(lookup=True, range=False)


@contextmanager
def engine_errors(what: str, *, opening: bool = False) -> Iterator[None]:
    """Give the engine's untyped exceptions and panics one of our classes, and one line."""
    try:
        yield
    except (StorageError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        panicked = not isinstance(error, Exception)
        raise _translated(what, " ".join(str(error).split())[:_REPORT_LENGTH], corrupted=panicked or opening) from error


def _translated(what: str, report: str, *, corrupted: bool) -> StorageError:
    if "No space left" in report or "os error 28" in report:
        return StorageError(what, "the disk is full", "Free some space and try again.")
    if "WouldBlock" in report:
        return StoreUnavailableError(what, "another process holds its files", "Close the program that opened them.")
    if corrupted:
        return StoreCorruptedError(what, report, "Restore a backup, or move the folder away and scan again.")
    return StorageError(what, report)


def _create(path: Path, collection: Collection) -> None:
    """Make an empty shard beside its place and move it there whole: a killed process leaves no half of one."""
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
        optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=TIDY_KILOBYTES),
        wal_enabled=True,
    )


def _dense(collection: Collection) -> qdrant.EdgeVectorParams:
    # Half floats: a search reads every vector, and reads half as much; the first hits stay the same.
    half = qdrant.VectorStorageDatatype.Float16
    return qdrant.EdgeVectorParams(collection.dimension, qdrant.Distance.Cosine, datatype=half)


def _place_indexes(shard: qdrant.EdgeShard, collection: Collection) -> None:
    """Make the indexes anew that are not placed as they would be now."""
    present = shard.info().payload_schema
    for name, kind in collection.indexes.items():
        wanted = field_index(kind)
        if isinstance(wanted, qdrant.PayloadSchemaType):
            continue
        held = present[name].params if name in present else None
        if getattr(held, "memory", None) != wanted.memory:
            shard.update(qdrant.UpdateOperation.delete_field_index(name))
            shard.update(qdrant.UpdateOperation.create_field_index(name, wanted))
