"""Bringing a store that an older version wrote to the present format, a version at a time.

A step builds aside what changes. Only the handover makes it count, together with the new ``store.json``: before it the
older version could still open the store, and a process that is killed leaves one version or the other, whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.files.private_files import replace_private
from cloudops_nb.storage.files.store_file import FORMAT, STORE_NAME, StoreFile, with_store_id
from cloudops_nb.storage.opening.handover import discard_leftovers, hand_over, next_file
from cloudops_nb.storage.opening.numbered_points import stage_numbered_estate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.files.store_file import StoreHeader

    #: Builds aside what its format has otherwise, and returns the next header but for the format.
    Step = Callable[[Settings, VectorStore, StoreHeader], StoreHeader]


def _say_where_the_collections_lie(_settings: Settings, _store: VectorStore, header: StoreHeader) -> StoreHeader:
    """From 1 to 2: the header got the engine, the oldest data key and an id; format 1 knew the embedded engine only."""
    return with_store_id(header)


def _let_numbers_stand_for_values(_settings: Settings, store: VectorStore, header: StoreHeader) -> StoreHeader:
    """From 2 to 3: the estate's blind values became numbers in two lists."""
    stage_numbered_estate(store)
    return header


#: By the format that a step starts from.
STEPS: Final[Mapping[int, Step]] = {1: _say_where_the_collections_lie, 2: _let_numbers_stand_for_values}


def upgrade(settings: Settings, store: VectorStore, steps: Mapping[int, Step] = STEPS) -> None:
    """Take the store to the present format; does nothing if it has it. The caller is alone with the store.

    Raises:
        StorageError: A step failed; the store is as it was before that step.
    """
    store_file = StoreFile(settings.data_path)
    while (header := store_file.read()) is not None and header.format < FORMAT:
        discard_leftovers(settings.data_path, store)
        following = steps[header.format](settings, store, header).model_copy(update={"format": header.format + 1})
        content = following.model_dump_json(indent=2).encode() + b"\n"
        replace_private(next_file(settings.data_path, STORE_NAME), content)
        # A collection that no step staged is left alone.
        hand_over(settings.data_path, store, list(COLLECTIONS))
