"""The handover: replaces parts of a store with their new versions, either all of them or none.

The parts are Qdrant collections, the journal, the journal's sealed head (``journal.head``, which reveals records
removed from the journal) and ``store.json``. The new versions are built first. A new collection is a staged collection:
it is in the same vector store as the live one that it will replace. A new file has a name that ends with ``.next``.
Writing ``handover.json`` is the commit point: if the process dies after that, the next opening of the store finishes
the handover.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import StorageError, StoreCorruptedError
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.files.private_files import replace_private, sync_folder
from cloudops_nb.storage.files.store_file import HEAD_NAME, JOURNAL_NAME, STORE_NAME, starting_over_advice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloudops_nb.storage.engines.vector_store import VectorStore

HANDOVER_NAME: Final = "handover.json"
NEXT_SUFFIX: Final = ".next"
#: The files that can be replaced, in this order. ``store.json`` is last, because it names the other files' key.
FILES: Final = (JOURNAL_NAME, HEAD_NAME, STORE_NAME)
_SQLITE_SUFFIXES = ("", "-wal", "-shm")


def next_file(data_path: Path, name: str) -> Path:
    """Return the path where the new version of one of :data:`FILES` is built."""
    return data_path / f"{name}{NEXT_SUFFIX}"


def hand_over(data_path: Path, store: VectorStore, collections: Sequence[str]) -> None:
    """Replace live parts with the staged versions of ``collections`` and with every ``.next`` file, all or none.

    The caller holds the store exclusively, has closed the journal, and has checked the new parts.

    Raises:
        StorageError: A part cannot be replaced. If the handover was committed, the next opening of the store tries
            again.
    """
    store.flush()
    _write_commit(data_path, {"collections": list(collections)})
    finish_handover(data_path, store)


def handover_pending(data_path: Path) -> bool:
    """Return whether a handover is committed but not finished."""
    return (data_path / HANDOVER_NAME).exists()


def finish_handover(data_path: Path, store: VectorStore) -> None:
    """Finish a committed handover, if there is one; the caller holds the store exclusively.

    Raises:
        StoreCorruptedError: ``handover.json`` is damaged or cannot be read.
        StorageError: A part cannot be replaced.
    """
    commit_file = data_path / HANDOVER_NAME
    try:
        collections = json.loads(commit_file.read_bytes())["collections"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreCorruptedError(
            f"{commit_file} is damaged", type(error).__name__, starting_over_advice(data_path)
        ) from error
    store.adopt(collections)
    try:
        for name in FILES:
            _replace_file(data_path, name)
        sync_folder(data_path)
        commit_file.unlink()
        sync_folder(data_path)
    except OSError as error:
        raise StorageError(f"the store's parts in {data_path} cannot be replaced", error.strerror or "") from error


def discard_leftovers(data_path: Path, store: VectorStore) -> None:
    """Remove the new parts that a process built but did not commit, because it failed or was killed."""
    for name in FILES:
        for suffix in _SQLITE_SUFFIXES:
            (data_path / f"{name}{NEXT_SUFFIX}{suffix}").unlink(missing_ok=True)
    for collection in COLLECTIONS:
        store.discard(collection)


def _replace_file(data_path: Path, name: str) -> None:
    new_file = next_file(data_path, name)
    if not new_file.exists():  # this handover does not replace the file, or has already replaced it
        return
    if name == JOURNAL_NAME:  # SQLite must not replay the old file's WAL into the new file
        for suffix in _SQLITE_SUFFIXES[1:]:
            (data_path / f"{name}{suffix}").unlink(missing_ok=True)
    new_file.replace(data_path / name)


def _write_commit(data_path: Path, content: dict[str, list[str]]) -> None:
    try:
        replace_private(data_path / HANDOVER_NAME, json.dumps(content).encode())
    except OSError as error:
        raise StorageError(f"the handover in {data_path} cannot be written", error.strerror or "") from error
