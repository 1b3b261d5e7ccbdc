"""Putting what was restored in the place of what was there: built aside, handed over as one, or not at all."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.backup.disk import disk_errors
from cloudops_nb.storage.files.private_files import replace_private
from cloudops_nb.storage.files.store_file import STORE_NAME
from cloudops_nb.storage.opening.handover import discard_leftovers, finish_handover, hand_over, next_file, pending

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.storage.opening.open_store import StorageService
    from cloudops_nb.storage.vault import Vault


@contextmanager
def replacing_parts(
    storage: StorageService, collections: Sequence[str], *, generation: int, store_id: str = ""
) -> Iterator[None]:
    """Hand over what the block has built aside; if it fails, remove that, and the store stays as it was.

    Args:
        storage: The store, held alone.
        collections: Those that the block stages.
        generation: The data key's generation that the restored rows need, at least.
        store_id: The id that the store goes on under, if that is another one.

    Raises:
        StorageError: A part cannot be replaced.
    """
    path, store = storage.vault.data_path, storage.vector_store
    finish_handover(path, store)
    discard_leftovers(path, store)
    try:
        yield
        _renew_header(storage.vault, generation, store_id)
        storage.journal.close()
        hand_over(path, store, collections)
    except BaseException:
        # From its commit point on, a handover is finished by whoever opens the store next.
        if not pending(path):
            with suppress(StorageError):  # what cannot be removed now is removed before the next attempt
                discard_leftovers(path, store)
        raise


def _renew_header(vault: Vault, generation: int, store_id: str) -> None:
    """Let the store seal under the newest data key that its rows know, so that a rotation is never undone."""
    header = vault.store_file.read()
    if header is None:
        return
    generation = max(header.data_key_generation, generation)
    renewed = header.model_copy(update={"data_key_generation": generation, "store_id": store_id or header.store_id})
    if renewed != header:
        with disk_errors("the store's header was not written"):
            content = renewed.model_dump_json(indent=2).encode() + b"\n"
            replace_private(next_file(vault.data_path, STORE_NAME), content)
