"""Replaces parts of a store with newly written ("staged") parts, either all or none.

The staged parts are next to the live parts until the handover, which replaces all of them at once.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.backup.disk import disk_errors
from cloudops_nb.storage.files.private_files import replace_private
from cloudops_nb.storage.files.store_file import STORE_NAME
from cloudops_nb.storage.opening.handover import (
    discard_leftovers,
    finish_handover,
    hand_over,
    handover_pending,
    next_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.storage.opening.open_store import OpenStore
    from cloudops_nb.storage.vault import Vault


@contextmanager
def replacing_parts(
    storage: OpenStore, collections: Sequence[str], *, generation: int, store_id: str = ""
) -> Iterator[None]:
    """Replace the parts that the block stages; if the block fails, discard them; the store is then unchanged.

    Args:
        storage: The store; no other program has it open.
        collections: The collections that the block stages.
        generation: The lowest data key generation that the restored rows need.
        store_id: The store's new id; empty to keep its id.

    Raises:
        StorageError: A part cannot be replaced. If the replacement was already committed, the next opening of the
            store finishes it; otherwise the store is unchanged.
    """
    path, store = storage.vault.data_path, storage.vector_store
    # Finish an interrupted handover first, so that its parts are not discarded as leftovers.
    finish_handover(path, store)
    discard_leftovers(path, store)
    try:
        yield
        _stage_header(storage.vault, generation, store_id)
        # The handover replaces journal.db, so the old file must not stay open.
        storage.journal.close()
        hand_over(path, store, collections)
    except BaseException:
        # A committed handover still needs the staged parts: the next opening of the store finishes it.
        if not handover_pending(path):
            with suppress(StorageError):  # the next restore discards the leftovers first
                discard_leftovers(path, store)
        raise


def _stage_header(vault: Vault, generation: int, store_id: str) -> None:
    """Write the next ``store.json``, with the new store id and a data key generation that covers the restored rows.

    The generation never decreases, so that a restore does not undo a rotation of the data key.
    """
    header = vault.store_file.read()
    if header is None:
        return
    generation = max(header.data_key_generation, generation)
    renewed = header.model_copy(update={"data_key_generation": generation, "store_id": store_id or header.store_id})
    if renewed != header:
        with disk_errors("the store's header was not written"):
            replace_private(next_file(vault.data_path, STORE_NAME), renewed.file_content())
